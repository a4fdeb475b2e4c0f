# SPDX-License-Identifier: Apache-2.0
"""Read the server's log while it starts: which models are loaded, and in one sentence what went wrong."""

import re
import shutil
from pathlib import Path
from typing import BinaryIO

from vcf_server.guard import SHARED_MEMORY

ENOUGH_BYTES = 64 << 20
"""Twelve stubs with a mebibyte each to begin with, and a small study."""
LOADED = re.compile(r"successfully loaded '([^']+)'")
MODEL_FAILED = re.compile(r"\"failed to load '([^']+)' version \d+: (.*)\"\s*$")
CONFIG_FAILED = re.compile(r"\"Poll failed for model directory '([^']+)': (.*)\"\s*$")
PROTOBUF_SAYS = re.compile(r"Error parsing text-format inference\.ModelConfig: (.*)$")
SOCKET_TAKEN = re.compile(r"failed to start .*Socket '([^']+)' already in use")
GAVE_UP = re.compile(r"^(?:error: |\S*/tritonserver: )(.+)$|^((?:Bad option|Invalid option value).*)$")
STATUS = re.compile(r"^(?:Internal|Invalid argument|Unavailable|Not found|Unsupported|Unknown): ")
EXCEPTION = re.compile(r"^(?:\w+\.)*(?:RuntimeError|ConfigError|SetupError): ")


class ServerLog:
    """The part of a log file that a server writes from now on. The file may be removed meanwhile."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._file: BinaryIO = path.open("rb")
        self._file.seek(0, 2)
        self._rest = b""
        self._protobuf_says = ""
        self._gave_up = ""
        self.loaded: set[str] = set()
        self.failure: str | None = None
        """The first cause that the log gives; later ones mostly follow from it."""

    def update(self) -> None:
        """Read what was written since the last call."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            self._read(line.decode(errors="replace"))

    def reason(self) -> str:
        """Why the server ended."""
        return self.failure or self._gave_up or f"its log gives no reason{_no_room()}"

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _read(self, line: str) -> None:
        if match := LOADED.search(line):
            self.loaded.add(match[1])
        elif match := PROTOBUF_SAYS.search(line):
            self._protobuf_says = f": {match[1]}"
        elif match := GAVE_UP.search(line):
            self._gave_up = match[1] or match[2]
        elif self.failure is None:
            self.failure = self._failure(line)

    def _failure(self, line: str) -> str | None:
        if match := MODEL_FAILED.search(line):
            return f"model {match[1]!r} cannot be loaded: {_sentence(match[2])}"
        if match := CONFIG_FAILED.search(line):
            return f"model {match[1]!r} has a broken configuration: {_sentence(match[2])}{self._protobuf_says}"
        if match := SOCKET_TAKEN.search(line):
            return f"the address {match[1]} is taken by another program"
        return None


def _no_room() -> str:
    """Tell what ends Triton without a word: shared memory that was promised and is not there."""
    try:
        free = shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return f"; there is no {SHARED_MEMORY}, which it needs"
    if free >= ENOUGH_BYTES:
        return ""
    return f"; {SHARED_MEMORY} is full ({free >> 20} MiB are free, {ENOUGH_BYTES >> 20} MiB are needed)"


def _sentence(text: str) -> str:
    """Strip Triton's status, Python's exception type and its traceback."""
    message = text.replace("\\n", "\n").split("\n\nAt:")[0]
    message = EXCEPTION.sub("", STATUS.sub("", message))
    return " ".join(message.split())

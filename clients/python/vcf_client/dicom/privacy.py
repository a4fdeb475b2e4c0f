# SPDX-License-Identifier: Apache-2.0
"""Limits on what leaves a reader: keyed hashes instead of identifiers, and nothing that a library says about values."""

import hmac
import logging
import os
import secrets
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

HASH_KEY_VARIABLE = "VCF_HASH_KEY"
"""Set to the same secret everywhere, it makes ids agree between processes; without it they last one process."""

_process_key = secrets.token_bytes(32)


def keyed_hash(identifier: str) -> str:
    """HMAC-SHA256 of an identifier, cut to 16 hex digits: tells apart, but cannot be looked up without the key."""
    key = os.environ.get(HASH_KEY_VARIABLE, "").encode() or _process_key
    return hmac.new(key, identifier.encode(), "sha256").hexdigest()[:16]


_TALKATIVE = ("pydicom", "pylibjpeg", "openjpeg", "libjpeg", "jpeg_ls", "nibabel", "nibabel.global")
_SILENT = logging.CRITICAL + 1
_lock = threading.Lock()
_depth = 0
_saved_levels: dict[str, int] = {}
_saved_warnings: warnings.catch_warnings | None = None


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the readers' libraries: their warnings and log lines quote the values of elements.

    Warning filters belong to the process, so readers in several threads share one silence: the first turns it on,
    the last turns it off.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _depth, _saved_warnings
    with _lock:
        _depth += 1
        if _depth > 1:
            return
        _saved_warnings = warnings.catch_warnings()
        _saved_warnings.__enter__()
        warnings.simplefilter("ignore")
        for name in _TALKATIVE:
            logger = logging.getLogger(name)
            _saved_levels[name] = logger.level
            logger.setLevel(_SILENT)


def _leave() -> None:
    global _depth, _saved_warnings
    with _lock:
        _depth -= 1
        if _depth > 0:
            return
        if _saved_warnings is not None:
            _saved_warnings.__exit__(None, None, None)
            _saved_warnings = None
        for name, level in _saved_levels.items():
            logging.getLogger(name).setLevel(level)
        _saved_levels.clear()

# SPDX-License-Identifier: Apache-2.0
"""Output in encodings that lack the characters of the table: real processes, for their streams are what matters."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "cp437", "utf-8", "koi8-r", "utf-16"])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_any_character_in_any_encoding(encoding: str, stream: str) -> None:
    program = (
        "import sys; from vcf_cli.terminal import show_any_character; show_any_character(); "
        f"print('512 × 512 − 3 → ✓ 骨 █', file=sys.{stream})"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}
    )
    assert ran.returncode == 0, ran.stderr
    shown = getattr(ran, stream).decode(encoding)
    if encoding.startswith("utf"):
        assert shown.strip() == "512 × 512 − 3 → ✓ 骨 █"
    else:
        assert shown.startswith("512 ") and " 512 " in shown and shown.count("?") == 1, "plain, and one unknown"

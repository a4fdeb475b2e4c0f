# SPDX-License-Identifier: Apache-2.0
"""What a screening has written, read without the product's own reader."""

from pathlib import Path

import pandas as pd


def frame(out: Path) -> pd.DataFrame:
    """The rows of all parts."""
    parts = sorted((out / "studies").glob("part-*.parquet"))
    return pd.concat([pd.read_parquet(part) for part in parts]) if parts else pd.DataFrame()


def rows(out: Path) -> int:
    """Rows by now, in journals and parts."""
    journals = (out / ".studies.journal").glob("*.jsonl")
    lines = sum(path.read_bytes().count(b"\n") for path in journals)
    return lines + len(frame(out)) if (out / "studies").is_dir() else 0

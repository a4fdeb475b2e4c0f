# SPDX-License-Identifier: Apache-2.0
"""The tensor tables of ``docs/protocol.md``, made from the contract so that they cannot drift from it.

``python -m export.protocol`` rewrites them in place.
"""

import re
from pathlib import Path

from vcf.contract import ENSEMBLES, Tensor
from vcf.errors import Code

PAGE = Path(__file__).resolve().parents[1] / "docs" / "protocol.md"
SYMBOLS = {
    "volume": ("Nz", "Ny", "Nx"),
    "crop": ("Nz", "rows", "columns"),
    "slice_images": ("n",),
    "slice_indices": ("n",),
    "dicom_files": ("n",),
    "centre_line_mm": ("m",),
    "midsagittal": ("rows", "columns"),
    "flags": ("m",),
    "study_flags": ("m",),
    "selection": ("m",),
    "stage_timings_ms": ("n",),
}
"""How a varying dimension is called where it is not k, the number of patches."""

SIDES = ("inputs", "outputs")


def tensor_table(tensors: tuple[Tensor, ...]) -> str:
    """A Markdown table of name, type, shape and meaning."""
    rows = ["| tensor | type | shape | meaning |", "|---|---|---|---|"]
    for tensor in tensors:
        symbols = iter(SYMBOLS.get(tensor.name, ("k",)))
        shape = ", ".join(next(symbols) if size < 0 else str(size) for size in tensor.shape)
        rows.append(f"| `{tensor.name}` | {tensor.dtype} | [{shape}] | {tensor.meaning} |")
    return "\n".join(rows)


def fill(page: str) -> str:
    """The page with the tables between its markers made anew."""
    tables = {f"{door.name} {side}": tensor_table(getattr(door, side)) for door in ENSEMBLES for side in SIDES}
    tables["codes"] = ", ".join(f"`{code}`" for code in Code)
    for marker, content in tables.items():
        between = re.compile(rf"(?<=<!-- {marker} -->\n).*?(?=<!-- /{marker} -->)", re.DOTALL)
        page, found = between.subn(f"{content}\n".replace("\\", r"\\"), page)
        if found != 1:
            raise ValueError(f"the page must hold the markers of {marker!r} once, found {found} times")
    return page


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text("utf-8")), "utf-8")

# SPDX-License-Identifier: Apache-2.0
"""The tensor tables of ``docs/protocol.md``, made from the contract so that they cannot drift from it.

``python -m vcf_export.protocol`` rewrites them in place.
"""

import re
from pathlib import Path

from vcf_contract.contract import ENSEMBLES, Tensor
from vcf_contract.errors import REFUSAL, Code
from vcf_contract.statuses import RULES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
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
        optional = "optional: " if tensor.optional else ""
        rows.append(f"| `{tensor.name}` | {tensor.dtype} | [{shape}] | {optional}{tensor.meaning} |")
    return "\n".join(rows)


def rule_table() -> str:
    """A Markdown table of what errors mean, in the order in which they are tried."""
    rows = ["| gRPC status | words | error | retry | meaning |", "|---|---|---|---|---|"]
    for rule in RULES:
        named = ", ".join(f"`{status}`" for status in rule.statuses)
        words = f"`{rule.words}`".replace("|", "\\|") if rule.words else ""
        rows.append(f"| {named} | {words} | `{rule.error}` | {rule.retry} | {rule.meaning} |")
    return "\n".join(rows)


def with_tables(page: str) -> str:
    """The page with the tables between its markers made anew."""
    tables = {f"{entry.name} {side}": tensor_table(getattr(entry, side)) for entry in ENSEMBLES for side in SIDES}
    tables["refusal"] = f"```text\n{REFUSAL}\n```"
    tables["rules"] = rule_table()
    tables["codes"] = ", ".join(f"`{code}`" for code in Code)
    for marker, content in tables.items():
        between = re.compile(rf"(?<=<!-- {marker} -->\n).*?(?=<!-- /{marker} -->)", re.DOTALL)
        page, found = between.subn(f"{content}\n".replace("\\", r"\\"), page)
        if found != 1:
            raise ValueError(f"the page must hold the markers of {marker!r} once, found {found} times")
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")

# SPDX-License-Identifier: Apache-2.0
"""Counts against the budget."""

from pathlib import Path

from vcf_benchmarks.copies.budget import StudySize, Who, budget, total
from vcf_benchmarks.copies.command import add_figures
from vcf_benchmarks.copies.count import Counts
from vcf_benchmarks.copies.goals import TOLERANCE_BYTES
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.pages import draw

SIZE = StudySize((60, 256, 256), (60, 40, 30), 5, 4, (100, 90), dicom_bytes=8_000_000, dicom_files=60)


def exact(transport: str, extra: int = 0) -> Counts:
    """Counts that are the budget's, with so much more in the server."""
    copies = budget(transport, SIZE)
    seen = {who: total(copies, who, counted_only=True) for who in Who}
    copied = {"client": seen[Who.CLIENT], "server": seen[Who.SERVER] + extra, "stub spine_patches": seen[Who.STUB]}
    half = seen[Who.KERNEL] // 2
    return Counts(copied, {"client": half}, {"server": seen[Who.KERNEL] - half})


def test_a_count_over_the_budget_breaks_the_run_and_says_who_copied(tmp_path: Path) -> None:
    kept, broken = Result("copies", {}), Result("copies", {})
    add_figures(kept, SIZE, {"crop": exact("crop")})
    add_figures(broken, SIZE, {"crop": exact("crop", extra=TOLERANCE_BYTES + 1_000_000)})
    assert kept.valid and kept.figures["transports"]["crop"]["to_count_bytes"] == total(
        budget("crop", SIZE), counted_only=True
    )
    (rule,) = broken.broken
    assert rule.startswith("by crop, server copied")
    inside = exact("crop")
    inside.copied["stub patch_encoder"] = 9_000_000  # type: ignore[index]
    work = Result("copies", {})
    add_figures(work, SIZE, {"crop": inside})
    planned = sum(c.nbytes for c in budget("crop", SIZE) if c.who is Who.STUB and c.where == "patch_encoder")
    assert work.figures["transports"]["crop"]["inside_networks_bytes"] == 9_000_000 - planned
    page, picture = draw(kept.write(tmp_path / "copies.json"))
    assert picture.name == "copies-budget.png" and picture.read_bytes().startswith(b"\x89PNG")
    assert "<svg" in page.read_text() and "In the order in which it happens" in page.read_text()

# SPDX-License-Identifier: Apache-2.0
import json
import re

import pytest

from vcf_benchmarks import readme
from vcf_benchmarks.harness.result import REFERENCE
from vcf_benchmarks.kinds import KINDS


def document(figure: readme.Figure, **changed):
    target = {"name": figure.target, "value": 1.0449, "goal": 1.15, "at_most": True, "met": True}
    machine = {"processor": "A CPU", "cores": 2}
    made = {"schema": 2, "kind": figure.kind, "valid": True, "broken_rules": [], "targets": [target]}
    return made | {"machine": machine, "commit": "0123456789ab"} | changed


FIRST = readme.FIGURES[0]


def test_readme_quotes_the_committed_results() -> None:
    text = readme.README.read_text("utf-8")
    assert readme.replaced(text, readme.table(readme.results(REFERENCE))) == text, "run python -m vcf_benchmarks.readme"


def test_the_page_of_the_benchmarks_quotes_them_too() -> None:
    text = readme.PAGE.read_text("utf-8")
    found = readme.goals(readme.results(REFERENCE, tuple(KINDS)))
    assert readme.replaced(text, found) == text, "run python -m vcf_benchmarks.readme"


def test_every_goal_of_every_committed_result_stands_on_that_page() -> None:
    text = readme.PAGE.read_text("utf-8")
    for path in sorted(REFERENCE.glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        for target in document["targets"]:
            name = re.escape(target["name"].replace("serving tax", "serving overhead").replace(" wire ", " transport "))
            row = re.search(
                rf"^\| `{path.stem}` \| `(\w+)` \| {name} \| ([\d.,]+) \|.*\| (\w*) \|$", text, re.MULTILINE
            )
            assert row, (path.stem, target["name"])
            assert document["commit"].startswith(row[1]) and float(row[2].replace(",", "")) == pytest.approx(
                target["value"], rel=0.005
            )
            assert (row[3] == "missed") is not target["met"]


def rows(start: str) -> dict[str, list[float]]:
    """Numbers of the first table after some words of the page, by the first cell of their row."""
    table = readme.PAGE.read_text("utf-8").partition(start)[2].partition("\n|")[2].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {first: [float(cell) for cell in rest if cell] for first, *rest in cells if re.search(r"\d", "".join(rest))}


def test_the_text_says_of_processor_time_what_was_measured() -> None:
    figures = json.loads((REFERENCE / "overhead.json").read_text("utf-8"))["figures"]["core_ms"]
    said = rows("**Throughput.** Processor time")
    for name in ("patch_encoder", "spinal_cord_detector", "spine_patches", "client", "tritonserver"):
        crop, shm = said[name if name == "client" else f"`{name}`"]
        assert (crop, shm) == pytest.approx((figures["crop"][name], figures["shm"][name]), rel=0.03), name
    assert said["all"] == pytest.approx(
        [sum(figures[way].values()) for way in ("in one process", "crop", "shm")], rel=0.01
    )


def test_the_text_says_of_memory_what_was_measured() -> None:
    figures = json.loads((REFERENCE / "sizes.json").read_text("utf-8"))["figures"]["transports"]
    said = rows("**Memory.** Four studies in flight")
    for transport in ("crop", "volume"):
        assert said[f"sent by `{transport}`, MB"] == [round(size["sent_mb"], 1) for size in figures[transport]["sizes"]]
    for transport in ("crop", "shm", "volume"):
        assert said[f"`{transport}`"] == [round(size["times_sent"], 1) for size in figures[transport]["sizes"]]


def test_the_table_has_five_figures_each_with_its_committed_value() -> None:
    rows = [line for line in readme.table(readme.results(REFERENCE)).splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(readme.FIGURES) == 5
    for figure, row in zip(readme.FIGURES, rows, strict=True):
        targets = json.loads((REFERENCE / f"{figure.kind}.json").read_text("utf-8"))["targets"]
        (target,) = (t for t in targets if t["name"].replace("serving tax", "serving overhead") == figure.target)
        value = re.split(r" *\| *", row)[2]
        assert float(value) == pytest.approx(target["value"], rel=0.005)
        assert ("missed" in row) is not target["met"]


def test_without_results_the_readme_says_so(tmp_path) -> None:
    assert readme.table(readme.results(tmp_path)) == readme.NONE


def test_a_missed_target_is_called_so() -> None:
    target = {"name": FIRST.target, "value": 2.0, "goal": 3.0, "at_most": False, "met": False}
    missed = {FIRST.kind: document(FIRST, targets=[target, other()])}
    assert f"| {FIRST.words} (`{FIRST.kind}`) | 2 | ≥ 3 | missed |" in readme.table(missed)
    met = {FIRST.kind: document(FIRST, targets=[*document(FIRST)["targets"], other()])}
    assert f"| {FIRST.words} (`{FIRST.kind}`) | 1.04 | ≤ 1.15 |  |" in readme.table(met)


def other():
    """The second target that is quoted of the first one's benchmark."""
    (second,) = (figure for figure in readme.FIGURES[1:] if figure.kind == FIRST.kind)
    return {"name": second.target, "value": 1.0, "goal": 0.95, "at_most": False, "met": True}


def test_a_figure_that_its_result_lacks_is_said() -> None:
    with pytest.raises(ValueError, match="has no target"):
        readme.table({FIRST.kind: document(FIRST, targets=[])})


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"valid": False, "broken_rules": ["unstable windows"]}, "unstable windows"),
        ({"commit": None}, "no commit holds"),
        ({"commit": "0123456789ab+changes"}, "no commit holds"),
    ],
)
def test_a_run_that_does_not_hold_or_whose_code_nobody_has_is_not_quoted(tmp_path, changed, why) -> None:
    (tmp_path / f"{FIRST.kind}.json").write_text(json.dumps(document(FIRST, **changed)))
    with pytest.raises(ValueError, match=why):
        readme.results(tmp_path)


def test_marks_must_be_there() -> None:
    assert (
        readme.replaced(f"a\n{readme.BEGIN}\nold\n{readme.END}\nb", "new") == f"a\n{readme.BEGIN}\nnew\n{readme.END}\nb"
    )
    with pytest.raises(ValueError, match="no place"):
        readme.replaced("nothing here", "new")

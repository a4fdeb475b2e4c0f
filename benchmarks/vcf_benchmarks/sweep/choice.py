# SPDX-License-Identifier: Apache-2.0
"""Tell which of the measured forms is the best one, by a rule that is stated and applied without exception."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vcf_benchmarks.sweep.measure import Point
from vcf_contract.contract import PATCH_ENCODER
from vcf_contract.errors import SetupError
from vcf_export.config import CHECKS, REDUCED, network_runtime
from vcf_export.passport_writer import PARITY
from vcf_export.tuning import Tuning
from vcf_server import passport

FLOAT32_WITHIN = 1e-4
"""The distance of a study score from the committed form's: more than any order of summation makes, less than
bfloat16 does."""
Checks = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Choice:
    """The best form, the rule, and what kept each other one from being it.

    chosen
        None if no form passed.
    """

    chosen: Point | None
    bound_ms: float
    rule: str
    why_not: dict[Tuning, str]


def checks(path: Path) -> Checks:
    """Read the checks of the JSON of ``vcf export check`` by name.

    Raises
    ------
    SetupError
        If it is none.
    """
    try:
        return {check["name"]: check for check in json.loads(path.read_text("utf-8"))["checks"]}
    except (ValueError, KeyError, TypeError) as error:
        raise SetupError(f"{path} is not what `vcf export check --json` writes ({type(error).__name__})") from None


def accuracy(form: str, repository: Path, parity: Checks | None, accept_flips: bool = False) -> str | None:
    """Return why the form's scores are not good enough to be chosen, or None if they are.

    Float32 forms are held to the committed one's answers while they are measured. Reduced precision needs its parity
    check, passed, and no study decided otherwise: the threshold was fixed with float32.
    """
    if form not in REDUCED:
        return None
    name = CHECKS[form]
    check = parity.get(name) if parity is not None else _recorded(form, repository)
    if check is None or check.get("passed") is None:
        return f"no result of the check {name!r}: run `vcf export check --json FILE`, then give --parity FILE"
    if not check["passed"]:
        return f"the check {name!r} was missed"
    if check["decision_flips"] and not accept_flips:
        return f"{check['decision_flips']} decisions flip in the check {name!r}; --accept-flips takes it all the same"
    return None


def _recorded(form: str, repository: Path) -> Mapping[str, Any] | None:
    """Return what the encoder's passport says of this form; the file of a form may stand for several."""
    entries = passport.read(repository / PATCH_ENCODER.name / "1")
    parity: dict[str, Any] | None = entries.get(network_runtime(PATCH_ENCODER, form).file_name, {}).get(PARITY)
    return parity if parity is not None and parity.get("check") == CHECKS[form] else None


def choose(
    points: Sequence[Point], base: Tuning, verdicts: Mapping[str, str | None], bound_ms: float | None, slack: float
) -> Choice:
    """Choose the highest throughput at saturation of the confirmed forms with p99 at low load within the bound.

    Confirmed are those with as many readings as the committed form: they were measured in the same rounds.
    """
    by_tuning = {point.tuning: point for point in points}
    reference = by_tuning[base]
    bound = bound_ms if bound_ms is not None else slack * reference.low(0.99).ms
    stated = "given" if bound_ms is not None else f"{slack:g} times the committed form's"
    rule = (
        f"the highest throughput at saturation of the confirmed forms whose p99 at low load is at most {bound:.0f} ms "
        f"({stated}) and whose accuracy passed"
    )
    why_not: dict[Tuning, str] = {}
    passed: list[Point] = []
    rounds = len(reference.readings)
    for point in points:
        if why := _why_not(point, verdicts, rounds, bound):
            why_not[point.tuning] = why
        else:
            passed.append(point)
    chosen = max(passed, key=lambda point: point.per_s, default=None)
    why_not |= {point.tuning: "slower" for point in passed if point is not chosen}
    return Choice(chosen, bound, rule, why_not)


def _why_not(point: Point, verdicts: Mapping[str, str | None], rounds: int, bound_ms: float) -> str | None:
    if point.refused:
        return f"did not start: {point.refused}"
    if why := verdicts[point.tuning.form]:
        return why
    if why := unlike(point):
        return why
    if len(point.readings) < rounds:
        return "not among the fastest of the search"
    p99_ms = point.low(0.99).ms
    return f"p99 of {p99_ms:.0f} ms at low load" if p99_ms > bound_ms else None


def unlike(point: Point) -> str | None:
    """Return what was wrong with the answers of a form, if anything."""
    if failures := [failure for reading in point.readings for failure in reading.failures]:
        return f"{len(failures)} calls failed or were answered wrongly ({', '.join(sorted(set(failures)))})"
    if point.tuning.form in REDUCED:
        return None
    off = max(reading.difference for reading in point.readings)
    return f"scores differ from the committed form's by {off:.1e}" if off > FLOAT32_WITHIN else None

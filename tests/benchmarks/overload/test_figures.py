# SPDX-License-Identifier: Apache-2.0
"""Targets of an overload from calls that are known, and a page that says them."""

import pytest

pytest.importorskip("hdrh")
pytest.importorskip("tritonclient.grpc")
from vcf_benchmarks.harness.calls import Call
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.overload.figures import add_figures
from vcf_benchmarks.overload.goals import HOPS
from vcf_benchmarks.overload.measure import Beside, Measured, accepted_ms, refused_ms
from vcf_benchmarks.overload.page import sections

MB = 10**6


def calls(answered_ms, refused=0, failure=None):
    """Calls of these latencies, and refusals of 2 ms each."""
    made = [Call(n, n, n + ms / 1e3, failure) for n, ms in enumerate(answered_ms)]
    return (*made, *(Call(n, n, n + 0.002, "OVERLOADED") for n in range(refused)))


def measured(**changes):
    usual = {
        "urgent_alone_ms": [100.0] * 20,
        "highest_per_s": 8.0,
        "saturation": calls([1000.0] * 50, refused=3),
        "overload": calls([1500.0] * 50, refused=150),
        "beside": Beside([180.0] * 20, [], [3.0] * 100),
        "usual_ms": [110.0] * 20,
        "next_ms": 165.0,
        "before_bytes": 500 * MB,
        "peak_bytes": 700 * MB,
        "after_bytes": 520 * MB,
        "bytes_sent": 10 * MB,
        "loop_share": 0.1,
    }
    return Measured(**{**usual, **changes})


def result(most_studies=20, **changes):
    made = Result("overload", {"times": 4, "seconds": 60})
    add_figures(made, measured(**changes), most_studies)
    return made


def test_calls_are_told_apart():
    mixed = calls([10.0, 20.0], refused=3) + calls([30.0], failure="SERVER_FAILED")
    assert accepted_ms(mixed) == pytest.approx([10, 20])
    assert refused_ms(mixed) == pytest.approx([2, 2, 2])


def test_targets_are_ratios_of_what_was_measured():
    made = result()
    lid = 500 * MB + 20 * HOPS * 10 * MB
    assert [target.value for target in made.targets] == pytest.approx([1.5, 3, 1.8, 1.5, 700 * MB / lid], rel=2e-3)
    assert all(target.met for target in made.targets) and made.valid
    assert (made.figures["offered"], made.figures["accepted"]) == (200, 50)


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({"overload": calls([2100.0] * 50, refused=9)}, 0),
        ({"beside": Beside([180.0] * 20, [], [3.0] * 90 + [50.0] * 10)}, 1),
        ({"beside": Beside([180.0] * 10 + [900.0] * 10, [], [3.0])}, 2),
        ({"next_ms": 900.0}, 3),
        ({"peak_bytes": 9000 * MB}, 4),
    ],
)
def test_each_target_can_be_missed(changes, missed):
    assert [number for number, target in enumerate(result(**changes).targets) if not target.met] == [missed]


def test_refusals_for_load_are_no_failures_and_others_are():
    assert result().valid
    for changes in (
        {"overload": calls([1500.0] * 50, refused=9) + calls([5.0], failure="SERVER_FAILED")},
        {"saturation": calls([1000.0] * 50) + calls([5.0], failure="WRONG")},
        {"beside": Beside([180.0] * 20, ["OVERLOADED"], [3.0])},
    ):
        assert not result(**changes).valid


def test_a_run_that_refused_nothing_does_not_hold():
    made = result(beside=Beside([180.0], [], []))
    assert made.broken == ["there is no study of: refused beside it"] and not made.targets


def test_page_says_what_became_of_them():
    first, second = sections(result().document())
    assert "of 200 studies 50 were answered and 150 refused" in first.text and "<svg" in first.plot
    assert [row[0] for row in first.rows][:3] == ["usual", "saturation", "overload"]
    assert second.rows == [("500", "700", "520", "1420")]

# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.pages import draw
from vcf_benchmarks.sizes.command import SIZES
from vcf_benchmarks.sizes.figures import Cost, account, exponent


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_exponent_of_a_known_power_law(power: float) -> None:
    slices = [slices for slices, _ in SIZES]
    assert exponent(slices, [3.7 * n**power for n in slices]) == pytest.approx(power, abs=1e-9)


def test_a_constant_cost_makes_the_exponent_smaller() -> None:
    slices = np.array([slices for slices, _ in SIZES])
    assert 0 < exponent(slices, 1000 + 2.0 * slices) < exponent(slices, 10 + 2.0 * slices) < 1


def test_no_power_law_through_nothing() -> None:
    with pytest.raises(ValueError, match="positive"):
        exponent([1, 2], [0, 1])


def test_an_answer_that_differs_from_the_right_one_is_a_mistake() -> None:
    cost = Cost(40, 5.0, 1)
    cost.answers = [[0.1, 0.2], [0.1, 0.20001], [0.1, 0.3], [0.1]]
    assert cost.mistaken([0.1, 0.2]) == 2
    assert cost.mistaken([0.5, 0.2]) == 4  # alike, and wrong


def test_exponents_and_memory_stand_in_the_targets_and_on_the_page(tmp_path) -> None:
    """Time in proportion to the slices, memory to their square, up to three times what was sent."""
    costs = [
        Cost(
            slices,
            spacing_mm,
            slices * 1000,
            times_ms=[slices * 1.0] * 9,
            core_s=[slices / 500] * 9,
            patches=max(2, round(slices * spacing_mm / 48)),
            sent_bytes=slices * 1_000_000,
            server_growth_bytes=3e6 * slices**2 / 700,
            peak_growth_bytes={"client": 2e6 * slices, "tritonserver": 1e6 * slices, "centre_line": 0},
        )
        for slices, spacing_mm in SIZES
    ]
    result = Result("sizes", {})
    account(result, {"crop": costs}, 3)
    values = {target.name: (round(target.value, 6), target.met) for target in result.targets}
    assert values == {
        "exponent of latency by slices, crop": (1.0, True),
        "exponent of core-seconds by slices, crop": (1.0, True),
        "exponent of server memory by slices, crop": (2.0, False),
        "server memory a study in flight over bytes sent, crop": (3.0, False),
    }
    page = draw(result.write(tmp_path / "sizes.json"))[0].read_text()
    assert "<svg" in page and "tritonserver" in page and "centre_line" not in page

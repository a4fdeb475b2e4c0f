# SPDX-License-Identifier: Apache-2.0
import argparse
import json
import math

import pytest

from tests.benchmarks.capacity.curves import measured
from vcf_benchmarks.capacity import command, options
from vcf_benchmarks.capacity.plan import (
    DAY,
    LEAST_PODS,
)
from vcf_benchmarks.pages import draw
from vcf_contract.errors import SetupError, UsageError


def plan(path, *words):
    parser = argparse.ArgumentParser()
    options.add_arguments(parser)
    return command.run(parser.parse_args(["--curve", str(path), *words]))


def test_the_whole_plan(tmp_path, capsys):
    """1.67/s a server within 600 ms; 18000 an hour are 5/s: three servers, and one spare."""
    result = plan(measured(tmp_path), "--studies-per-hour", "18000", "--p99-ms", "600", "--cost-per-hour", "0.5")
    figures = result.figures
    assert figures["per_server_per_s"] == pytest.approx(5 / 3, abs=1e-3)
    assert (figures["working"], figures["replicas"]) == (3, 4)
    assert figures["cost"]["per_hour"] == 2.0 and figures["cost"]["per_day_fixed"] == 48.0
    fixed, scaled = (figures["server_hours_per_day"][key] for key in ("fixed", "scaled"))
    each = [max(1, math.ceil(5 * weight / max(DAY) / (5 / 3) - 1e-6)) + 1 for weight in DAY]
    assert (fixed, scaled) == (96, sum(max(LEAST_PODS, count) for count in each))
    assert figures["cost"]["per_day_scaled"] == pytest.approx(scaled * 0.5)
    assert result.valid and [target.met for target in result.targets] == [True]
    assert "4 servers (3 and 1 spare)" in capsys.readouterr().out
    path = result.write(tmp_path / "capacity.json")
    assert json.loads(path.read_text())["figures"] == figures
    assert draw(path)[0].read_text().count("<svg") == 3


def test_a_day_of_studies_is_spread_over_its_hours(tmp_path):
    result = plan(measured(tmp_path), "--studies-per-day", "24000", "--p99-ms", "600")
    assert result.figures["studies_per_hour"] == pytest.approx(24000 * max(DAY) / sum(DAY), abs=0.1)
    assert result.figures["cost"] is None
    flat = plan(measured(tmp_path), "--studies-per-day", "24000", "--p99-ms", "600", "--day", *["1"] * 24)
    assert flat.figures["studies_per_hour"] == 1000
    assert flat.figures["server_hours_per_day"]["fixed"] == flat.figures["server_hours_per_day"]["scaled"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--studies-per-hour", "10", "--p99-ms", "200"], "no number of servers"),
        (["--studies-per-hour", "10", "--p99-ms", "300"], "does not reach"),
        (["--studies-per-hour", "10", "--p99-ms", "450", "--cautious"], "upper end"),
        (["--studies-per-hour", "0", "--p99-ms", "600"], "--studies-per-hour is 0.0"),
        (["--studies-per-hour", "9", "--p99-ms", "600", "--spare", "-1"], "--spare is -1"),
        (["--studies-per-hour", "9", "--p99-ms", "600", "--day", *["0"] * 24], "--day"),
    ],
)
def test_what_cannot_be_planned_is_refused(tmp_path, words, why):
    with pytest.raises(UsageError if why.startswith("--") else SetupError, match=why):
        plan(measured(tmp_path), *words)


def test_a_plan_on_a_run_that_does_not_hold_does_not_hold(tmp_path):
    path = measured(tmp_path, broken_rules=["it lagged"])
    assert not plan(path, "--studies-per-hour", "10", "--p99-ms", "600").valid

# SPDX-License-Identifier: Apache-2.0
"""LoadGen's scenarios as figures."""

from vcf_benchmarks.harness.distribution import encoded
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.loadgen.measure import Measured, summary
from vcf_benchmarks.loadgen.scenarios import NOTICE, OFFLINE, SERVER, SINGLE_STREAM
from vcf_benchmarks.loadgen.system import Trial


def add_figures(result: Result, measured: Measured, logs: str) -> None:
    """Write figures and histograms into the result."""
    result.figures = {
        "notice": NOTICE,
        "logs": logs,
        "single_stream_p90_ms": round(summary(measured.single_stream).headline, 3),
        "offline_per_s": round(summary(measured.offline).headline, 4),
        "server_bound_ms": round(measured.bound_ms, 3),
        "server_per_s": None if measured.server_per_s is None else round(measured.server_per_s, 4),
        "server_confirmed_by_early_stopping": measured.confirmed,
        "accuracy": {
            scenario: {"answers": answers, "wrong": wrong} for scenario, (answers, wrong) in measured.accuracy.items()
        },
        "tests": [
            {"name": name, "settings": trial.settings, **summary(trial).entry()} for name, trial in _trials(measured)
        ],
    }
    result.histograms = {name: encoded(trial.latencies_ms) for name, trial in _trials(measured)}


def _trials(measured: Measured) -> list[tuple[str, Trial]]:
    return [
        (SINGLE_STREAM, measured.single_stream),
        (OFFLINE, measured.offline),
        *((f"{SERVER} {number}, {rate:.3g}/s", trial) for number, (rate, trial) in enumerate(measured.server)),
    ]

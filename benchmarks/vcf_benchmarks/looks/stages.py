# SPDX-License-Identifier: Apache-2.0
"""``vcf bench stages``: where the time of one study goes, one request after the other on a warm server."""

import argparse
from collections.abc import Mapping
from typing import Any

from vcf_benchmarks.harness import options
from vcf_benchmarks.harness.machine import machine
from vcf_benchmarks.harness.served import served
from vcf_benchmarks.harness.studies import stretched_ct
from vcf_benchmarks.harness.timing import counted_rounds, summary, timed_ms
from vcf_client import VcfClient
from vcf_client.study import Study

WARM_UP = 2


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure with the study that the options name."""
    options.at_least(args, slices=2, runs=1)
    study = stretched_ct(args.slices)
    with served(args.server) as server, VcfClient(server.address) as client:
        return measure(client, study, args.runs)


def measure(client: VcfClient, study: Study, runs: int) -> dict[str, Any]:
    """Return the wall time of each stage and of the whole call, over ``runs`` calls after two uncounted ones."""
    calls: list[dict[str, float]] = []
    for counted in counted_rounds(runs, WARM_UP):
        total_ms, findings = timed_ms(lambda: client.analyze(study))
        if counted:
            calls.append({**findings.timings_ms, "total": total_ms})
    return {
        "volume": list(study.volume.hu.shape),
        "patches": len(findings.patches),
        "runs": runs,
        "machine": machine(),
        "stages": {stage: summary([call[stage] for call in calls]) for stage in calls[0]},
    }


def table(figures: Mapping[str, Any]) -> list[str]:
    """Return a line for each stage."""
    volume = " × ".join(map(str, figures["volume"]))
    return [
        f"volume {volume}, {figures['patches']} patches, {figures['runs']} calls",
        f"{'stage':<24}{'min':>10}{'median':>10}{'max':>10}  ms",
        *(
            f"{stage:<24}{ms['min_ms']:>10.1f}{ms['median_ms']:>10.1f}{ms['max_ms']:>10.1f}"
            for stage, ms in figures["stages"].items()
        ),
    ]

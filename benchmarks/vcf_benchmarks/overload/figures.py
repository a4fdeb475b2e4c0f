# SPDX-License-Identifier: Apache-2.0
"""Figures and targets of what became of the studies."""

import statistics

from vcf_benchmarks.harness import validity
from vcf_benchmarks.harness.calls import WRONG
from vcf_benchmarks.harness.distribution import encoded, entries, percentile
from vcf_benchmarks.harness.result import Result, Target
from vcf_benchmarks.overload.goals import (
    ACCEPTED_GOAL,
    HOPS,
    LID_GOAL,
    NEXT_GOAL,
    REFUSED_MS_GOAL,
    URGENT_GOAL,
)
from vcf_benchmarks.overload.measure import Measured, accepted_ms, refused_ms

P99 = 0.99


def add_figures(result: Result, measured: Measured, most_studies: int) -> None:
    """Write them into the result; ``most_studies`` are those that the server takes at a time."""
    groups = {
        "usual": measured.usual_ms,
        "saturation": accepted_ms(measured.saturation),
        "overload": accepted_ms(measured.overload),
        "refused at saturation": refused_ms(measured.saturation),
        "refused under overload": refused_ms(measured.overload),
        "urgent alone": measured.urgent_alone_ms,
        "urgent under overload": measured.beside.urgent_ms,
        "refused beside it": measured.beside.refused_ms,
    }
    groups = {name: times for name, times in groups.items() if times}
    lid = measured.before_bytes + most_studies * HOPS * measured.bytes_sent
    result.figures = {
        "highest_per_s": measured.highest_per_s,
        "most_studies": most_studies,
        "percentiles": {name: entries(times) for name, times in groups.items()},
        "offered": len(measured.overload),
        "accepted": len(groups.get("overload", [])),
        "next_ms": measured.next_ms,
        "memory_bytes": {
            "before": measured.before_bytes,
            "peak": measured.peak_bytes,
            "after": measured.after_bytes,
            "lid": lid,
        },
        "bytes_sent": measured.bytes_sent,
    }
    result.histograms = {name: encoded(times) for name, times in groups.items()}

    def p99(name: str) -> float:
        return percentile(groups[name], P99).ms

    if missing := {"saturation", "overload", "refused beside it", "urgent under overload"} - groups.keys():
        result.broken.append(f"there is no study of: {', '.join(sorted(missing))}")
        return
    result.targets = [
        Target("p99 of accepted studies, overload over saturation", p99("overload") / p99("saturation"), ACCEPTED_GOAL),
        Target("p99 of refusals, ms", p99("refused beside it"), REFUSED_MS_GOAL),
        Target(
            "p99 of urgent studies, overload over alone",
            p99("urgent under overload") / p99("urgent alone"),
            URGENT_GOAL,
        ),
        Target("next study over the usual time", measured.next_ms / statistics.median(measured.usual_ms), NEXT_GOAL),
        Target("peak of memory over the stated lid", measured.peak_bytes / lid, LID_GOAL),
    ]
    failures = measured.failures
    found = [
        validity.wrong(len(failures), sum(failure == WRONG for failure in failures)),
        validity.failed(len(failures), [failure for failure in failures if failure and failure != WRONG]),
        validity.saturated(measured.loop_share),
    ]
    result.broken += [rule for rule in found if rule]

# SPDX-License-Identifier: Apache-2.0
"""The run of ``vcf bench sizes``."""

import argparse
import os

from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.harness.studies import stretched_ct
from vcf_benchmarks.harness.validity import watched, wrong
from vcf_benchmarks.harness.windows import rounds_of
from vcf_benchmarks.sizes.figures import Cost, account
from vcf_benchmarks.sizes.measure import AT_ONCE, TRANSPORTS, time_all, weigh

SIZES = ((40, 5.0), (133, 2.5), (300, 1.0), (700, 1.0))
"""Slices and their distance in mm: 200, 333, 300 and 700 mm of body."""
OTHER = {"crop": "volume", "shm": "volume", "volume": "crop"}
"""The transport whose first answer is the right one for a transport."""


def run(args: argparse.Namespace) -> Result:
    """Time all sizes in turn on one server; then weigh memory, with a fresh server for each size and transport."""
    result = Result("sizes", {"runs": args.runs, "sizes": SIZES, "at_once": AT_ONCE})
    costs: dict[str, list[Cost]] = {transport: [] for transport in TRANSPORTS}
    studies = []
    for slices, spacing_mm in SIZES:
        studies.append(stretched_ct(slices, slices * spacing_mm))
        for transport in TRANSPORTS:
            costs[transport].append(Cost(slices, spacing_mm, studies[-1].volume.hu.nbytes))
    with watched(os.getpid()) as watch:
        result.figures["windows_until_settled"] = time_all(studies, costs, args.runs)
    for number, study in enumerate(studies):
        for transport in TRANSPORTS:
            weigh(study, transport, costs[transport][number])
    for in_messages, shared in zip(costs["crop"], costs["shm"], strict=True):
        shared.sent_bytes = in_messages.sent_bytes  # the same voxels, named in a message rather than sent in it
    account(result, costs, rounds_of(args.runs))
    every = [
        (cost, other)
        for transport in TRANSPORTS
        for cost, other in zip(costs[transport], costs[OTHER[transport]], strict=True)
    ]
    result.broken += watch.broken
    mistaken = sum(cost.mistaken(other.answers[0]) for cost, other in every)
    if rule := wrong(sum(len(cost.answers) for cost, _ in every), mistaken):
        result.broken.append(rule)
    return result

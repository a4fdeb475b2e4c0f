# SPDX-License-Identifier: Apache-2.0
"""A system under test that takes four milliseconds a study."""

import asyncio

from tests.benchmarks.harness.made_up import findings
from vcf_benchmarks.harness.answers import Reference
from vcf_benchmarks.harness.calls import WRONG
from vcf_benchmarks.loadgen.measure import scores
from vcf_benchmarks.loadgen.system import Answered, System

SERVICE_S = 0.004
RIGHT = tuple(Reference(findings(number)) for number in range(4))


def system(wrong: int | None = None, error: BaseException | None = None) -> System:
    """Make one that answers one study wrongly, or with an error, if so told."""

    async def connect():
        async def answer(sample: int) -> Answered:
            await asyncio.sleep(SERVICE_S)
            if sample == wrong and error:
                raise error
            found = findings(sample if sample != wrong else 5)
            return Answered(scores(found).tobytes(), WRONG if RIGHT[sample].mistake(found) else None)

        async def close() -> None:
            return None

        return answer, close

    return System(len(RIGHT), connect)

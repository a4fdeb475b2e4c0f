# SPDX-License-Identifier: Apache-2.0
"""Damage changes files, always in the same way from the same seed, and what is read of them meets the goals."""

import random

import pytest

from vcf_benchmarks.drills import damaged
from vcf_benchmarks.drills.soak import Samples


def test_damage_is_of_its_seed() -> None:
    content = bytes(range(256)) * 40
    found = [damaged.damage(content, random.Random(seed)) for seed in range(50)]
    assert found == [damaged.damage(content, random.Random(seed)) for seed in range(50)]
    assert sum(each != content for each in found) > 45
    assert len({len(each) for each in found}) > 5


@pytest.mark.parametrize("content", [b"", b"x"])
def test_damage_takes_any_file(content: bytes) -> None:
    for seed in range(200):
        damaged.damage(content, random.Random(seed))


def test_growth_is_between_the_first_and_the_last_tenth_after_settling() -> None:
    samples = Samples()
    for second in range(100):
        samples.add(second, {"a": 1000 if second < 20 else 100 + second, "b": 7})
    assert samples.growth(20) == {"a": (123.5, 195.5), "b": (7, 7)}

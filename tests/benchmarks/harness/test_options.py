# SPDX-License-Identifier: Apache-2.0
import argparse

import pytest

from vcf_benchmarks.harness import options
from vcf_contract.errors import UsageError


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    options.add_load(parser)
    parser.add_argument("--in-flight", type=int)
    return parser.parse_args(words)


def test_settings_hide_the_address_of_a_given_server() -> None:
    found = options.settings(parsed("--server", "secret.example:8001", "--transport", "shm"))
    assert found == {"server": "given", "transport": "shm", "slices": 133, "studies": 4, "seed": 1}
    assert options.settings(parsed())["server"] == "own"


def test_what_is_not_greater_than_nothing_is_refused_by_its_name() -> None:
    options.positive(parsed("--slices", "1"), "slices", "in_flight")
    with pytest.raises(UsageError, match="--in-flight is 0, it must be greater than 0"):
        options.positive(parsed("--in-flight", "0"), "slices", "in_flight")


def test_what_is_too_small_is_refused_with_what_is_accepted() -> None:
    options.at_least(parsed("--slices", "160"), slices=160)
    with pytest.raises(UsageError, match="--slices is 159; 160 and more are accepted"):
        options.at_least(parsed("--slices", "159"), slices=160)

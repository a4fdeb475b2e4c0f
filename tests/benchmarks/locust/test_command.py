# SPDX-License-Identifier: Apache-2.0
import pytest

from vcf_benchmarks.harness.profiles import PROFILES
from vcf_benchmarks.locust.command import headless
from vcf_benchmarks.locust.options import PROFILES as NAMES
from vcf_contract.errors import SetupError


def test_every_profile_can_be_chosen() -> None:
    assert set(NAMES) == set(PROFILES)


@pytest.mark.slow
def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(SetupError, match="no Triton server takes studies"):
        headless("127.0.0.1:9", "ramp", 0.05, 1.0)


@pytest.mark.server
@pytest.mark.slow
def test_a_short_ramp_against_the_server(triton_server) -> None:
    calls = headless(triton_server.grpc_url, "ramp", 0.3, 2.0)
    assert calls and {call["size"] for call in calls} == {"133 × 2.5 mm"}
    assert [call["failure"] for call in calls] == [None] * len(calls)
    assert all(call["due_s"] <= call["sent_s"] <= call["done_s"] for call in calls)
    assert all(call["due_s"] < 18 for call in calls)

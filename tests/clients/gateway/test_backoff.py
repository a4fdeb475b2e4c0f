# SPDX-License-Identifier: Apache-2.0
from vcf_client.gateway.backoff import Backoff


def test_waiting_doubles_up_to_a_bound() -> None:
    backoff = Backoff(1.0, 60.0)
    for attempts, expected_s in ((1, 1), (2, 2), (5, 16), (7, 60), (10_000, 60)):
        delays = [backoff.delay_s(attempts) for _ in range(50)]
        assert all(0.8 * expected_s <= delay <= 1.2 * expected_s for delay in delays)
        assert len(set(delays)) > 1

# SPDX-License-Identifier: Apache-2.0
import os

import pytest

from vcf_contract.errors import SetupError
from vcf_screening import cluster
from vcf_server.ports import free_port


@pytest.mark.slow
@pytest.mark.usefixtures("ray_here")
def test_this_machine_is_a_cluster_of_as_many_processors_as_wanted() -> None:
    assert cluster.processors() == 2
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nothing_is_is_said_at_once(scheme: str) -> None:
    address = f"{scheme}127.0.0.1:{free_port()}"
    with pytest.raises(SetupError, match=address), cluster.connected(address):
        pass

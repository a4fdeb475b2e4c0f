# SPDX-License-Identifier: Apache-2.0

import pytest

from vcf_client import VcfClient
from vcf_client.addresses import checked


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:8001",
        "localhost:1",
        "triton.radiology.svc.cluster.local:65535",
        "triton_1:8001",
        "[::1]:8001",
        "[fe80::1%eth0]:8001",
        "dns:///triton:8001",
        "dns:///[::1]:8001",
        "dns://10.0.0.2/triton:8001",
        "ipv4:127.0.0.1:8001,127.0.0.1:8002",
        "ipv6:[::1]:8001",
        "unix:/run/triton.sock",
        "xds:///triton",
    ],
)
def test_addresses(address: str) -> None:
    assert checked(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost",
        "127.0.0.1:",
        ":8001",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:99999",
        "127.0.0.1:8001/",
        "http://127.0.0.1:8001",
        "grpc://127.0.0.1:8001",
        "dns:///triton",
        "dns:///",
        "a:b:c",
        "::1:8001",
        "host :8001",
        "127.0.0.1:٨٠٠١",
    ],
)
def test_what_is_no_address_is_said_before_any_call(address: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT is accepted"):
        checked(address)
    with pytest.raises(ValueError, match="HOST:PORT is accepted"):
        VcfClient(["127.0.0.1:8001", address])

# SPDX-License-Identifier: Apache-2.0
"""Both clients are made in the same way, and nothing is sent by making one."""

import asyncio
import inspect
import socket
from collections.abc import Callable
from typing import Any

import pytest

from vcf_client import ApiKey, AsyncVcfClient, Security, VcfClient


def make(kind: type, *args: Any, **options: Any) -> None:
    """Make a client and close it."""

    async def waiting() -> None:
        await AsyncVcfClient(*args, **options).close()

    if kind is AsyncVcfClient:
        asyncio.run(waiting())
    else:
        VcfClient(*args, **options).close()


KINDS = pytest.mark.parametrize("kind", [VcfClient, AsyncVcfClient])


def test_both_constructors_take_the_same() -> None:
    assert inspect.signature(VcfClient) == inspect.signature(AsyncVcfClient)


@KINDS
def test_making_one_connects_to_nobody(kind: type) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        make(kind, f"127.0.0.1:{listener.getsockname()[1]}")
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


@KINDS
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"deadline_s": 0}, "deadline_s is 0, it must be greater than 0"),
        ({"deadline_s": float("nan")}, "deadline_s is nan"),
        ({"transport": "pigeon"}, "transport is 'pigeon'; auto, "),
        ({"keepalive_s": -1}, "keepalive_s"),
        ({"address": []}, "address"),
        ({"address": ["a:1", "b:1", "a:1"]}, "twice"),
    ],
)
def test_values_that_are_not_taken_are_named(kind: type, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make(kind, **options)


@KINDS
@pytest.mark.parametrize("addresses", [["192.0.2.1:8001"], ["127.0.0.1:8001", "192.0.2.1:8001"]])
def test_a_key_does_not_travel_in_the_clear(
    kind: type, addresses: list[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("vcf-key=s3cret\n")
    security = Security(api_key=ApiKey.read(tmp_path / "key"))
    with pytest.raises(ValueError, match="over TLS only") as error:
        make(kind, addresses, security=security)
    assert "s3cret" not in str(error.value)
    make(kind, "127.0.0.1:8001", security=security)


def test_signatures_of_methods_agree() -> None:
    """What a program calls on one client it calls on the other."""

    def methods(kind: type) -> dict[str, Callable[..., Any]]:
        return {name: member for name, member in inspect.getmembers(kind, callable) if not name.startswith("_")}

    blocking, waiting = methods(VcfClient), methods(AsyncVcfClient)
    assert blocking.keys() == waiting.keys()
    for name in blocking:
        assert list(inspect.signature(blocking[name]).parameters) == list(inspect.signature(waiting[name]).parameters)

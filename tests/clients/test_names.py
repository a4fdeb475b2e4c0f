# SPDX-License-Identifier: Apache-2.0
"""Names that are looked up here, what they are found to mean, and when they are looked up again."""

import pytest

from vcf_client import names
from vcf_client.names import FRESH_S, LEAST_S, Name


@pytest.mark.parametrize(
    ("target", "is_one"),
    [
        ("dns:///triton:8001", True),
        ("dns:///[::1]:8001", True),
        ("dns://192.0.2.1/triton:8001", False),
        ("triton:8001", False),
        ("dns:///triton", False),
    ],
)
def test_names_that_are_looked_up_here(target: str, is_one: bool) -> None:
    assert Name.is_one(target) is is_one


def test_addresses_of_a_name() -> None:
    assert "127.0.0.1:8001" in Name("dns:///localhost:8001").look_up()
    assert Name("dns:///[::1]:8001").look_up() == ["[::1]:8001"]
    assert Name("dns:///no.such.host.invalid:8001").look_up() == []


def test_a_name_is_due_at_first_then_after_a_while_and_sooner_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(names.time, "monotonic", lambda: now[0])
    name = Name("dns:///localhost:8001")
    assert name.is_due
    name.look_up()
    assert not name.is_due
    now[0] += LEAST_S
    assert not name.is_due
    name.doubt()
    assert name.is_due
    name.look_up()
    now[0] += FRESH_S
    assert name.is_due

# SPDX-License-Identifier: Apache-2.0
"""Options of a connection become a client, or wrong usage."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from vcf_cli import connection
from vcf_cli.connection import client_of
from vcf_cli.options.connection import DEFAULT_SERVER, add_connection


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the client was made with."""
    found: dict[str, Any] = {}

    def client(addresses: list[str], **options: Any) -> None:
        found.update(options, addresses=addresses)

    monkeypatch.setattr(connection, "VcfClient", client)
    return found


def ask(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_connection(parser)
    return parser.parse_args(list(words))


def test_nothing_asked_for_is_the_server_of_this_machine(made: dict[str, Any]) -> None:
    client_of(ask(), "auto")
    assert made["addresses"] == [DEFAULT_SERVER]
    assert (made["deadline_s"], made["transport"], made["retry"].attempts) == (120.0, "auto", 5)
    assert not made["security"].tls and made["security"].api_key is None


def test_everything_asked_for(made: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "key").write_text("vcf-key=s3cret\n")
    words = ["--server", "a:1", "--server", "b:2", "--deadline", "7", "--attempts", "1"]
    client_of(ask(*words, "--api-key-file", str(tmp_path / "key")), "crop")
    assert made["addresses"] == ["a:1", "b:2"]
    assert (made["deadline_s"], made["transport"], made["retry"].attempts) == (7.0, "crop", 1)
    assert made["security"].api_key.value == "s3cret"


@pytest.mark.parametrize("words", [["--server", "a:1", "--server", "a:1"], ["--tls-cert", "c.pem"]])
def test_what_makes_no_client_is_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        client_of(ask(*words), "auto")
    assert "error: " in capsys.readouterr().err

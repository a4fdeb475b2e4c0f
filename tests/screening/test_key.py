# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

pytest.importorskip("pynetdicom")
from vcf_client.gateway.key import Key, load_key
from vcf_contract.errors import SetupError
from vcf_screening.key import load_secret


def test_workers_make_the_same_names_as_the_gateway_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VCF_HASH_KEY", raising=False)
    secret = load_secret(tmp_path / "key")
    assert Key(secret).name("study", "1.2") == load_key(tmp_path / "key").name("study", "1.2")
    assert load_secret(tmp_path / "key") == secret and (tmp_path / "key").stat().st_mode & 0o077 == 0
    monkeypatch.setenv("VCF_HASH_KEY", "given")
    assert load_secret(tmp_path / "none") == b"given" and not (tmp_path / "none").exists()


def test_a_broken_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VCF_HASH_KEY", raising=False)
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(SetupError, match="5 bytes, not 32"):
        load_secret(tmp_path / "key")

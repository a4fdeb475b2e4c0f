# SPDX-License-Identifier: Apache-2.0
"""Names and UIDs that a secret key makes."""

import re
from pathlib import Path

import pytest

from vcf_client.gateway.key import Key, load_key
from vcf_contract.errors import SetupError


def test_names_and_uids_depend_on_key_kind_and_identifier() -> None:
    one, two = Key(b"1" * 32), Key(b"2" * 32)
    names = [one.name("study", "1.2"), one.name("image", "1.2"), one.name("study", "1.3"), two.name("study", "1.2")]
    assert len(set(names)) == 4 and names[0] == one.name("study", "1.2")
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in names)
    uids = [one.uid("a", "1.2"), one.uid("b", "1.2"), one.uid("a", "1.2", ""), two.uid("a", "1.2")]
    assert len(set(uids)) == 4 and uids[0] == one.uid("a", "1.2")
    assert all(re.fullmatch(r"2\.25\.[1-9][0-9]{0,38}", uid) and len(uid) <= 64 for uid in uids)


def test_a_key_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VCF_HASH_KEY", raising=False)
    first = load_key(tmp_path / "key").name("a", "b")
    assert load_key(tmp_path / "key").name("a", "b") == first
    monkeypatch.setenv("VCF_HASH_KEY", "another")
    assert load_key(tmp_path / "key").name("a", "b") != first
    monkeypatch.delenv("VCF_HASH_KEY")
    (tmp_path / "key").write_bytes(b"")
    with pytest.raises(SetupError, match="0 bytes, not 32"):
        load_key(tmp_path / "key")

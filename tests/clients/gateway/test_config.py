# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

import pytest

from clients.gateway.backoff import Backoff
from clients.gateway.config import Caller, Config, Pacs, Poll
from clients.gateway.key import Key, load_key
from vcf.errors import SetupError

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "gateway.md"


def load(tmp_path: Path, text: str) -> Config:
    (tmp_path / "gateway.toml").write_text(text)
    return Config.load(tmp_path / "gateway.toml")


def test_all_of_it(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
        spool = "spool"
        quiet_s = 5
        [pacs]
        ae_title = "ARCHIVE"
        host = "192.0.2.1"
        port = 104
        [[callers]]
        ae_title = "CT1"
        [[callers]]
        ae_title = "CT2"
        address = "192.0.2.2"
        [poll]
        dicomweb_url = "https://pacs.example/dicom-web"
        """,
    )
    assert config.spool == tmp_path / "spool"
    assert config.pacs == Pacs("ARCHIVE", "192.0.2.1", 104)
    assert config.callers == (Caller("CT1"), Caller("CT2", "192.0.2.2"))
    assert config.poll == Poll("https://pacs.example/dicom-web")
    assert config.quiet_s == 5


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "lacks spool or pacs"),
        ('spool = "s"', "lacks pacs"),
        ('spool = "s"\n[pacs]\n', "either host"),
        ('spool = "s"\n[pacs]\nhost = "a"\ndicomweb_url = "b"', "either host"),
        ('spool = "s"\nspoool = 1\n[pacs]\nhost = "a"', "has spoool, it may have spool, "),
        ('spool = "s"\n[pacs]\nhost = "a"\nport = "104"', "port in [pacs] is '104', it must be of type int"),
        ('spool = "s"\nquiet_s = true\n[pacs]\nhost = "a"', "quiet_s in the configuration is True"),
        ('spool = "s"\nworkers = 0\n[pacs]\nhost = "a"', "workers is 0, it must be 1 or more"),
        ('spool = "s"\nspool_gib = 0\n[pacs]\nhost = "a"', "spool_gib is 0, it must be greater than 0"),
        ('spool = "s"\nother_objects = "x"\n[pacs]\nhost = "a"', "refuse or drop is accepted"),
        ('spool = "s"\n[pacs]\nhost = "a"\n[[callers]]\naddress = "b"', "[[callers]] lacks ae_title"),
        ("spool = ", "is no TOML file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SetupError, match=re.escape(sentence)):
        load(tmp_path, text)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no configuration file"):
        Config.load(tmp_path / "none.toml")


def test_the_documented_settings_are_accepted(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        load(tmp_path, block)


def test_every_setting_is_documented() -> None:
    text = DOCUMENT.read_text("utf-8")
    for kind in (Config, Pacs, Poll, Caller):
        for name in kind.__dataclass_fields__:
            assert f"`{name}`" in text, name


def test_waiting_doubles_up_to_a_bound() -> None:
    backoff = Backoff(1.0, 60.0)
    for attempts, expected_s in ((1, 1), (2, 2), (5, 16), (7, 60), (10_000, 60)):
        delays = [backoff.delay_s(attempts) for _ in range(50)]
        assert all(0.8 * expected_s <= delay <= 1.2 * expected_s for delay in delays)
        assert len(set(delays)) > 1


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

# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

import pytest

from vcf_client.gateway.config import Caller, Config, DicomTls, Metrics, Pacs, Poll, Tls
from vcf_client.gateway.settings import SCHEMA, BadSettings
from vcf_contract.errors import SetupError

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


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no configuration file"):
        Config.load(tmp_path / "none.toml")


def test_no_toml(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="this is no TOML: "):
        load(tmp_path, "spool = ")


def test_files_start_from_the_folder_of_the_settings_and_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    text = 'spool = "s"\n[pacs]\ndicomweb_url = "https://h"\ntoken_file = "token"\n'
    assert load(tmp_path, text).pacs.token_file == str(tmp_path / "token")
    with pytest.raises(BadSettings) as bad:
        load(tmp_path, text + 'ca_file = "ca.pem"\n[poll]\ndicomweb_url = "https://h"\ntoken_file = "none"\n')
    assert bad.value.faults == [
        "[pacs] ca_file is 'ca.pem'; there is no such file",
        "[poll] token_file is 'none'; there is no such file",
    ]


def test_settings_made_in_python_are_checked_the_same_way(tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as bad:
        Config(spool=tmp_path, pacs=Pacs("X" * 17, "h"), callers=(Caller("A"), Caller("")), workers=0, quiet_s=-1)
    assert [fault.partition(";")[0] for fault in bad.value.faults] == [
        "[[callers]] number 2 ae_title is '', 0 characters",
        f"[pacs] ae_title is '{'X' * 17}', 17 characters",
        "quiet_s is -1",
        "workers is 0",
    ]


def test_the_schema_has_every_setting_and_no_other() -> None:
    tables = {Config: SCHEMA, Pacs: SCHEMA["properties"]["pacs"], Poll: SCHEMA["properties"]["poll"],
              Caller: SCHEMA["$defs"]["caller"]}  # fmt: skip
    for kind, schema in tables.items():
        assert set(schema["properties"]) == set(kind.__dataclass_fields__)


def test_the_documented_settings_are_accepted(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert blocks
    (tmp_path / "file").touch()
    for block in blocks:
        load(tmp_path, re.sub(r'"/(?:run/secrets|etc/vcf)/[^"]+"', f'"{tmp_path / "file"}"', block))


def test_every_setting_is_documented() -> None:
    text = DOCUMENT.read_text("utf-8")
    for kind in (Config, Pacs, Poll, Caller, Tls, DicomTls, Metrics):
        for name in kind.__dataclass_fields__:
            assert f"`{name}`" in text, name

# SPDX-License-Identifier: Apache-2.0
"""Rules that make a study urgent: on the headers of images, and in the order of the work."""

from pathlib import Path

import pydicom
import pytest

from tests.clients.ct_series import CtSeries
from vcf_client.gateway.config import Config, Pacs
from vcf_client.gateway.journal import Journal
from vcf_client.gateway.settings import BadSettings
from vcf_client.gateway.urgency import Urgent, is_urgent, names

ELEMENTS = {"StationName": "CT-ER2", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    CtSeries(slices=2, elements=ELEMENTS).write(folder)
    assert sorted(folder.glob("*.dcm"))
    return folder


@pytest.mark.parametrize(
    ("attribute", "value", "urgent"),
    [
        ("StationName", "CT-ER2", True),
        ("StationName", "ct-er*", True),
        ("00081010", "CT-ER?", True),
        ("StationName", "CT-ER", False),
        ("ImageType", "primary", True),
        ("RequestedProcedurePriority", "*", False),
    ],
)
def test_one_rule(folder: Path, attribute: str, value: str, urgent: bool) -> None:
    assert is_urgent(folder, [Urgent(attribute, value)]) is urgent


def test_any_rule_is_enough_and_none_makes_nothing_urgent(folder: Path) -> None:
    rules = [Urgent("StationName", "other"), Urgent("StationName", "CT-ER2")]
    assert is_urgent(folder, rules) and not is_urgent(folder, [])
    assert names(rules) == "StationName other, StationName CT-ER2"


def test_what_cannot_be_read_is_not_urgent(folder: Path, tmp_path: Path) -> None:
    rules = [Urgent("StationName", "CT-ER2")]
    (tmp_path / "a.dcm").write_bytes(b"no DICOM")
    assert not is_urgent(tmp_path, rules) and not is_urgent(tmp_path / "missing", rules)
    pydicom.dcmread(next(folder.glob("*.dcm"))).save_as(tmp_path / "b.dcm")
    assert is_urgent(tmp_path, rules)


def test_urgent_studies_are_claimed_first_and_routine_ones_in_their_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    for name, urgent in (("a", False), ("b", False), ("c", True)):
        journal.receive(name)
        journal.close_round(name, ["image"], urgent=urgent)
    claims = []
    while claim := journal.claim([c.name for c in claims]):
        claims.append(claim)
    assert [(claim.name, claim.urgent) for claim in claims] == [("c", True), ("a", False), ("b", False)]
    journal.close()


def test_settings(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    good = 'spool = "spool"\n[[urgent]]\nattribute = "StationName"\nvalue = "CT-ER*"\n[pacs]\nhost = "pacs"\n'
    file.write_text(good)
    assert Config.load(file).urgent == (Urgent("StationName", "CT-ER*"),)
    file.write_text(good.replace("StationName", "Station").replace("CT-ER*", ""))
    with pytest.raises(BadSettings) as bad:
        Config.load(file)
    assert [fault.split(";")[0] for fault in bad.value.faults] == [
        "[[urgent]] number 1 attribute is 'Station'",
        "[[urgent]] number 1 value is ''",
    ]
    with pytest.raises(BadSettings, match="attribute is 'Station'"):
        Config(tmp_path, Pacs(host="pacs"), urgent=(Urgent("Station", "x"),))

# SPDX-License-Identifier: Apache-2.0
from vcf_contract.version import SCHEMA_VERSION, VERSION, before, speaks


def test_the_schema_has_the_first_two_numbers() -> None:
    assert VERSION.split(".")[:2] == SCHEMA_VERSION.split(".") and len(VERSION.split(".")) == 3


def test_versions_that_speak_to_each_other() -> None:
    major = int(VERSION.split(".")[0])
    assert speaks(VERSION) and speaks(f"{major}.99.0")
    for other in (f"{major + 1}.0.0", f"{major}.0", "", f"{major}.0.0.0", f"1{major}.0.0", "x"):
        assert not speaks(other)


def test_which_version_is_older() -> None:
    assert before("2.0.9", "2.1.0") and before("2.9.0", "2.10.0") and before("1.5.5", "2.0.0")
    assert not before("2.1.0", "2.1.0") and not before("3.0.0", "2.10.0")

# SPDX-License-Identifier: Apache-2.0
"""Which transport a study takes, and what is not sent at all."""

from typing import Any

import pytest

from tests.clients.conftest import FakeTriton
from vcf_client import Study, VcfClient
from vcf_client.routes import TRANSPORTS
from vcf_contract import contract
from vcf_contract.errors import VcfError


def test_files_alone_go_by_dicom(fake_triton: FakeTriton, study: Study) -> None:
    with VcfClient(fake_triton.address, transport="dicom") as client, pytest.raises(ValueError, match="'dicom' sends"):
        client.analyze(study)
    assert not fake_triton.requests


@pytest.mark.parametrize("transport", ["auto", "volume"])
def test_a_server_with_one_entry_model_gets_the_volume(fake_triton: FakeTriton, study: Study, transport: str) -> None:
    """The fake server has ``vcf`` alone; so had the first ones."""
    with VcfClient(fake_triton.address, transport=transport) as client:
        found = client.analyze(study)
    assert found.transport == "volume"
    assert [request.model_name for request in fake_triton.requests] == [contract.VCF.name]


def test_reading_is_the_first_of_the_times(fake_triton: FakeTriton, study: Study) -> None:
    with VcfClient(fake_triton.address, transport="volume") as client:
        timings = client.analyze(study).timings_ms
    assert next(iter(timings)) == "read" and all(ms >= 0 for ms in timings.values())


def test_the_name_of_a_study_is_in_each_request_and_each_is_new(fake_triton: FakeTriton, study: Study) -> None:
    with VcfClient(fake_triton.address, transport="volume") as client:
        client.analyze(study)
        client.analyze(study)
    ids = [request.id for request in fake_triton.requests]
    assert len(set(ids)) == 2 and all(study.series_id in one for one in ids)


@pytest.mark.parametrize("transport", [t for t in TRANSPORTS if t != "dicom"])
def test_a_study_that_is_not_there_is_not_sent(fake_triton: FakeTriton, tmp_path: Any, transport: str) -> None:
    with VcfClient(fake_triton.address, transport=transport) as client, pytest.raises((VcfError, OSError)):
        client.analyze(tmp_path / "none")
    assert not fake_triton.requests

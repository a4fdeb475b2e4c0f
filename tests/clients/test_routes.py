# SPDX-License-Identifier: Apache-2.0
"""The same study by every transport to the real server."""

from __future__ import annotations

import os
import re
import secrets
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tritonclient import grpc as triton

from tests.clients.ct_series import CtSeries
from vcf_client import Findings, VcfClient, routes
from vcf_client.calls import Blocking, finish
from vcf_client.endpoint import Connection, Endpoint
from vcf_client.faults import Fault
from vcf_client.message import prepare
from vcf_client.reader import read_study
from vcf_client.region import FOLDER, Region
from vcf_contract import contract
from vcf_contract.contract import FRACTURE_FINDINGS, SPINE_PATCHES, VCF
from vcf_contract.errors import Code, DeadlineExceeded, ServerUnavailable, StudyRefused, VcfError
from vcf_preprocess import slices
from vcf_preprocess.geometry import Volume
from vcf_server.server import TritonServer

if TYPE_CHECKING:
    from vcf_client import Study

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    CtSeries(slices=60, size=128).write(folder)
    return folder


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return read_study(folder)


def by(server: TritonServer, transport: str, study: Study | Path, **options: Any) -> Findings:
    with VcfClient(server.grpc_url, transport=transport, **options) as client:
        return client.analyze(study)


async def only_the_whole_volume(endpoint: Endpoint, model: str, timeout_s: float) -> bool:
    return model == VCF.name


MINE = f"{os.getpid():08x}"


@pytest.fixture(autouse=True)
def names_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other processes of the suite have regions in the same folder: those made here are told by their names."""
    plain = secrets.token_hex
    monkeypatch.setattr("vcf_client.region.secrets.token_hex", lambda nbytes: MINE + plain(nbytes)[len(MINE) :])


def regions() -> list[str]:
    return [path.name for path in FOLDER.glob(f"vcf-client-{MINE}*")]


def test_a_region_of_this_process_is_seen() -> None:
    region = Region(10)
    assert regions() == [region.name]
    region.forget_name()
    assert regions() == []


def registered(server: TritonServer) -> int:
    with triton.InferenceServerClient(server.grpc_url) as client:
        return len(client.get_system_shared_memory_status().regions)


def runs(server: TritonServer, model: str) -> int:
    with triton.InferenceServerClient(server.grpc_url) as client:
        return int(client.get_inference_statistics(model).model_stats[0].inference_count)


@pytest.mark.parametrize("transport", ["shm", "crop", "dicom", "auto"])
def test_every_transport_gives_the_same_findings(
    triton_server: TritonServer, folder: Path, study: Study, transport: str
) -> None:
    expected = by(triton_server, "volume", study)
    found = by(triton_server, transport, folder if transport == "dicom" else study)
    assert found.transport == ("crop" if transport == "auto" else transport)
    assert found.study_score == pytest.approx(expected.study_score, abs=1e-4)
    for name in ("probability", "score", "location", "box_mm"):
        values, wanted = ([getattr(p, name) for p in f.patches] for f in (found, expected))
        np.testing.assert_allclose(values, wanted, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(found.centre_line_mm, expected.centre_line_mm, atol=1e-4)
    assert np.abs(found.midsagittal.hu.astype(int) - expected.midsagittal.hu).max() <= 1
    assert (found.flags, found.series_id, found.model.hash) == (expected.flags, expected.series_id, expected.model.hash)
    assert len(found.selection) == len(expected.selection) == 1
    assert regions() == [] and registered(triton_server) == 0


def test_bytes_sent_tell_the_transports_apart(triton_server: TritonServer, folder: Path, study: Study) -> None:
    sent = {transport: by(triton_server, transport, study).bytes_sent for transport in ("shm", "crop", "volume")}
    whole = study.volume.hu.nbytes
    images = 262_144 * len(slices.pick(len(study.volume.hu), study.volume.spacing_mm[0]))
    assert images < sent["shm"] < images + 10_000  # the centre line and names, no voxel
    assert sent["shm"] < sent["crop"]
    assert whole < sent["volume"] < whole + 1000
    assert sent["crop"] < whole + 20 * 262_144  # a small series: its detector images outweigh it
    files = sum(path.stat().st_size for path in folder.iterdir())
    assert files < by(triton_server, "dicom", folder).bytes_sent < files + 2000


def test_stages_of_each_wire_are_its_own(triton_server: TritonServer, folder: Path, study: Study) -> None:
    for transport, own, stages in (
        ("volume", (), contract.STAGES[1:]),
        ("shm", ("scout",), contract.STAGES[-3:]),
        ("crop", ("scout",), contract.STAGES[-3:]),
        ("dicom", (), contract.STAGES),
    ):
        timings_ms = by(triton_server, transport, folder if transport == "dicom" else study).timings_ms
        assert list(timings_ms) == ["read", "prepare", *own, "network", *stages]
        assert all(timings_ms[stage] > 0 for stage in stages)


@pytest.mark.parametrize("transport", ["shm", "crop", "volume"])
@pytest.mark.parametrize("code", [Code.SPINE_NOT_FOUND, Code.TOO_SHORT])
def test_refusal_comes_through_every_transport(
    triton_server: TritonServer, study: Study, transport: str, code: Code
) -> None:
    volume = study.volume
    hu = np.full_like(volume.hu, -1000) if code is Code.SPINE_NOT_FOUND else volume.hu[:20]
    with pytest.raises(StudyRefused) as refused:
        by(triton_server, transport, replace(study, volume=Volume(hu, volume.spacing_mm, volume.affine)))
    assert refused.value.code is code
    assert regions() == [] and registered(triton_server) == 0


def test_refusal_of_the_reader_comes_through(triton_server: TritonServer, tmp_path: Path) -> None:
    CtSeries(slices=40, elements={"ConvolutionKernel": "LUNG"}).write(tmp_path)
    with pytest.raises(StudyRefused) as here:
        read_study(tmp_path)
    with pytest.raises(StudyRefused) as there:
        by(triton_server, "dicom", tmp_path)
    assert there.value.code is here.value.code


def test_positions_of_dicom_are_computable_by_the_caller(
    triton_server: TritonServer, folder: Path, study: Study
) -> None:
    """What a client without any of this library does: the affine times the positions."""
    endpoint = Endpoint(triton_server.grpc_url, Connection(), Blocking())
    files = [path.read_bytes() for path in folder.iterdir()]
    message = prepare(contract.VCF_DICOM.name, "raw", [(contract.DICOM_FILES, files)])
    answer = finish(endpoint.infer(message, 60)).tensors
    line = answer["centre_line_mm"]
    lps = np.c_[line, np.ones(len(line))] @ answer["patient_affine"].T
    np.testing.assert_allclose(lps[:, :3], by(triton_server, "volume", study).centre_line_mm, atol=1e-4)
    finish(endpoint.close())


def test_study_that_was_read_cannot_go_as_files(triton_server: TritonServer, study: Study) -> None:
    with pytest.raises(ValueError, match="give the path"):
        by(triton_server, "dicom", study)


def test_unknown_wire_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="auto, shm, crop, volume, dicom are accepted"):
        VcfClient(transport="smoke")


def test_server_without_the_crop_gets_the_volume_in_shared_memory(
    triton_server: TritonServer, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Endpoint, "recently_had_model", only_the_whole_volume)
    assert by(triton_server, "auto", study).transport == "shm"


def test_server_that_shares_no_memory_gets_the_volume(
    triton_server: TritonServer, study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As behind a tunnel: the address is this machine's, the memory is not."""
    monkeypatch.setattr(Endpoint, "recently_had_model", only_the_whole_volume)
    monkeypatch.setattr("vcf_client.region.FOLDER", tmp_path)
    assert by(triton_server, "auto", study).transport == "volume"
    with pytest.raises(ServerUnavailable, match="share no memory"):
        by(triton_server, "shm", study)
    assert list(tmp_path.iterdir()) == []


def test_error_on_the_way_leaves_no_region(
    triton_server: TritonServer, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(entry: str, *args: Any, **kwargs: Any) -> bytes:
        if entry == contract.VCF_SCOUT.name:
            return prepare(entry, *args, **kwargs)
        assert registered(triton_server) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(routes, "prepare", fail)
    for has in (Endpoint.recently_had_model, only_the_whole_volume):
        monkeypatch.setattr(Endpoint, "recently_had_model", has)
        with pytest.raises(KeyboardInterrupt):
            by(triton_server, "shm", study)
        assert regions() == [] and registered(triton_server) == 0


def test_studies_share_memory_one_after_another(triton_server: TritonServer, study: Study) -> None:
    """One region for all that come one by one, as many as come at a time, none when the client is closed."""
    low = replace(study, volume=Volume(study.volume.hu[:80], study.volume.spacing_mm, study.volume.affine))
    with VcfClient(triton_server.grpc_url, transport="shm") as client:
        first = client.analyze(study)
        assert registered(triton_server) == 1 and regions() == []
        expected = [by(triton_server, "crop", one).study_score for one in (low, study)]
        assert client.analyze(study).study_score == first.study_score
        assert [client.analyze(one).study_score for one in (low, study)] == pytest.approx(expected, abs=1e-5)
        assert registered(triton_server) == 1
        found = [outcome.result().study_score for outcome in client.analyze_many([low, study] * 4, concurrency=3)]
        assert found == pytest.approx(expected * 4, abs=1e-5)
        assert 1 <= registered(triton_server) <= 3 and regions() == []
    assert registered(triton_server) == 0


@pytest.mark.slow
def test_a_server_that_started_anew_maps_new_memory(tiny_repository: Path, study: Study) -> None:
    with TritonServer(tiny_repository) as server:
        ports = {"grpc_port": server.grpc_port, "http_port": server.http_port, "metrics_port": server.metrics_port}
        client = VcfClient(server.grpc_url, transport="shm", deadline_s=60)
        before = client.analyze(study).study_score
    with TritonServer(tiny_repository, **ports), client:
        assert client.analyze(study).study_score == pytest.approx(before, abs=1e-6)


def test_larger_studies_take_the_place_of_smaller_memory(
    triton_server: TritonServer, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vcf_client.endpoint._REGION_GRAIN", 1)
    low = replace(study, volume=Volume(study.volume.hu[:80], study.volume.spacing_mm, study.volume.affine))
    with VcfClient(triton_server.grpc_url, transport="shm") as client:
        for one in (low, study, low):
            client.analyze(one)
    assert regions() == [] and registered(triton_server) == 0


def test_no_shared_memory_for_the_crop_is_told(
    triton_server: TritonServer, study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("vcf_client.region.FOLDER", tmp_path)
    with pytest.raises(ServerUnavailable, match="share no memory"):
        by(triton_server, "shm", study)
    assert list(tmp_path.iterdir()) == []


def test_server_that_dies_leaves_no_region(tiny_repository: Path, study: Study) -> None:
    with TritonServer(tiny_repository) as server:
        original = Endpoint.infer

        async def kill_and_send(self: Endpoint, request: bytes, timeout_s: float) -> Any:
            if b"shared_memory_region" not in request:
                return await original(self, request, timeout_s)
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    words = (folder / "cmdline").read_text().split("\0")
                except OSError:
                    continue
                if words[0].endswith("/tritonserver") and f"--grpc-port={server.grpc_port}" in words:
                    os.kill(int(folder.name), signal.SIGKILL)
            time.sleep(0.2)
            return await original(self, request, timeout_s)

        with pytest.MonkeyPatch.context() as patch, pytest.raises(VcfError):
            patch.setattr(Endpoint, "infer", kill_and_send)
            by(server, "shm", study, deadline_s=10)
    assert regions() == []


@pytest.mark.parametrize("transport", ["volume", "shm"])
def test_study_whose_time_is_over_runs_no_further_step(
    triton_server: TritonServer, study: Study, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The budget ends while the first step runs: those after it do not begin."""
    before = {model: runs(triton_server, model) for model in (SPINE_PATCHES.name, FRACTURE_FINDINGS.name)}

    def hardly_any_budget(*args: Any, **options: Any) -> bytes:
        return prepare(*args, **options | {"budget_s": 1e-6})

    monkeypatch.setattr(routes, "prepare", hardly_any_budget)
    # The crop's first step is one of those counted.
    monkeypatch.setattr(Endpoint, "recently_had_model", only_the_whole_volume)
    with pytest.raises(DeadlineExceeded, match=r"within 120 s"):
        by(triton_server, transport, study)
    assert {model: runs(triton_server, model) for model in before} == before


@pytest.mark.slow
def test_no_study_that_came_too_late_stays_in_the_server(tiny_repository: Path, study: Study, tmp_path: Path) -> None:
    """Budgets that end in any of the steps; Triton counts what is in flight when it stops."""
    log = tmp_path / "triton.log"
    with TritonServer(tiny_repository, log_file=log) as server:
        endpoint = Endpoint(server.grpc_url, Connection(), Blocking())
        inputs = [(contract.VOLUME, study.volume.hu), (contract.SPACING_MM, np.array(study.volume.spacing_mm))]
        finish(endpoint.infer(prepare(VCF.name, "warm", inputs), 60))
        late = 0
        for number, budget_s in enumerate(np.geomspace(0.001, 0.3, 30)):
            try:
                finish(endpoint.infer(prepare(VCF.name, f"study {number}", inputs, budget_s=float(budget_s)), 60))
            except Fault as fault:
                assert isinstance(fault.error, DeadlineExceeded)
                late += 1
        assert late > 3
        finish(endpoint.close())
    assert "in-flight inferences" in log.read_text()
    assert not re.search(r"has [1-9]\d* in-flight inferences", log.read_text())


def test_names_of_the_transports_are_the_schemas() -> None:
    from vcf_client.findings import schema

    assert schema()["properties"]["transport"]["enum"] == list(routes.TRANSPORTS)

# SPDX-License-Identifier: Apache-2.0
"""The client against a server that behaves in all the ways servers do; the numbers against the geometry's formula."""

import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from vcf_client import Study, VcfClient
from vcf_contract import contract
from vcf_contract.errors import Code, DeadlineExceeded, ServerFailed, ServerUnavailable, StudyRefused
from vcf_preprocess.geometry import Volume
from vcf_server.ports import free_port


def abort(code: grpc.StatusCode, details: str) -> Any:
    return lambda request, context: context.abort(code, details)


@pytest.fixture
def unused_port() -> int:
    return free_port()


def test_request_is_a_kserve_message_that_holds_the_volume(fake_triton: Any, study: Study) -> None:
    with VcfClient(fake_triton.address) as client:
        client.analyze(study)
    (request,) = fake_triton.requests  # parsed by protobuf itself
    assert request.model_name == contract.VCF.name
    assert [(i.name, i.datatype, tuple(i.shape)) for i in request.inputs] == [
        ("volume", "INT16", study.volume.hu.shape),
        ("spacing_mm", "FP32", (3,)),
    ]
    volume, spacing = request.raw_input_contents
    assert volume == study.volume.hu.astype("<i2").tobytes()
    np.testing.assert_array_equal(np.frombuffer(spacing, "<f4"), np.array(study.volume.spacing_mm, np.float32))
    assert request.id.startswith(study.series_id)


def test_volume_that_is_not_contiguous_arrives_whole(fake_triton: Any, study: Study) -> None:
    turned = replace(study, volume=Volume(study.volume.hu[:, ::-1, ::2], (2.0, 0.8, 1.5), study.volume.affine))
    with VcfClient(fake_triton.address) as client:
        client.analyze(turned)
    assert fake_triton.requests[0].raw_input_contents[0] == turned.volume.hu.tobytes()


def test_findings_hold_what_the_server_said(fake_triton: Any, study: Study) -> None:
    with VcfClient(fake_triton.address) as client:
        assert client.is_ready()
        findings = client.analyze(study)
    assert (findings.study_score, findings.threshold, findings.positive) == (0.75, 0.4, True)
    assert [p.score for p in findings.patches] == [0.08, 0.125, 0.4, 0.75, 0.66]
    assert [findings.is_positive(p) for p in findings.patches] == [False, False, True, True, True]
    assert [p.probability for p in findings.patches] == [0.1, 0.05, 0.3, 0.98, 0.5]
    assert findings.flags == ("THICK_SLICES", "CANAL_INTERPOLATED")
    assert findings.selection == study.selection
    assert findings.model.hash == "0f" * 32
    assert findings.model.networks == tuple(m.name for m in contract.NETWORKS)


def test_positions_are_the_patients(fake_triton: Any, study: Study) -> None:
    with VcfClient(fake_triton.address) as client:
        findings = client.analyze(study)
    angle = np.deg2rad(2.0)
    x, y, z = 52.5, 86.0, 95 * 2.0  # top of the centre line, in mm from voxel (0, 0, 0)
    expected = (
        11.0 + x * np.cos(angle) - y * np.sin(angle),
        -22.0 + x * np.sin(angle) + y * np.cos(angle),
        -333.0 + z,
    )
    np.testing.assert_allclose(findings.centre_line_mm[-1], expected, atol=1e-4)
    low, high = findings.patches[0].box_mm
    x0, x1, y0, y1 = 28.5, 76.5, 36.0, 100.0
    np.testing.assert_allclose(low[0], 11 + x0 * np.cos(angle) - y1 * np.sin(angle), atol=1e-4)
    np.testing.assert_allclose(high[0], 11 + x1 * np.cos(angle) - y0 * np.sin(angle), atol=1e-4)
    np.testing.assert_allclose((low[2], high[2]), (-333 + 152.0, -333 + 190.0), atol=1e-4)


def test_times_of_all_stages_add_up(fake_triton: Any, study: Study) -> None:
    with VcfClient(fake_triton.address) as client:
        timings_ms = client.analyze(study).timings_ms
    assert list(timings_ms) == ["read", "prepare", "network", *contract.STAGES[1:]]
    assert [timings_ms[stage] for stage in contract.STAGES[1:]] == [1.0, 2.0, 0.25, 3.0, 4.0, 0.5]
    assert all(ms >= 0 for ms in timings_ms.values())


@pytest.mark.parametrize("name", [t.name for t in contract.VCF.outputs])
def test_answer_without_a_tensor_is_the_servers_failure(
    fake_triton: Any, study: Study, answer: dict[str, NDArray[Any]], name: str
) -> None:
    del answer[name]
    with VcfClient(fake_triton.address) as client, pytest.raises(ServerFailed, match=rf"no tensor {name}\b"):
        client.analyze(study)


def test_answer_of_the_wrong_shape_is_the_servers_failure(
    fake_triton: Any, study: Study, answer: dict[str, NDArray[Any]]
) -> None:
    answer["threshold"] = np.array([[0.5]], np.float32)
    with VcfClient(fake_triton.address) as client, pytest.raises(ServerFailed, match=r"threshold .* \(1, 1\)"):
        client.analyze(study)


def test_answer_whose_patches_do_not_match_is_the_servers_failure(
    fake_triton: Any, study: Study, answer: dict[str, NDArray[Any]]
) -> None:
    answer["location"] = answer["location"][:-1]
    with VcfClient(fake_triton.address) as client, pytest.raises(ServerFailed, match="4 locations"):
        client.analyze(study)


def test_score_that_is_no_number_is_the_servers_failure(
    fake_triton: Any, study: Study, answer: dict[str, NDArray[Any]]
) -> None:
    answer["study_score"][0] = np.nan
    with VcfClient(fake_triton.address) as client, pytest.raises(ServerFailed, match=r"study_score .* finite"):
        client.analyze(study)


def test_tensor_without_its_bytes_is_the_servers_failure(fake_triton: Any, study: Study) -> None:
    good = fake_triton.reply

    def cut(request: Any, context: Any) -> Any:
        message = good(request, context)
        message.raw_output_contents[0] = b""  # what a Triton stub under numpy 2 sends
        return message

    fake_triton.reply = cut
    with VcfClient(fake_triton.address) as client, pytest.raises(ServerFailed, match=r"study_score .* 0 bytes"):
        client.analyze(study)


def test_refusal_is_found_in_the_servers_words(fake_triton: Any, study: Study) -> None:
    fake_triton.reply = abort(
        grpc.StatusCode.INTERNAL,
        "in ensemble 'vcf', Failed to process the request(s) for model instance 'spine_patches_0', "
        "message: SPINE_NOT_FOUND: the spinal canal was found on 1 of 9 examined slices, at least 5 are needed",
    )
    with VcfClient(fake_triton.address) as client, pytest.raises(StudyRefused) as refused:
        client.analyze(study)
    assert refused.value.code is Code.SPINE_NOT_FOUND
    assert refused.value.sentence.startswith("the spinal canal was found on 1 of 9")


def test_other_errors_are_the_servers_failure(fake_triton: Any, study: Study) -> None:
    fake_triton.reply = abort(grpc.StatusCode.INTERNAL, "stub process is not\nhealthy")
    with (
        VcfClient(fake_triton.address) as client,
        pytest.raises(ServerFailed, match="INTERNAL: stub process is not he"),
    ):
        client.analyze(study)


def test_full_queue_is_unavailable(fake_triton: Any, study: Study) -> None:
    fake_triton.reply = abort(grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size")
    with VcfClient(fake_triton.address) as client, pytest.raises(ServerUnavailable, match="maximum queue size"):
        client.analyze(study)


def test_no_server_is_unavailable_and_names_the_address(unused_port: int, study: Study) -> None:
    with VcfClient(f"127.0.0.1:{unused_port}") as client:
        assert not client.is_ready()
        with pytest.raises(ServerUnavailable, match=str(unused_port)):
            client.analyze(study)


def test_proxy_of_the_environment_is_not_used(
    fake_triton: Any, study: Study, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port}")
    monkeypatch.setenv("grpc_proxy", f"http://127.0.0.1:{unused_port}")
    with VcfClient(fake_triton.address) as client:
        assert client.analyze(study).study_score == 0.75


def test_late_answer_passes_the_deadline(fake_triton: Any, study: Study) -> None:
    """The client says so while the answer still does not come; how late it is, `vcf bench deadline` measures."""
    release = threading.Event()
    fake_triton.reply = lambda request, context: release.wait(120)
    with (
        VcfClient(fake_triton.address, deadline_s=0.3) as client,
        pytest.raises(DeadlineExceeded, match=r"within 0\.3 s"),
    ):
        client.analyze(study)
    release.set()


def test_server_learns_what_is_left_of_the_deadline(fake_triton: Any, study: Study) -> None:
    with VcfClient(fake_triton.address, deadline_s=700) as client:
        client.analyze(study)
        client.analyze(study)
    first, second = fake_triton.requests
    assert 600e6 < first.parameters["timeout"].int64_param <= 700e6  # in µs
    assert first.id != second.id


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (grpc.StatusCode.CANCELLED, "in ensemble 'vcf', DEADLINE_EXCEEDED: the study's time was over before x began"),
        (grpc.StatusCode.UNAVAILABLE, "in ensemble 'vcf', Request timeout expired"),
    ],
)
def test_server_that_gave_up_is_a_passed_deadline(fake_triton: Any, study: Study, code: Any, words: str) -> None:
    fake_triton.reply = abort(code, words)
    with VcfClient(fake_triton.address) as client, pytest.raises(DeadlineExceeded, match=r"within 120 s"):
        client.analyze(study)


@pytest.mark.parametrize("deadline_s", [0.0, -1.0, float("nan")])
def test_deadline_must_be_positive(deadline_s: float) -> None:
    with pytest.raises(ValueError, match="deadline_s"):
        VcfClient(deadline_s=deadline_s)


def test_volume_over_two_gib_is_refused_before_it_is_copied(study: Study) -> None:
    hu = np.broadcast_to(np.int16(0), (4100, 512, 512))  # no memory behind it
    with (
        VcfClient(transport="volume") as client,
        pytest.raises(StudyRefused, match=r"TOO_LARGE: the volume has 2\.0 GiB"),
    ):
        client.analyze(replace(study, volume=Volume(hu, (1.0, 1.0, 1.0), np.eye(4))))


def test_importing_clients_imports_nothing_heavy() -> None:
    code = "import sys, clients; print(*sorted({'numpy', 'grpc', 'pydicom', 'PIL', 'jinja2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.strip() == ""

# SPDX-License-Identifier: Apache-2.0
"""The real server: it answers like ONNX Runtime does in this process, says why it cannot start, and leaves nothing."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

if importlib.util.find_spec("pytriton") is None:
    pytest.skip("the Triton server is not installed (nvidia-pytriton)", allow_module_level=True)
grpc_client = pytest.importorskip("tritonclient.grpc")
ort = pytest.importorskip("onnxruntime")

from preprocess import slices, spine  # noqa: E402
from vcf.contract import (  # noqa: E402
    CANAL_GRID,
    ENCODERS,
    ENSEMBLES,
    FEATURE_ROWS,
    FEATURES,
    HEADS,
    LOCATION,
    MAX_BATCH_PATCHES,
    MODELS,
    PATCH_PROBABILITY,
    PATCHES,
    SLICE_IMAGES,
    SPACING_MM,
    SPINAL_CORD_DETECTOR,
    STAGES,
    VOLUME,
)
from vcf.errors import Code, SetupError, StudyRefused  # noqa: E402
from vcf.serve import server  # noqa: E402
from vcf.serve.backend_directory import PACKAGES  # noqa: E402
from vcf.serve.server import TritonServer  # noqa: E402

pytestmark = pytest.mark.server
NUMPY = {"FP32": np.float32, "INT16": np.int16}
UNIT = {unit.name: unit for unit in (*ENSEMBLES, *MODELS)}


def inputs_of(model, arrays):
    made = []
    for tensor in UNIT[model].inputs:
        array = np.asarray(arrays[tensor.name], NUMPY[tensor.dtype])
        made.append(grpc_client.InferInput(tensor.name, array.shape, tensor.dtype))
        made[-1].set_data_from_numpy(array)
    return made


def infer(server, model, arrays, **options):
    with grpc_client.InferenceServerClient(server.grpc_url) as client:
        result = client.infer(model, inputs_of(model, arrays), **options)
    return {tensor.name: result.as_numpy(tensor.name) for tensor in UNIT[model].outputs}


def by_onnxruntime(repository, model, arrays):
    session = ort.InferenceSession(repository / model / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, arrays), strict=True))


def sample(model, rng, rows=6, flips=2):
    if model == SPINAL_CORD_DETECTOR.name:
        return {SLICE_IMAGES.name: rng.random((rows, *SLICE_IMAGES.shape[1:]), np.float32)}
    if model.startswith("patch"):
        return {PATCHES.name: rng.random((rows, *PATCHES.shape[1:]), np.float32)}
    return {
        FEATURE_ROWS.name: rng.normal(0, 0.05, (flips * rows, FEATURES)).astype(np.float32),
        LOCATION.name: np.linspace(0.05, 0.95, rows, dtype=np.float32),
    }


def study(height_mm=200, hu=40):
    """Soft tissue on a 3 mm grid."""
    volume = np.full((height_mm // 3, 64, 64), hu, np.int16)
    volume[:, 20:40, 20:40] += np.arange(len(volume), dtype=np.int16)[:, None, None]
    return {VOLUME.name: volume, SPACING_MM.name: [3, 3, 3]}


def processes_naming(text):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            pass
    return found


def left_over(repository, owner=None):
    """What there is of a server on this repository and of its owner, this process by default."""
    owner = owner or os.getpid()
    return [
        *processes_naming(str(repository)),
        *Path("/dev/shm").glob(f"vcf-{owner}-*"),
        *Path(tempfile.gettempdir()).glob(f"vcf-serve-{owner}-*"),
    ]


@pytest.fixture
def already_there():
    """Of the session's own server."""
    return left_over("none")


@pytest.mark.parametrize(
    "model", [SPINAL_CORD_DETECTOR, ENCODERS[0], ENCODERS[2], HEADS[0], HEADS[1]], ids=lambda m: m.name
)
def test_networks_answer_as_onnxruntime_does(triton_server, tiny_repository, model):
    arrays = sample(model.name, np.random.default_rng(1))
    expected = by_onnxruntime(tiny_repository, model.name, arrays)
    found = infer(triton_server, model.name, arrays)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5, err_msg=name)


def test_study_through_the_ensemble(triton_server, tiny_repository):
    """The networks' part again in this process, from what the server says of the patches."""
    found = infer(triton_server, "vcf", study())
    k = len(found["patch_scores"])
    assert k >= 4
    assert found["patch_boxes_mm"].shape == (k, 6) and found["location"].shape == (k,)
    assert found["study_score"] == pytest.approx(found["patch_scores"].max(), abs=1e-6)
    assert found["threshold"] == pytest.approx(0.4)
    assert len(found["model_hash"][0]) == 64
    assert len(found["stage_timings_ms"]) == len(STAGES) - 1  # all but the reading of DICOM
    assert (found["stage_timings_ms"] > 0).all()
    volume, spacing = study()[VOLUME.name], (3.0, 3.0, 3.0)
    indices = slices.pick(len(volume), 3.0)
    images = slices.detector_images(volume, spacing, indices)
    grid = by_onnxruntime(tiny_repository, SPINAL_CORD_DETECTOR.name, {SLICE_IMAGES.name: images})[CANAL_GRID.name]
    prepared = spine.prepare(volume, spacing, indices, grid)
    probabilities = []
    for encoder, head in zip(ENCODERS, HEADS, strict=True):
        features = by_onnxruntime(tiny_repository, encoder.name, {PATCHES.name: prepared.patches})
        arrays = {**features, LOCATION.name: prepared.location}
        probabilities.append(by_onnxruntime(tiny_repository, head.name, arrays)[PATCH_PROBABILITY.name])
    np.testing.assert_allclose(found["patch_probabilities"], np.mean(probabilities, (0, 1)), atol=1e-5)
    np.testing.assert_array_equal(found["midsagittal"], prepared.midsagittal)


def test_stage_timings_are_within_the_clients_wall_time(triton_server):
    started = time.perf_counter()
    found = infer(triton_server, "vcf", study())
    assert 0 < found["stage_timings_ms"].sum() <= (time.perf_counter() - started) * 1e3


@pytest.mark.parametrize(
    ("arrays", "code"),
    [
        (study(height_mm=90), Code.TOO_SHORT),
        ({**study(), SPACING_MM.name: [3, np.nan, 3]}, Code.BAD_INPUT),
        (study(hu=-1000), Code.SPINE_NOT_FOUND),
    ],
)
def test_refused_study(triton_server, arrays, code):
    with pytest.raises(grpc_client.InferenceServerException) as caught:
        infer(triton_server, "vcf", arrays)
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    refused = StudyRefused.find(caught.value.message())
    assert refused and refused.code is code


def test_batch_beyond_the_contract_is_refused(triton_server):
    patches = np.zeros((MAX_BATCH_PATCHES + 1, *PATCHES.shape[1:]), np.float32)
    with pytest.raises(grpc_client.InferenceServerException, match="batch-size"):
        infer(triton_server, ENCODERS[0].name, {PATCHES.name: patches})


@pytest.mark.parametrize(("model", "merges"), [(SPINAL_CORD_DETECTOR, True), (ENCODERS[1], False)])
def test_concurrent_requests_are_merged_where_the_configuration_says_so(triton_server, model, merges):
    """The answers are those of each request alone, though the detector ran fewer times than it was asked."""
    name, rng, (output,) = model.name, np.random.default_rng(2), model.outputs
    requests = [sample(name, rng, rows=int(rng.integers(1, 5))) for _ in range(24)]
    alone = [infer(triton_server, name, arrays)[output.name] for arrays in requests]
    with grpc_client.InferenceServerClient(triton_server.grpc_url) as client:

        def counts():
            stats = client.get_inference_statistics(name).model_stats[0]
            return np.array([stats.inference_count, stats.execution_count])

        before, results = counts(), {}
        for number, arrays in enumerate(requests):

            def done(result, error, number=number):
                results[number] = error or result.as_numpy(output.name)

            client.async_infer(name, inputs_of(name, arrays), done)
        until = time.monotonic() + 60
        while len(results) < len(requests) and time.monotonic() < until:
            time.sleep(0.01)
        rows, executions = counts() - before
    for number, expected in enumerate(alone):
        np.testing.assert_allclose(results[number], expected, rtol=1e-6, atol=1e-6)
    assert rows == sum(len(arrays[model.inputs[0].name]) for arrays in requests)
    assert (executions < len(requests)) == merges


def test_all_are_warmed_up_before_ready(triton_server):
    with grpc_client.InferenceServerClient(triton_server.grpc_url) as client:
        assert all(client.is_model_ready(unit.name) for unit in (*MODELS, *ENSEMBLES))


def test_metrics(triton_server):
    infer(triton_server, "vcf", study())
    with urllib.request.urlopen(triton_server.metrics_url, timeout=10) as answer:
        text = answer.read().decode()
    assert 'nv_inference_request_success{model="vcf",version="1"}' in text


def test_both_backends_serve_the_same_files_alike(triton_server, tiny_repository, tmp_path):
    """The OpenVINO of the CPU form against the ``onnxruntime`` form: only the configuration's name changes."""
    names = [SPINAL_CORD_DETECTOR.name, ENCODERS[0].name]
    for name in names:
        shutil.copytree(tiny_repository / name, tmp_path / name)
    with TritonServer(tmp_path, config_name="onnxruntime") as other:
        for name in names:
            arrays = sample(name, np.random.default_rng(3))
            expected, found = infer(triton_server, name, arrays), infer(other, name, arrays)
            for key in expected:
                np.testing.assert_allclose(found[key], expected[key], rtol=1e-5, atol=1e-5)


def test_start_and_stop_leave_nothing(one_model, tmp_path, monkeypatch, already_there):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    progress = []
    with TritonServer(one_model, on_progress=lambda *counts: progress.append(counts)) as server:
        with urllib.request.urlopen(server.metrics_url, timeout=5) as answer:  # ready means all three services
            assert answer.status == 200
        assert server.startup_s > 0
        assert len({server.grpc_port, server.http_port, server.metrics_port} - {0}) == 3
        # guard, server and stub; its region; the private folder
        assert len(set(left_over(one_model)) - set(already_there)) == 5
    assert set(left_over(one_model)) <= set(already_there)
    assert progress[-1] == (1, 1)
    assert list(home.rglob("*")) == []  # no telemetry, no caches
    server.stop()  # a second time does nothing


def test_log_file_is_appended_to_and_holds_no_request_data(one_model, tmp_path):
    log = tmp_path / "triton.log"
    log.write_text("kept\n")
    request_id, value = "a7c3f0-study-id", 0.71828182
    with TritonServer(one_model, log_file=log) as server:
        arrays = sample("sequence_head_a", np.random.default_rng(4))
        arrays[LOCATION.name][:] = value
        infer(server, "sequence_head_a", arrays, request_id=request_id)
        with pytest.raises(grpc_client.InferenceServerException):
            infer(server, "sequence_head_a", {**arrays, LOCATION.name: [value] * 5}, request_id=request_id)
    text = log.read_text()
    assert text.startswith("kept\n")
    assert "successfully loaded 'sequence_head_a'" in text
    assert request_id not in text and str(value)[:7] not in text


def test_taken_port_is_named(one_model, already_there):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SetupError, match=rf"127\.0\.0\.1:{port} for http: Address already in use.*--http-port"):
            TritonServer(one_model, http_port=port).start()
    assert set(left_over(one_model)) <= set(already_there)


@pytest.mark.parametrize("bad", [{"host": "192.0.2.1"}, {"grpc_port": 99999}])
def test_address_that_cannot_be_used(one_model, bad):
    with pytest.raises(SetupError, match="cannot listen on"):
        TritonServer(one_model, **bad).start()


def break_parameter(model):
    config = model / "configs" / "cpu.pbtxt"
    config.write_text(config.read_text().replace("intra_op_thread_count", "intra_op_threads"))


def break_network(model):
    (model / "1" / "model.onnx").write_bytes(b"not a network")


def break_config(model):
    config = model / "configs" / "cpu.pbtxt"
    config.write_text(config.read_text() + "bogus: 3\n")


def break_shape(model):
    config = model / "configs" / "cpu.pbtxt"
    config.write_text(config.read_text().replace(f"[-1, {FEATURES}]", "[-1, 7]"))


@pytest.mark.parametrize(
    ("breaks", "sentence"),
    [
        (break_parameter, r"'sequence_head_a' cannot be loaded: the parameter 'intra_op_threads' is unknown; accepted"),
        (break_network, r"'sequence_head_a' cannot be loaded: .*model\.onnx"),
        (break_config, r"'sequence_head_a' has a broken configuration: .*bogus"),
        (break_shape, rf"input 'features' has shape \[-1, {FEATURES}\] in the network, \[-1, 7\]"),
    ],
)
def test_broken_model(one_model, breaks, sentence, already_there):
    breaks(one_model / "sequence_head_a")
    with pytest.raises(SetupError, match=sentence) as caught:
        TritonServer(one_model).start()
    assert "\n" not in str(caught.value)
    assert set(left_over(one_model)) <= set(already_there)


def test_operating_point_of_other_weights_keeps_the_server_from_starting(tiny_repository, tmp_path):
    for name in ("fracture_findings", "sequence_head_a"):
        shutil.copytree(tiny_repository / name, tmp_path / name)
    network = tmp_path / "sequence_head_a" / "1" / "model.onnx"
    network.write_bytes((tiny_repository / "sequence_head_b" / "1" / "model.onnx").read_bytes())
    with pytest.raises(SetupError, match=r"'fracture_findings' cannot be loaded: .*other weights than those of"):
        TritonServer(tmp_path).start()


def test_not_ready_in_time(one_model, already_there):
    with pytest.raises(SetupError, match=r"not ready within 0\.01 s; still loading: sequence_head_a"):
        TritonServer(one_model, ready_timeout_s=0.01).start()
    assert set(left_over(one_model)) <= set(already_there)


def test_a_checkout_is_served_as_it_is_whatever_is_installed(one_model, tmp_path, monkeypatch):
    """Of two checkouts and one virtual environment, the stubs run the code of the one that started the server."""
    for package in PACKAGES:
        shutil.copytree(server.ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("node"))
    step = tmp_path / "vcf" / "serve" / "runtime_model.py"
    step.write_text(step.read_text() + "\nraise ImportError('of the other checkout')\n")
    monkeypatch.setattr(server, "ROOT", tmp_path)
    with pytest.raises(SetupError, match="'sequence_head_a' cannot be loaded: ImportError: of the other checkout"):
        TritonServer(one_model).start()


def test_server_that_dies_is_noticed(one_model, already_there):
    with TritonServer(one_model) as server:
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in processes_naming(str(one_model))}
        (triton,) = [pid for pid, command in commands.items() if command.partition("\0")[0].endswith("/tritonserver")]
        os.kill(triton, signal.SIGKILL)
        assert server.wait(20) == 128 + signal.SIGKILL
        assert server.last_words() == "its log gives no reason"
    assert set(left_over(one_model)) <= set(already_there)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_owner_that_dies_leaves_nothing(one_model, number):
    """SIGKILL, and SIGTERM without a handler: no code of the owner runs, and the server is gone all the same."""
    code = (
        "import sys, time; from pathlib import Path; from vcf.serve.server import TritonServer; "
        "TritonServer(Path(sys.argv[1])).start(); print('ready', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(one_model)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout.readline() == "ready\n"
    assert len(left_over(one_model, owner.pid)) >= 5
    owner.send_signal(number)
    owner.communicate(timeout=10)
    until = time.monotonic() + 20
    while left_over(one_model, owner.pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert left_over(one_model, owner.pid) == []

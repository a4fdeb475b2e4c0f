# SPDX-License-Identifier: Apache-2.0
"""The real server: it answers like ONNX Runtime does in this process, says why it cannot start, and leaves nothing."""

import importlib.util
import math
import os
import secrets
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
grpc = pytest.importorskip("grpc")
onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from tritonclient.grpc import service_pb2, service_pb2_grpc  # noqa: E402

from tests.tiny_networks import FEATURES  # noqa: E402
from vcf_contract.contract import (  # noqa: E402
    CANAL_GRID,
    CROP,
    ENSEMBLES,
    FEATURE_ROWS,
    LOCATION,
    MAX_SLICE_IMAGES,
    MODELS,
    NETWORKS,
    PATCH_ENCODER,
    PATCH_PROBABILITY,
    PATCHES,
    SEQUENCE_HEAD,
    SLICE_IMAGES,
    SLICE_INDICES,
    SPACING_MM,
    SPINAL_CORD_DETECTOR,
    STAGES,
    STUDY_PROBABILITY,
    VOLUME,
)
from vcf_contract.errors import Code, SetupError, StudyRefused  # noqa: E402
from vcf_contract.spec import MAX_PATCHES  # noqa: E402
from vcf_export.passport_writer import record  # noqa: E402
from vcf_preprocess import slices, spine  # noqa: E402
from vcf_server.backend_directory import PACKAGES  # noqa: E402
from vcf_server.processes import parent, runs, stubs  # noqa: E402
from vcf_server.server import TritonServer  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.server
NUMPY = {"FP32": np.float32, "INT16": np.int16}
UNIT = {unit.name: unit for unit in (*ENSEMBLES, *MODELS)}


def inputs_of(model, arrays):
    made = []
    for tensor in UNIT[model].inputs:
        if tensor.optional and tensor.name not in arrays:
            continue
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


def sample(model, rng, rows=6):
    if model == SPINAL_CORD_DETECTOR.name:
        return {SLICE_IMAGES.name: rng.random((rows, *SLICE_IMAGES.shape[1:]), np.float32)}
    if model.startswith("patch"):
        return {PATCHES.name: rng.random((rows, *PATCHES.shape[1:]), np.float32)}
    return {
        FEATURE_ROWS.name: rng.normal(0, 0.05, (rows, FEATURES)).astype(np.float32),
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
    return left_over("/no such repository")


@pytest.mark.parametrize("model", NETWORKS, ids=lambda m: m.name)
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
    indices = slices.pick_body(volume, spacing)
    images = slices.detector_images(volume, spacing, indices)
    grid = by_onnxruntime(tiny_repository, SPINAL_CORD_DETECTOR.name, {SLICE_IMAGES.name: images})[CANAL_GRID.name]
    prepared = spine.prepare(volume, spacing, indices, grid)
    features = by_onnxruntime(tiny_repository, PATCH_ENCODER.name, {PATCHES.name: prepared.patches})
    arrays = {**features, LOCATION.name: prepared.location}
    probabilities = by_onnxruntime(tiny_repository, SEQUENCE_HEAD.name, arrays)[PATCH_PROBABILITY.name]
    np.testing.assert_allclose(found["patch_probabilities"], probabilities.mean((0, 1)), atol=1e-5)
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


@pytest.mark.parametrize("rows", [0, MAX_PATCHES + 1])
def test_rows_beyond_the_contract_are_refused(triton_server, rows):
    patches = np.zeros((rows, *PATCHES.shape[1:]), np.float32)
    with pytest.raises(
        grpc_client.InferenceServerException, match=f"BAD_INPUT: .* 1 to {MAX_PATCHES} rows, not {rows}"
    ):
        infer(triton_server, PATCH_ENCODER.name, {PATCHES.name: patches})


def test_batch_beyond_the_contract_is_refused(triton_server):
    images = np.zeros((MAX_SLICE_IMAGES + 1, *SLICE_IMAGES.shape[1:]), np.float32)
    with pytest.raises(grpc_client.InferenceServerException, match="batch-size"):
        infer(triton_server, SPINAL_CORD_DETECTOR.name, {SLICE_IMAGES.name: images})


@pytest.mark.parametrize(("model", "merges"), [(SPINAL_CORD_DETECTOR, True), (PATCH_ENCODER, False)])
def test_concurrent_requests_are_merged_where_the_configuration_says_so(triton_server, model, merges):
    """The answers are those of each request alone, though the detector ran fewer times than it was asked.

    Requests are merged that wait while the model is at work. A machine so busy that none waits gets more rounds.
    """
    name, rng, (output,) = model.name, np.random.default_rng(2), model.outputs
    requests = [sample(name, rng, rows=int(rng.integers(1, 5))) for _ in range(24)]
    alone = [infer(triton_server, name, arrays)[output.name] for arrays in requests]
    ready = [inputs_of(name, arrays) for arrays in requests]
    rows_sent = sum(len(arrays[model.inputs[0].name]) for arrays in requests)
    with grpc_client.InferenceServerClient(triton_server.grpc_url) as client:

        def counts():
            stats = client.get_inference_statistics(name).model_stats[0]
            return np.array([stats.inference_count, stats.execution_count])

        for _ in range(10 if merges else 1):
            before, results = counts(), {}
            for number, inputs in enumerate(ready):

                def done(result, error, number=number, results=results):
                    results[number] = error or result.as_numpy(output.name)

                client.async_infer(name, inputs, done)
            until = time.monotonic() + 60
            while len(results) < len(requests) and time.monotonic() < until:
                time.sleep(0.01)
            rows, executions = counts() - before
            for number, expected in enumerate(alone):
                np.testing.assert_allclose(results[number], expected, rtol=1e-6, atol=1e-6)
            assert rows == (rows_sent if merges else len(requests))
            if executions < len(requests):
                break
    assert (executions < len(requests)) == merges


@pytest.mark.slow
def test_models_that_lie_apart(tiny_repository, tmp_path):
    """As in a server that reads its repository from a bucket: each model finds what it needs in its own folder."""
    apart = "spine_patches", "fracture_findings"
    rest = shutil.copytree(tiny_repository, tmp_path / "rest")
    for name in apart:
        shutil.copytree(rest / name, tmp_path / name / name)
        shutil.rmtree(rest / name)
    folders = [f"--model-repository={tmp_path / name}" for name in apart]
    with TritonServer(rest, extra_args=folders) as server, grpc_client.InferenceServerClient(server.grpc_url) as client:
        assert all(map(client.is_model_ready, apart))


IMPOSSIBLE = [2**32] * 3
HOSTILE = {
    "a volume of 2^96 voxels": ("vcf", {VOLUME: (IMPOSSIBLE, b"")}),
    "a volume of 2^96 voxels, inside": ("axial_slices", {VOLUME: (IMPOSSIBLE, b"")}),
    "a crop of 2^96 voxels": ("spine_patches", {CROP: (IMPOSSIBLE, b"")}),
    "2^62 slice indices": ("centre_line", {SLICE_INDICES: ([2**62], b"")}),
    "2^62 rows of features": ("sequence_head", {FEATURE_ROWS: ([2**62, FEATURES], b""), LOCATION: ([2**62], b"")}),
    "no features": ("sequence_head", {FEATURE_ROWS: ([0, FEATURES], b""), LOCATION: ([0], b"")}),
    "no probabilities": ("fracture_findings", {PATCH_PROBABILITY: ([0, 0, 0], b""), STUDY_PROBABILITY: ([0, 0], b"")}),
    "an image of NaN": ("vcf_scout", {SLICE_IMAGES: ([1, 256, 256, 1], b"\xff\xff\xff\x7f" * 256**2)}),
    "an image of 1e38": ("vcf_scout", {SLICE_IMAGES: ([1, 256, 256, 1], np.full(256**2, 1e38, "<f4").tobytes())}),
}
ITEM_BYTES = {"FP32": 4, "INT16": 2, "INT32": 4, "INT64": 8}


def raw_infer(server, model, given, **parameters):
    """Any shape and any bytes, as no client library would send them; zeros for the inputs that are not given."""
    request = service_pb2.ModelInferRequest(model_name=model, id=secrets.token_hex(8))
    for tensor in UNIT[model].inputs:
        ones = [max(1, size) for size in tensor.shape]
        nothing = bytes(math.prod(ones) * ITEM_BYTES.get(tensor.dtype, 4))
        shape, raw = given.get(tensor, (ones, nothing))
        request.inputs.add(name=tensor.name, datatype=tensor.dtype, shape=shape)
        request.raw_input_contents.append(raw)
    for name, value in parameters.items():
        request.parameters[name].int64_param = value
    with grpc.insecure_channel(server.grpc_url) as channel:
        return service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=300)


@pytest.mark.parametrize("model, given", HOSTILE.values(), ids=HOSTILE)
def test_what_no_study_holds_is_refused_and_kills_nothing(triton_server, model, given):
    with pytest.raises(grpc.RpcError) as caught:
        raw_infer(triton_server, model, given)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert StudyRefused.find(caught.value.details()).code is Code.BAD_INPUT
    infer(triton_server, "vcf", study())


@pytest.mark.parametrize("timeout_us", [-1, 10**17])
def test_a_timeout_that_no_caller_means_is_refused(triton_server, timeout_us):
    with pytest.raises(grpc.RpcError, match="BAD_INPUT: timeout must be from 0, for none, to 86400000000"):
        raw_infer(triton_server, "axial_slices", {}, timeout=timeout_us)


def test_all_are_warmed_up_before_ready(triton_server):
    with grpc_client.InferenceServerClient(triton_server.grpc_url) as client:
        assert all(client.is_model_ready(unit.name) for unit in (*MODELS, *ENSEMBLES))


def test_metrics(triton_server):
    infer(triton_server, "vcf", study())
    with urllib.request.urlopen(triton_server.metrics_url, timeout=120) as answer:
        text = answer.read().decode()
    assert 'nv_inference_request_success{model="vcf",version="1"}' in text


def test_both_backends_serve_the_same_files_alike(triton_server, tiny_repository, tmp_path):
    """The OpenVINO of the CPU form against the ``onnxruntime`` form: only the configuration's name changes."""
    names = [SPINAL_CORD_DETECTOR.name, PATCH_ENCODER.name]
    for name in names:
        shutil.copytree(tiny_repository / name, tmp_path / name)
    with TritonServer(tmp_path, config_name="onnxruntime") as other:
        for name in names:
            arrays = sample(name, np.random.default_rng(3))
            expected, found = infer(triton_server, name, arrays), infer(other, name, arrays)
            for key in expected:
                np.testing.assert_allclose(found[key], expected[key], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("host", ["::1", "::", "fe80::1"])
def test_an_ipv6_address_is_refused_by_that_name(one_model, host):
    with pytest.raises(SetupError, match=f"takes no IPv6 address, found {host}: give an IPv4 address"):
        TritonServer(one_model, host=host).start()


def test_start_and_stop_leave_nothing(one_model, tmp_path, monkeypatch, already_there):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    progress = []
    with TritonServer(one_model, on_progress=lambda *counts: progress.append(counts)) as server:
        with urllib.request.urlopen(server.metrics_url, timeout=120) as answer:  # ready means all three services
            assert answer.status == 200
        assert server.startup_s > 0
        assert len({server.grpc_port, server.http_port, server.metrics_port} - {0}) == 3
        # guard, server and stub; its region and the lock; the private folder
        assert len(set(left_over(one_model)) - set(already_there)) == 6
    assert set(left_over(one_model)) <= set(already_there)
    assert progress[-1] == (1, 1)
    assert list(home.rglob("*")) == []  # no telemetry, no caches
    server.stop()  # a second time does nothing


def test_log_file_is_appended_to_and_holds_no_request_data(one_model, tmp_path):
    log = tmp_path / "triton.log"
    log.write_text("kept\n")
    request_id, value = "a7c3f0-study-id", 0.71828182
    with TritonServer(one_model, log_file=log) as server:
        arrays = sample("sequence_head", np.random.default_rng(4))
        arrays[LOCATION.name][:] = value
        infer(server, "sequence_head", arrays, request_id=request_id)
        with pytest.raises(grpc_client.InferenceServerException):
            infer(server, "sequence_head", {**arrays, LOCATION.name: [value] * 5}, request_id=request_id)
    text = log.read_text()
    assert text.startswith("kept\n")
    assert "successfully loaded 'sequence_head'" in text
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
    (model / "1" / "passport.json").unlink()


def break_config(model):
    config = model / "configs" / "cpu.pbtxt"
    config.write_text(config.read_text() + "bogus: 3\n")


def break_shape(model):
    config = model / "configs" / "cpu.pbtxt"
    config.write_text(config.read_text().replace(f"[-1, {FEATURES}]", "[-1, 7]"))


@pytest.mark.parametrize(
    ("breaks", "sentence"),
    [
        (break_parameter, r"'sequence_head' cannot be loaded: the parameter 'intra_op_threads' is unknown; accepted"),
        (break_network, r"'sequence_head' cannot be loaded: .*model\.onnx"),
        (break_config, r"'sequence_head' has a broken configuration: .*bogus"),
        (break_shape, rf"input 'features' has shape \[-1, {FEATURES}\] in the network, \[-1, 7\]"),
    ],
)
def test_broken_model(one_model, breaks, sentence, already_there):
    breaks(one_model / "sequence_head")
    with pytest.raises(SetupError, match=sentence) as caught:
        TritonServer(one_model).start()
    assert "\n" not in str(caught.value)
    assert set(left_over(one_model)) <= set(already_there)


def test_operating_point_of_other_weights_keeps_the_server_from_starting(tiny_repository, tmp_path):
    for name in ("fracture_findings", "sequence_head"):
        shutil.copytree(tiny_repository / name, tmp_path / name)
    network = tmp_path / "sequence_head" / "1" / "model.onnx"
    trained_again = onnx.load(network)
    trained_again.doc_string = "other bytes, as other weights are"
    onnx.save(trained_again, network)
    record(network, precision="fp32")
    with pytest.raises(SetupError, match=r"'fracture_findings' cannot be loaded: .*other weights than those of"):
        TritonServer(tmp_path).start()


def test_not_ready_in_time(one_model, already_there):
    with pytest.raises(SetupError, match=r"not ready within 0\.01 s; still loading: sequence_head"):
        TritonServer(one_model, ready_timeout_s=0.01).start()
    assert set(left_over(one_model)) <= set(already_there)


def test_a_checkout_is_served_as_it_is_whatever_is_installed(one_model, tmp_path):
    """Of two checkouts and one virtual environment, the stubs run the code of the one that started the server."""
    rooms = ("contract", "preprocess", "clients/python", "serving")
    for folder in (*rooms, "backends"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    assert {package.name for room in rooms for package in (tmp_path / room).iterdir()} >= set(PACKAGES)
    step = tmp_path / "serving" / "vcf_runtime" / "runtime_model.py"
    step.write_text(step.read_text() + "\nraise ImportError('of the other checkout')\n")
    code = (
        "import sys; from pathlib import Path; from vcf_server.server import TritonServer; "
        "TritonServer(Path(sys.argv[1])).start()"
    )
    path = os.pathsep.join(str(tmp_path / room) for room in rooms)
    started = subprocess.run(
        [sys.executable, "-c", code, str(one_model)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert "'sequence_head' cannot be loaded: ImportError: of the other checkout" in started.stderr


def test_server_that_dies_is_noticed(one_model, already_there):
    with TritonServer(one_model) as server:
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in processes_naming(str(one_model))}
        (triton,) = [pid for pid, command in commands.items() if command.partition("\0")[0].endswith("/tritonserver")]
        os.kill(triton, signal.SIGKILL)
        assert server.wait(120) == 128 + signal.SIGKILL
        assert server.last_words().startswith("its log gives no reason")
    assert set(left_over(one_model)) <= set(already_there)


def test_a_server_whose_guard_was_killed_starts_again_on_its_ports(one_model):
    """Triton ends with its guard, but holds its ports until its memory is given back."""
    with TritonServer(one_model) as server:
        before = (server.grpc_port, server.http_port, server.metrics_port)
        triton = parent(next(iter(stubs(server.shm_prefix))))
        os.kill(server._guard.pid, signal.SIGKILL)
        server.stop()
        assert not runs(triton)
        server.start()
        assert (server.grpc_port, server.http_port, server.metrics_port) == before


def test_owner_and_guard_that_are_killed_leave_no_process_and_the_next_start_removes_the_rest(one_model):
    """As the kernel does when it runs out of memory, or a container's host."""
    code = (
        "import sys, time; from pathlib import Path; from vcf_server.server import TritonServer; "
        "TritonServer(Path(sys.argv[1])).start(); print('ready', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(one_model)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout.readline() == "ready\n"
    running = processes_naming(str(one_model))
    guards = [pid for pid in running if "guard.py" in Path(f"/proc/{pid}/cmdline").read_text()]
    for pid in (owner.pid, *guards):
        os.kill(pid, signal.SIGKILL)
    owner.communicate(timeout=300)
    until = time.monotonic() + 120
    while processes_naming(str(one_model)) and time.monotonic() < until:
        time.sleep(0.1)
    assert processes_naming(str(one_model)) == []
    assert len(left_over(one_model, owner.pid)) >= 2
    with TritonServer(one_model) as server:
        assert left_over("/no such repository", owner.pid) == []
        assert Path("/dev/shm", f"{server.shm_prefix}lock").exists()  # its own stays


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_owner_that_dies_leaves_nothing(one_model, number):
    """SIGKILL, and SIGTERM without a handler: no code of the owner runs, and the server is gone all the same."""
    code = (
        "import sys, time; from pathlib import Path; from vcf_server.server import TritonServer; "
        "TritonServer(Path(sys.argv[1])).start(); print('ready', flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(one_model)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout.readline() == "ready\n"
    assert len(left_over(one_model, owner.pid)) >= 5
    owner.send_signal(number)
    owner.communicate(timeout=600)
    until = time.monotonic() + 120
    while left_over(one_model, owner.pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert left_over(one_model, owner.pid) == []

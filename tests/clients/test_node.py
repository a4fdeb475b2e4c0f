# SPDX-License-Identifier: Apache-2.0
"""The Node client: its own tests, its types, and its findings beside those of the Python client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from tritonclient.grpc import model_config_pb2
from tritonclient.grpc import service_pb2 as kserve

from tests.clients.ct_series import CtSeries
from vcf_client import Findings, VcfClient
from vcf_client.dicom.privacy import HASH_KEY_VARIABLE

if TYPE_CHECKING:
    from vcf_server.server import TritonServer

NODE_CLIENT = Path(__file__).resolve().parents[2] / "clients" / "node"
INSTALL = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
DESCRIPTORS = """
import { loadSync } from '@grpc/proto-loader';
const { ModelInfer } = loadSync('proto/kserve.proto', { keepCase: true })['inference.GRPCInferenceService'];
const [file] = ModelInfer.requestType.fileDescriptorProtos;
process.stdout.write(file.toString('hex'));
"""


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=NODE_CLIENT, env=os.environ | environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def node() -> str:
    """The command, with the client's packages in place."""
    found = shutil.which("node")
    if not found or not shutil.which("npm"):
        pytest.skip("node and npm are not installed")
    wanted = json.loads((NODE_CLIENT / "package.json").read_text("utf-8"))
    if not all(_installed(*package) for key in ("dependencies", "devDependencies") for package in wanted[key].items()):
        done = run(*INSTALL)
        assert done.returncode == 0, done.stderr
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    CtSeries(slices=60).write(folder)
    return folder


def _installed(name: str, version: str) -> bool:
    file = NODE_CLIENT / "node_modules" / name / "package.json"
    return file.is_file() and json.loads(file.read_text("utf-8"))["version"] == version


@pytest.mark.slow
def test_types(node: str) -> None:
    done = run("npm", "run", "--silent", "types")
    assert done.returncode == 0, done.stdout


def test_the_protocol_is_the_one_of_the_server(node: str) -> None:
    done = run(node, "--input-type=module", "--eval", DESCRIPTORS)
    assert done.returncode == 0, done.stderr
    ours = FileDescriptorProto.FromString(bytes.fromhex(done.stdout))
    theirs = FileDescriptorProto()
    kserve.DESCRIPTOR.CopyToProto(theirs)
    configurations = FileDescriptorProto()
    model_config_pb2.DESCRIPTOR.CopyToProto(configurations)
    assert ours.package == theirs.package
    fields = _fields(ours.message_type)
    assert "ModelInferRequest.raw_input_contents" in fields
    official = _fields(theirs.message_type) | _fields(configurations.message_type)
    assert fields.items() <= official.items()
    (service,) = theirs.service
    assert {method.name for method in ours.service[0].method} <= {method.name for method in service.method}
    assert ours.service[0].name == service.name


def _fields(messages: Iterable[DescriptorProto]) -> dict[str, tuple[int, int, bool, str]]:
    """Number, type, whether repeated, and type name of each field by its path."""
    found: dict[str, tuple[int, int, bool, str]] = {}
    for message in messages:
        name = _plain(message.name)
        for field in message.field:
            repeated = field.label == FieldDescriptorProto.LABEL_REPEATED
            found[f"{name}.{field.name}"] = (field.number, field.type, repeated, _plain(field.type_name))
        found |= {f"{name}.{path}": kind for path, kind in _fields(message.nested_type).items()}
    return found


def _plain(name: str) -> str:
    """Without scope, and with map entries called as protobufjs calls them."""
    return name.split(".")[-1].removesuffix("Entry")


@pytest.mark.slow
@pytest.mark.server
def test_its_own_tests(node: str, triton_server: TritonServer, folder: Path) -> None:
    done = run(
        node,
        "--test",
        "--test-reporter=spec",
        VCF_TEST_SERVER=triton_server.grpc_url,
        VCF_TEST_STUDY=str(folder),
    )
    assert done.returncode == 0, done.stdout
    assert "skipped 0" in done.stdout


@pytest.mark.slow
@pytest.mark.server
def test_findings_equal_those_of_the_python_client(
    node: str, triton_server: TritonServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HASH_KEY_VARIABLE, "one for both")
    done = run(node, "bin/vcf-analyze.js", str(folder), "--server", triton_server.grpc_url, "--json", "-")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    by_dicom, by_volume = (_python(triton_server, folder, transport).to_dict() for transport in ("dicom", "volume"))
    assert found["model"] == by_dicom["model"]
    assert abs(found["bytes_sent"] - by_dicom["bytes_sent"]) < 1000
    assert found["timings_ms"].keys() == by_dicom["timings_ms"].keys()
    assert found["selection"] == by_dicom["selection"]  # of the volume it names the series by this process's hash
    for expected in (by_dicom, by_volume):
        same = expected.keys() - {"selection", "model", "transport", "bytes_sent", "timings_ms"}
        _assert_close({key: found[key] for key in same}, {key: expected[key] for key in same})
        assert found["model"]["hash"] == expected["model"]["hash"]


def _python(server: TritonServer, folder: Path, transport: str) -> Findings:
    with VcfClient(server.grpc_url, transport=transport) as client:
        return client.analyze(folder)


def _assert_close(found: Any, expected: Any, where: str = "findings") -> None:
    """Equal in form, words and order; numbers to 1e-4."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            _assert_close(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for index, pair in enumerate(zip(found, expected, strict=True)):
            _assert_close(*pair, f"{where}[{index}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-4), where
    else:
        assert found == expected, where

# SPDX-License-Identifier: Apache-2.0
import atexit
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vcf_contract.contract import DEADLINE_TABLE

if TYPE_CHECKING:
    from vcf_server.server import TritonServer


# Before any step of a study is imported here: by itself its tables would lie in /dev/shm under this process's parent,
# which removes nothing. Servers that tests start have tables of their own.
_tables = tempfile.mkdtemp(prefix="vcf-tables-")
os.environ[DEADLINE_TABLE] = f"{_tables}/deadlines"
atexit.register(shutil.rmtree, _tables, ignore_errors=True)


@pytest.fixture(autouse=True)
def own_variables() -> Iterator[None]:
    """End each test with the variables of ours that it began with.

    What a worker sets for its process, such as ``VCF_HASH_KEY``, would be there for any test that comes next.
    """
    before = {name: value for name, value in os.environ.items() if name.startswith("VCF_")}
    yield
    for name in [name for name in os.environ if name.startswith("VCF_") and name not in before]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Development data (real CTs, malformed DICOM, a VerSe sample); no part of the product."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("VCF_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip("development data not found: set VCF_SHARED_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model repository with tiny networks of the contract's names and shapes; no training needed."""
    pytest.importorskip("onnx", reason="the tiny networks are made with onnx")
    from tests import tiny_networks

    return tiny_networks.repository(tmp_path_factory.mktemp("models") / "repository")


@pytest.fixture(scope="session")
def triton_server(tiny_repository: Path) -> Iterator["TritonServer"]:
    """The real server on free ports of this machine, serving the tiny repository in its CPU form."""
    if importlib.util.find_spec("pytriton") is None:
        pytest.skip("the Triton server is not installed (nvidia-pytriton)")
    from vcf_server.server import TritonServer

    with TritonServer(tiny_repository) as server:
        yield server

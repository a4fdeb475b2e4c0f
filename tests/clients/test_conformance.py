# SPDX-License-Identifier: Apache-2.0
"""The conformance suite by every client whose tools are here, and the clients' own tests by their own tools."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from vcf_contract import statuses

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "clients"
SUITE = CLIENTS / "conformance"
CASES: list[dict[str, Any]] = json.loads((SUITE / "cases.json").read_text("utf-8"))
LANGUAGES = ("Python", "Node", "Go", "Java", "C++")
LINES = 400
"""Of a client without comments, imports, generated code, tests and the command."""


@pytest.fixture(scope="module")
def suite() -> Iterator[ModuleType]:
    """The module of the suite, which runs by itself too."""
    sys.path.insert(0, str(SUITE))
    try:
        import run

        yield run
    finally:
        sys.path.remove(str(SUITE))


@pytest.fixture(scope="module")
def world(suite: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, Any]]:
    """A server of the weights that ship, the suite's studies and certificates, and the findings to expect."""
    pytest.importorskip("pytriton", reason="the Triton server is not installed (nvidia-pytriton)")
    from vcf_server.assets import MODEL_REPOSITORY
    from vcf_server.server import TritonServer

    folder = tmp_path_factory.mktemp("conformance")
    suite.prepare(folder)
    with TritonServer(MODEL_REPOSITORY) as server:
        yield server.grpc_url, folder, suite.expected_findings(server.grpc_url, folder)


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_case(language: str, suite: ModuleType, world: tuple[str, Path, Any]) -> None:
    import languages

    try:
        command = languages.LANGUAGES[language]()
    except languages.Missing as reason:
        pytest.skip(str(reason))
    target, folder, expected = world
    results = suite.run_client(command, target, folder, expected)
    assert not {case: wrong for case, wrong in results.items() if wrong}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "command"),
    [
        ("go", ("go", "vet", "./...")),
        ("go", ("go", "test", "./...")),
        ("java", ("mvn", "--batch-mode", "--quiet", "package")),
    ],
    ids=" ".join,
)
def test_own_tests(language: str, command: tuple[str, ...]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, cwd=CLIENTS / language, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


@pytest.mark.slow
def test_own_tests_of_cpp(suite: ModuleType) -> None:
    import languages

    try:
        (program,) = languages.cpp()
    except languages.Missing as reason:
        pytest.skip(str(reason))
    command = ("ctest", "--test-dir", str(Path(program).parent), "--output-on-failure")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_every_rule_of_the_contract_has_a_case() -> None:
    said = [tuple(error) for case in CASES for server in case.get("servers", ()) for error in server.get("errors", ())]
    said += [("UNAVAILABLE", "This protocol is restricted"), ("DEADLINE_EXCEEDED", "")]  # by other behaviours
    said += [("CANCELLED", "Channel closed!"), ("NOT_FOUND", "unknown model: 'vcf_dicom' is not found")]
    found = {statuses.rule(status, text) for status, text in said}
    assert found == set(statuses.RULES)


def test_every_code_of_an_error_has_a_case() -> None:
    document = json.loads((CLIENTS / "contract.json").read_text("utf-8"))
    assert set(document["errors"]["codes"]) <= {case["expect"].get("code") for case in CASES}


@pytest.mark.parametrize(
    "files", ["go/*.go", "java/src/main/java/vcf/client/*.java", "cpp/src/*.?pp"], ids=lambda files: files.split("/")[0]
)
def test_clients_are_small(files: str) -> None:
    paths = [p for p in CLIENTS.glob(files) if p.stem not in ("main", "Main") and not p.stem.endswith("_test")]
    paths += (CLIENTS / "cpp/include/vcf").glob("*.hpp") if files.startswith("cpp") else []
    beside = ("//", "/*", "*", "import ", "#include", "package ", "#pragma")
    texts = [re.sub(r"^import \(.*?^\)", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE) for path in paths]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    assert len([line for line in lines if line and not line.startswith(beside)]) <= LINES

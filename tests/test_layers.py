# SPDX-License-Identifier: Apache-2.0
"""Imports run downwards and in no circle: those inside functions and for type checkers count too."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
PACKAGES = SETTINGS["importlinter"]["root_packages"]


def lint_imports(config: Path) -> "subprocess.CompletedProcess[str]":
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", config]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


def test_nothing_imports_upwards() -> None:
    done = lint_imports(ROOT / "pyproject.toml")
    assert done.returncode == 0, done.stdout


def test_every_package_has_its_layer() -> None:
    shipped = {Path(path).name for path in SETTINGS["hatch"]["build"]["targets"]["wheel"]["packages"]}
    (contract,) = SETTINGS["importlinter"]["contracts"]
    layers = [name.strip() for layer in contract["layers"] for name in layer.split("|")]
    assert sorted(layers) == sorted(PACKAGES) == sorted(name for name in shipped if name.startswith("vcf_"))


def test_an_import_upwards_would_be_seen(tmp_path: Path) -> None:
    """The same contract, upside down."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    first, last = '    "vcf_cli",\n    "vcf_benchmarks",\n', '    "vcf_preprocess",\n    "vcf_contract",\n]'
    assert text.count(first) == 1 and text.count(last) == 1
    upside_down = text.replace(first, '    "vcf_contract",\n').replace(last, '    "vcf_preprocess",\n    "vcf_cli",\n]')
    config = tmp_path / "pyproject.toml"
    config.write_text(upside_down, "utf-8")
    done = lint_imports(config)
    assert done.returncode == 1 and "BROKEN" in done.stdout


def modules(graph: grimp.ImportGraph) -> Iterator[tuple[str, set[str]]]:
    for module in graph.modules:
        yield module, graph.find_modules_directly_imported_by(module)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    try:
        TopologicalSorter(dict(modules(graph))).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))

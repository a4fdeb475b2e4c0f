# SPDX-License-Identifier: Apache-2.0
import argparse
import subprocess
import sys

import pytest

from vcf_benchmarks.kinds import KINDS, LOOKS

HEAVY = ("numpy", "scipy", "psutil", "matplotlib", "jinja2", "hdrh", "tritonclient", "openvino", "onnx", "pydicom")


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_each_benchmark_runs_and_draws(kind) -> None:
    if kind.name == "loadgen":
        pytest.importorskip("mlperf_loadgen", reason="LoadGen has no wheel for this Python")
    for module in ("onnx", "openvino", "onnxruntime"):
        pytest.importorskip(module)
    assert callable(kind.command().run) and callable(kind.page().sections)


@pytest.mark.parametrize("look", LOOKS.values(), ids=lambda look: look.name)
def test_each_look_runs_and_has_a_table(look) -> None:
    module = look.command()
    assert callable(module.run) and callable(module.table)


@pytest.mark.parametrize("one", [*KINDS.values(), *LOOKS.values()], ids=lambda one: one.name)
def test_options_are_described(one) -> None:
    parser = argparse.ArgumentParser()
    one.add_arguments(parser)
    described = [action for action in parser._actions if action.dest != "help"]
    assert all(action.help for action in described) and one.help


def test_help_needs_the_standard_library_alone() -> None:
    program = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {HEAVY!r}:\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from vcf_cli import main\n"
        "main(['bench', *sys.argv[1:], '--help'])\n"
    )
    for words in ([], ["overhead"], ["locust"], ["page"]):
        done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert "usage: vcf bench" in done.stdout

# SPDX-License-Identifier: Apache-2.0
"""A module has a test file of its name, in the folder that mirrors its own; the exceptions have their reasons here."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MIRRORS = {
    "contract/vcf_contract": "contract",
    "preprocess/vcf_preprocess": "preprocess",
    "clients/python/vcf_client": "clients",
    "serving/vcf_runtime": "serving",
    "serving/vcf_server": "serving",
    "training/vcf_training": "training",
    "export/vcf_export": "export",
    "benchmarks/vcf_benchmarks": "benchmarks",
    "screening/vcf_screening": "screening",
    "cli/vcf_cli": "cli",
    "deploy": "deploy",
    "docs/_site": "docs",
    "examples": "examples",
}
EXCEPTIONS = {
    "benchmarks/vcf_benchmarks/*/options.py": "data for argparse; test_kinds.py looks at all options of all benchmarks",
    "benchmarks/vcf_benchmarks/*/goals.py": "numbers alone",
    "benchmarks/vcf_benchmarks/*/page.py": "test_pages.py draws every committed result",
    "benchmarks/vcf_benchmarks/*/command.py": "joins a measurement to its figures, both of which have tests, on a real "
    "server; test_kinds.py imports all of them",
    "benchmarks/vcf_benchmarks/loadgen/scenarios.py": "names alone",
    "benchmarks/vcf_benchmarks/waterfall/kinds.py": "names alone",
    "benchmarks/vcf_benchmarks/waterfall/picture.py": "test_pages.py draws it from the committed result",
    "benchmarks/vcf_benchmarks/looks/deadline.py": "measures a real server; test_kinds.py imports it",
    "benchmarks/vcf_benchmarks/sizes/measure.py": "measures a real server; what it counts is tested in test_figures.py",
    "benchmarks/vcf_benchmarks/peers/with_*.py": "programs that test_server.py starts",
    "benchmarks/vcf_benchmarks/screening/saturation.py": "measures a real server; test_kinds.py imports it",
    "benchmarks/vcf_benchmarks/drills/*.py": "each is a test itself, of real servers and files; .ci/run runs four",
    "benchmarks/vcf_benchmarks/trace/collector.py": "tests/clients/test_tracing.py has spans go through it",
    "cli/vcf_cli/options/*.py": "data for argparse; test_cli.py looks at all options of all commands",
}


def modules() -> Iterator[tuple[Path, Path]]:
    """Every module of the product, and the test file that is its own."""
    for source, tests in MIRRORS.items():
        for path in sorted((ROOT / source).rglob("*.py")):
            inside = path.relative_to(ROOT / source)
            if not path.name.startswith("__") and (ROOT / source / inside.parts[0]).exists():
                yield path.relative_to(ROOT), ROOT / "tests" / tests / inside.parent / f"test_{path.name}"
    # A model's file is always model.py: its folder has the name.
    for path in sorted(ROOT.glob("model_repository/*/1/model.py")):
        yield path.relative_to(ROOT), ROOT / "tests" / "model_repository" / f"test_{path.parents[1].name}.py"
    for path in sorted(ROOT.glob("backends/*/model.py")):
        yield path.relative_to(ROOT), ROOT / "tests" / "backends" / f"test_{path.parent.name}.py"


def test_every_module_has_a_test_file() -> None:
    missing = [
        str(module)
        for module, test in modules()
        if not test.is_file() and not any(module.match(pattern) for pattern in EXCEPTIONS)
    ]
    assert missing == [], "write its tests, or name it with a reason among the exceptions"


def test_exceptions_are_needed() -> None:
    """Each of them names modules that are there, and one at least without a test file."""
    alone = [module for module, test in modules() if not test.is_file()]
    needless = [pattern for pattern in EXCEPTIONS if not any(module.match(pattern) for module in alone)]
    assert needless == []


def test_no_test_file_is_empty() -> None:
    """A shell would keep the rule and test nothing."""
    empty = [str(test) for _, test in modules() if test.is_file() and "\ndef test_" not in test.read_text("utf-8")]
    assert empty == []

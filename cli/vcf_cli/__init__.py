# SPDX-License-Identifier: Apache-2.0
"""The ``vcf`` command.

A subcommand has a module in `vcf_cli.options` with ``add_parser(subparsers)``, which adds one parser and sets its
``run(args) -> int``; the module that does the work is imported when it runs. So ``vcf --help`` needs nothing but the
standard library, and ``vcf train --help`` no TensorFlow.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NoReturn

from vcf_cli import exit_codes
from vcf_cli.outputs import refuse_unwritable
from vcf_cli.terminal import show_any_character
from vcf_client.memory import keep_large_blocks, keep_large_blocks_of_children
from vcf_contract import __version__
from vcf_contract.errors import StudyRefused, VcfError

_TENSORFLOW = {"TF_CPP_MIN_LOG_LEVEL": "2"}
_TRAINING = {
    **_TENSORFLOW,
    # TensorFlow uses oneDNN by itself only on processors with AVX-512; on others its own 3-D convolutions are several
    # times slower.
    "TF_ENABLE_ONEDNN_OPTS": "1",
}


@dataclass(frozen=True)
class Command:
    """A subcommand as ``vcf --help`` knows it.

    module
        Where its options are.
    extra
        Of the package, with what it needs.
    environment
        What is set before anything is imported, unless it is set already: TensorFlow reads it only then.
    many_studies
        Whether it sends so many that its memory matters (`vcf_client.memory`).
    """

    module: str
    help: str
    extra: str
    environment: Mapping[str, str] = field(default_factory=dict)
    many_studies: bool = False


COMMANDS: dict[str, Command] = {
    "demo": Command(
        "vcf_cli.options.demo", "analyse a public CT on a server of its own, and write a report", "client,serve"
    ),
    "analyze": Command("vcf_cli.options.analyze", "analyse a CT study on a running server", "client"),
    "compare": Command("vcf_cli.options.compare", "analyse studies on two servers, and show both scores", "client"),
    "gateway": Command(
        "vcf_cli.options.gateway",
        "take studies from a PACS, send report and picture back",
        "gateway",
        many_studies=True,
    ),
    "screen": Command(
        "vcf_cli.options.screen",
        "score every study of an archive once, on one machine or a Ray cluster",
        "screen",
        many_studies=True,
    ),
    "serve": Command("vcf_cli.options.serve", "run the Triton server on this machine", "serve"),
    "bench": Command("vcf_cli.bench", "measure the served system", "client,serve,bench", many_studies=True),
    "doctor": Command("vcf_cli.options.doctor", "say what is on this machine, what is not, and what to do", "serve"),
    "phantom": Command("vcf_cli.options.phantom", "write a synthetic CT with known fractures as DICOM", "client"),
    "train": Command("vcf_cli.options.train", "train the networks", "train", _TRAINING),
    "evaluate": Command(
        "vcf_cli.options.evaluate", "figures of the shipped or other weights on held-out data", "train", _TENSORFLOW
    ),
    "export": Command(
        "vcf_cli.options.export", "turn trained weights into what the server loads", "train,export", _TENSORFLOW
    ),
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(exit_codes.USAGE, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the return value is the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in words if not word.startswith("-")), "")
    command = COMMANDS.get(chosen)
    if argv is None and command and command.many_studies:
        keep_large_blocks()
        keep_large_blocks_of_children()
    show_any_character()
    for name, value in command.environment.items() if command else ():
        os.environ.setdefault(name, value)
    try:
        args = _parser(chosen).parse_args(words)
        refuse_unwritable(args)
        return int(args.run(args) or 0)
    except KeyboardInterrupt as stopped:
        return _fail("interrupted", exit_codes.of(stopped))
    except (VcfError, OSError) as error:
        refused = "study refused: " if isinstance(error, StudyRefused) else ""
        return _fail(f"{refused}{error}", exit_codes.of(error))
    except ModuleNotFoundError as error:
        if not _is_foreign(error.name):
            raise
        extra = COMMANDS[chosen].extra
        return _fail(f"{chosen} needs {error.name}: pip install 'vcf-triton[{extra}]'", exit_codes.SETUP)


def _parser(chosen: str) -> argparse.ArgumentParser:
    about = "Vertebral compression fractures in CT, served by Triton."
    parser = _Parser(prog="vcf", description=about, epilog=exit_codes.MEANING)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers: Any = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        if name == chosen:
            import_module(command.module).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=command.help)
    return parser


def _is_foreign(module: str | None) -> bool:
    """Return whether a module that was not found is another project's; a missing one of ours is a bug."""
    top = (module or "").partition(".")[0]
    return bool(top) and not top.startswith("vcf_")


def _fail(sentence: str, code: int) -> int:
    print(f"vcf: {' '.join(sentence.split())}", file=sys.stderr)
    return code

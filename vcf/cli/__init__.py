# SPDX-License-Identifier: Apache-2.0
"""The ``vcf`` command.

A subcommand is a module with ``add_parser(subparsers)``, which adds one parser and sets its ``run(args) -> int``.
Only the module of the chosen subcommand is imported, so that ``vcf --help`` needs nothing but the standard library.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

from vcf import __version__
from vcf.errors import DeadlineExceeded, ServerFailed, ServerUnavailable, StudyRefused, UsageError, VcfError
from vcf.memory import keep_large_blocks, keep_large_blocks_of_children

EXIT_SETUP, EXIT_REFUSED, EXIT_SERVER, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 3, 64, 130
"""64 is EX_USAGE of sysexits.h; argparse's own 2 would read as a refused study. 130 is the shell's for SIGINT."""


@dataclass(frozen=True)
class Command:
    """Where a subcommand lives, what it does, the extra of the package that it needs, and whether it sends so many
    studies that its memory matters (`vcf.memory`).
    """

    module: str
    help: str
    extra: str
    many_studies: bool = False


COMMANDS: dict[str, Command] = {
    "demo": Command("vcf.cli.demo", "analyse a public CT on a server of its own, and write a report", "client,serve"),
    "analyze": Command("vcf.cli.analyze", "analyse a CT study on a running server", "client"),
    "gateway": Command("vcf.cli.gateway", "take studies from a PACS, send report and picture back", "gateway", True),
    "serve": Command("vcf.cli.serve", "run the Triton server on this machine", "serve"),
    "bench": Command("vcf.cli.bench", "measure the served system", "client,serve,bench", True),
    "phantom": Command("vcf.cli.phantom", "write a synthetic CT with known fractures as DICOM", "client"),
    "train": Command("vcf.cli.train", "train the networks", "train"),
    "evaluate": Command("vcf.cli.evaluate", "figures of the shipped or other weights on held-out data", "train"),
    "export": Command("vcf.cli.export", "turn trained weights into what the server loads", "export"),
}

_EPILOG = f"""exit codes: 0 done, {EXIT_SETUP} something is missing on this machine, {EXIT_REFUSED} study refused,
{EXIT_SERVER} server unreachable, too slow or failed, {EXIT_USAGE} wrong usage"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the return value is the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    chosen = next((word for word in words if not word.startswith("-")), "")
    if argv is None and chosen in COMMANDS and COMMANDS[chosen].many_studies:
        keep_large_blocks()
        keep_large_blocks_of_children()
    try:
        args = _parser(chosen).parse_args(words)
        return int(args.run(args) or 0)
    except KeyboardInterrupt:
        return _fail("interrupted", EXIT_INTERRUPTED)
    except StudyRefused as error:
        return _fail(f"study refused: {error}", EXIT_REFUSED)
    except (ServerUnavailable, ServerFailed, DeadlineExceeded) as error:
        return _fail(str(error), EXIT_SERVER)
    except UsageError as error:
        return _fail(str(error), EXIT_USAGE)
    except (VcfError, OSError) as error:
        return _fail(str(error), EXIT_SETUP)
    except ModuleNotFoundError as error:
        if not _is_foreign(error.name):
            raise
        extra = COMMANDS[chosen].extra
        return _fail(f"{chosen} needs {error.name}: pip install 'vcf-triton[{extra}]'", EXIT_SETUP)


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = _Parser(prog="vcf", description="Vertebral compression fractures in CT, served by Triton.", epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers: Any = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        if name == chosen:
            import_module(command.module).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=command.help)
    return parser


def _is_foreign(module: str | None) -> bool:
    """Whether a module that was not found is another project's; a missing one of ours is a bug."""
    top = (module or "").partition(".")[0]
    return top not in {"", "vcf", "clients", "preprocess", "training", "export", "benchmarks"}


def _fail(sentence: str, code: int) -> int:
    print(f"vcf: {' '.join(sentence.split())}", file=sys.stderr)
    return code

# SPDX-License-Identifier: Apache-2.0
"""Options of each command, apart from the work: nothing here is slow to import.

Each module has ``add_parser(subparsers)``, and names with `Work` the function that is called once the options are read.
"""

import argparse
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Work:
    """A function that takes the options that were read; its module is imported when it is called, not before."""

    module: str
    function: str = "run"

    def __call__(self, args: argparse.Namespace) -> int:
        """Do it; the exit code."""
        return int(getattr(import_module(self.module), self.function)(args))

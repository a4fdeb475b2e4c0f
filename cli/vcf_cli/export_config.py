# SPDX-License-Identifier: Apache-2.0
"""The work of ``vcf export config``, which needs no more than the typed description."""

import argparse
from pathlib import Path

from vcf_contract.errors import SetupError
from vcf_export import config, tuning


def run(args: argparse.Namespace) -> int:
    """Write the configurations, or say which differ."""
    repository: Path = args.repository
    if not args.check:
        print(f"{len(config.write(repository))} files in {repository}")
        if tuned := tuning.refresh(repository):
            print(f"and the forms fitted to this machine: {', '.join(tuned)}")
        return 0
    differing = config.differing(repository)
    differing += [
        f"the form {name!r} is of another contract: run `vcf export config`" for name in tuning.differing(repository)
    ]
    if differing:
        raise SetupError("; ".join(differing))
    print(f"the configurations in {repository} are those that would be generated")
    return 0

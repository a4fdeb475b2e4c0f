# SPDX-License-Identifier: Apache-2.0
"""``vcf doctor``: what is on this machine, what is not, and what to do, as text or JSON."""

import argparse
import json
from dataclasses import asdict

from vcf_cli import exit_codes
from vcf_cli.outputs import STANDARD_OUTPUT, write_json
from vcf_server import doctor
from vcf_server.assets import repository_to_read

MARKS = {doctor.OK: "ok", doctor.MISSING: "NO", doctor.ABSENT: "--"}


def run(args: argparse.Namespace) -> int:
    """Look, and say; fails if something is missing that a server cannot do without."""
    items = doctor.look(repository_to_read(args.repository), args.config, args.host)
    text = json.dumps([asdict(item) for item in items], indent=2, ensure_ascii=False) + "\n"
    if args.json:
        write_json(args.json, text)
    if args.json != STANDARD_OUTPUT:
        for item in items:
            print(f"{MARKS[item.state]}  {item.area:<9}{item.name:<24}{item.found}")
            if item.fix:
                print(f"{'':<13}{item.fix}")
    return exit_codes.SETUP if any(item.state == doctor.MISSING for item in items) else exit_codes.DONE

# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf gateway``."""

from pathlib import Path
from typing import Any

from vcf_cli.options import Work


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "gateway",
        help="take studies from a PACS, send report and picture back",
        description="Take studies from a PACS by C-STORE or DICOMweb, have them analysed by the server, and send a "
        "structured report and a picture back. All settings are in a TOML file; docs/gateway.md explains them.",
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for verb, what, run in (
        ("run", "take studies until told to stop (SIGTERM, Ctrl-C)", "run_gateway"),
        ("check", "look through the settings, and say all that is wrong with them", "check_settings"),
        ("status", "count studies by state, refusals by code", "show_status"),
        ("retry", "give studies that failed another chance; stop the gateway first", "retry_failed"),
    ):
        one = verbs.add_parser(verb, help=what, description=what[0].upper() + what[1:] + ".")
        one.add_argument("--config", type=Path, required=True, metavar="FILE", help="settings (TOML)")
        one.set_defaults(run=Work("vcf_cli.gateway", run))
        if verb == "status":
            one.add_argument("--json", action="store_true", help="as JSON on standard output")

# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf screen``."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vcf_cli.options import Work
from vcf_cli.options.connection import add_connection
from vcf_cli.options.studies import add_age_policy
from vcf_cli.options.types import count, positive

RUN, VERBS = "run", ("run", "plan", "summary", "compare")
_MODULE = "vcf_cli.screen"


def add_parser(subparsers: Any) -> None:
    """Register the subcommand; without a verb it runs."""
    parser = subparsers.add_parser(
        "screen",
        help="score every study of an archive once, on one machine or a Ray cluster",
        description="Score every study of an archive once for the weights that serve. The same command goes on where "
        "it was; docs/screening.md explains it. `vcf screen SOURCE --out DIR` is short for `vcf screen run …`.",
    )
    _without_verb(parser)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    _add_run(verbs)
    _add_plan(verbs)
    _add_summary(verbs)
    _add_compare(verbs)


def _without_verb(parser: argparse.ArgumentParser) -> None:
    """Have a command line whose first word is no verb run."""
    parse = parser.parse_known_args

    def parse_with_verb(args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        words = list(args or ())
        if words and words[0] not in (*VERBS, "-h", "--help"):
            words.insert(0, RUN)
        return parse(words, namespace)

    parser.parse_known_args = parse_with_verb  # type: ignore[method-assign, assignment]


def _add_run(verbs: Any) -> None:
    parser = verbs.add_parser(
        RUN,
        help="screen a source (the default verb)",
        description="Screen every study of a source that has no row for the servers' weights yet.",
        epilog="exit codes: 0 every study has its row, 3 some failed (DIR/failed) or no server answers, 64 wrong usage",
    )
    _add_source(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the result; made if need be")
    parser.add_argument(
        "--list-anew", action="store_true", help="look for studies again; otherwise the list of the first run is kept"
    )
    parser.add_argument(
        "--window", metavar="HH:MM-HH:MM", help="begin studies only in these hours, such as 20:00-06:00"
    )
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="Ray cluster, HOST:PORT or ray://HOST:PORT (default: this machine alone)"
    )
    parser.add_argument(
        "--ray-resource", default="", metavar="NAME", help="work only on nodes that have this custom resource"
    )
    parser.add_argument(
        "--workers", type=count, metavar="N", help="processors of this machine to use without --ray (default: all)"
    )
    parser.add_argument(
        "--at-once",
        type=count,
        default=2,
        metavar="N",
        help="studies in flight for each processor (default %(default)s)",
    )
    parser.add_argument(
        "--tries",
        type=count,
        default=5,
        metavar="N",
        help="attempts at a study that fails before it is given up for this run (default %(default)s)",
    )
    add_age_policy(parser)
    parser.add_argument(
        "--transport",
        choices=("auto", "shm", "crop", "volume"),
        default="auto",
        help="how studies get to the servers, as of `vcf analyze` (default %(default)s)",
    )
    parser.add_argument(
        "--pictures",
        choices=("none", "positive", "all"),
        default="none",
        help="of which studies the mid-sagittal picture is kept in DIR/pictures (default %(default)s)",
    )
    parser.add_argument("--sr", default="", metavar="URL", help="send structured reports to this DICOMweb service")
    parser.add_argument(
        "--reference", type=Path, metavar="DIR", help="another screening; the summary shows drift from it"
    )
    add_connection(parser)
    parser.set_defaults(run=Work(_MODULE, "run_screening"))


def _add_plan(verbs: Any) -> None:
    parser = verbs.add_parser(
        "plan",
        help="list the studies of a source, and estimate hours and cost",
        description="Write the manifest of a source, count its studies, and estimate hours and cost from a measured "
        "rate: that of an earlier screening, or one that is given.",
    )
    _add_source(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="manifest to write (.parquet); not needed of a manifest"
    )
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument("--rate-from", type=Path, metavar="DIR", help="a screening whose rate is taken, such as a trial")
    rate.add_argument("--rate", type=positive, metavar="N", help="studies a second that one server answers")
    parser.add_argument("--servers", type=count, default=1, metavar="N", help="that will work (default %(default)s)")
    parser.add_argument("--window", metavar="HH:MM-HH:MM", help="hours in which studies are begun")
    parser.add_argument("--cost", type=positive, metavar="X", help="of a server for an hour, in any currency")
    parser.set_defaults(run=Work(_MODULE, "run_plan"))


def _add_summary(verbs: Any) -> None:
    parser = verbs.add_parser(
        "summary",
        help="write DIR/summary.html of what is there by now",
        description="Write DIR/summary.html: counts, refusals, scores, rates, where time goes, the highest studies, "
        "and drift against another screening. A run writes it at its end.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `vcf screen` writes to")
    parser.add_argument("--reference", type=Path, metavar="DIR", help="another screening to compare with")
    parser.set_defaults(run=Work(_MODULE, "run_summary"))


def _add_compare(verbs: Any) -> None:
    parser = verbs.add_parser(
        "compare",
        help="which studies changed sides with new weights",
        description="Compare the rows of two weights in one screening: who changed sides, and how far scores moved.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `vcf screen` writes to")
    parser.add_argument(
        "--old", metavar="HASH", help="beginning of the weights' hash (default: the one before the last)"
    )
    parser.add_argument("--new", metavar="HASH", help="the same (default: the last)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all changes as JSON")
    parser.set_defaults(run=Work(_MODULE, "run_compare"))


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="folder tree; manifest (.csv or .parquet with the columns id and location); http(s):// address of a "
        "DICOMweb service; s3://, gs:// or another address that fsspec knows",
    )
    web = parser.add_argument_group("DICOMweb source")
    web.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="KEYWORD=VALUE",
        help="of the search, such as StudyDate=20150101-20191231 (default ModalitiesInStudy=CT)",
    )
    web.add_argument("--requests-per-s", type=positive, metavar="N", help="at most, by all workers together")
    web.add_argument("--token-file", default="", metavar="FILE", help="bearer token, read anew for each request")
    web.add_argument("--ca-file", default="", metavar="PEM", help="certificate authority of the service")
    store = parser.add_argument_group("object store")
    store.add_argument(
        "--storage",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="option of its fsspec file system, such as endpoint_url=http://minio:9000; credentials come from the "
        "environment",
    )
    parser.set_defaults(usage_error=parser.error)

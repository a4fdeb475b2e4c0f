# SPDX-License-Identifier: Apache-2.0
"""Options of ``vcf train``."""

import os
from pathlib import Path
from typing import Any

from vcf_cli.options import Work
from vcf_training.architecture import MEMBERS, USUAL_MEMBERS

WHAT = ("detector", "member", "threshold", "all", "search", "ablation")
LOCAL_RAY = "local"


def add_parser(subparsers: Any) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "train",
        help="train the networks",
        description="Train the detector and the members, and fix the threshold. Without --data all fractures are "
        "synthetic.",
        epilog="Afterwards `vcf export all --weights DIR --out REPOSITORY` writes what the server loads.",
    )
    parser.add_argument(
        "what",
        choices=WHAT,
        help="all is the first three, in this order; search trains a pool of candidates and makes the best ensemble of"
        " them the members; ablation compares the paper's variants",
    )
    parser.add_argument(
        "--member",
        action="append",
        choices=MEMBERS,
        help="train only this member, so that several machines can share the work",
    )
    parser.add_argument(
        "--members",
        type=int,
        nargs="+",
        choices=range(1, len(MEMBERS) + 1),
        default=[USUAL_MEMBERS],
        metavar="N",
        help=f"how many members an ensemble has, 1 to {len(MEMBERS)} (default {USUAL_MEMBERS}); search tries each size"
        " that is given",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="members that train in parallel, each in a process of its own with its share of the cores (default: all;"
        " on a GPU one after another)",
    )
    parser.add_argument("--preset", choices=("cpu", "paper", "ship", "tiny"), default="cpu", help="default %(default)s")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of weights and manifest.json")
    parser.add_argument(
        "--seed", type=int, default=0, help="of weights, batches and augmentation (default %(default)s)"
    )
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="PATH",
        help="annotated CTs to learn from, see docs/training.md: a folder in a layout of VerSe, a CSV beside DICOM or "
        "NIfTI, or phantoms of `vcf phantom`; may be given more than once. 80 %% of the patients train, 10 %% tune",
    )
    parser.add_argument("--format", choices=("verse", "csv", "phantom"), help="of --data (default: found out)")
    parser.add_argument("--grades", type=Path, metavar="FILE", help="VerSe's table of grades, if not in its folder")
    parser.add_argument(
        "--leave-out-broken",
        action="store_true",
        help="go on without studies whose annotation does not fit; otherwise they are listed and nothing is trained",
    )
    parser.add_argument("--with-synthetic", action="store_true", help="phantoms and deformed CTs beside --data")
    parser.add_argument(
        "--canals",
        type=Path,
        default=os.environ.get("VCF_SHARED_DATA"),
        metavar="DIR",
        help="folder of real CTs whose canals this project annotated (default: $VCF_SHARED_DATA, else public packages)",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="train anew what is finished or begun in DIR; otherwise the same command goes on where it was stopped",
    )
    parser.add_argument("--start", type=Path, metavar="DIR", help="weights that members go on from, e.g. on own data")
    parser.add_argument(
        "--variant", metavar="NAME", help="of member: another of the paper's architectures, see docs/training.md"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="of each member or candidate, in place of the preset's")
    parser.add_argument(
        "--overlap",
        type=float,
        metavar="SHARE",
        help="how much of its height a patch shares with the next where the weights are served: 0 for the fewest "
        "patches, 0.5 for twice as many (default: the preset's). Half of what trains is cut so, and all that tunes",
    )
    parser.add_argument("--candidates", type=int, metavar="N", help="of search: only the first N of the pool")
    parser.add_argument(
        "--ray",
        nargs="?",
        const=LOCAL_RAY,
        metavar="ADDRESS",
        help="of search and ablation: train candidates in parallel on a Ray cluster; without ADDRESS on this machine",
    )
    parser.add_argument("--test", type=int, default=0, metavar="N", help="then evaluate on N held-out phantoms")
    parser.set_defaults(run=Work("vcf_cli.train"))

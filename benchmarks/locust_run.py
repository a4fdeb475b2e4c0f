# SPDX-License-Identifier: Apache-2.0
"""``vcf bench locust``: a hospital's hours, compressed, by `benchmarks/locustfile.py` without its web page."""

import argparse
from typing import TYPE_CHECKING, Any

from benchmarks import profiles, served

if TYPE_CHECKING:
    from benchmarks.result import Result

PACE_MARGIN_S = 600.0
"""More than studies, references and the last answers take."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--server", metavar="ADDRESS", help="a running server; by default one is started and stopped")
    parser.add_argument("--wire", choices=served.WIRES, default="auto", help="default %(default)s")
    parser.add_argument("--profile", choices=list(profiles.PROFILES), default="day", help="default %(default)s")
    parser.add_argument("--minutes", type=float, default=5, help="the profile's hours in so many, default %(default)s")
    parser.add_argument(
        "--capacity", type=float, metavar="R", help="studies a second that count as 1; by default a short closed loop"
    )
    parser.add_argument("--seed", type=int, default=1, help="of arrivals and studies, default %(default)s")


def run(args: argparse.Namespace) -> "Result":
    """Run locust in a process of its own, for gevent changes much of Python; then read its calls."""
    from benchmarks.locust_page import fill
    from benchmarks.result import Result
    from vcf.errors import UsageError

    for name in ("minutes", "capacity"):
        if getattr(args, name) is not None and not getattr(args, name) > 0:
            raise UsageError(f"--{name} is {getattr(args, name)}, it must be greater than 0")
    profile = profiles.PROFILES[args.profile]
    result = Result("locust", {})
    with served.served(args.server) as server:
        capacity = args.capacity or _capacity(server.address, args.wire, args.seed)
        result.settings = {
            "server": "given" if args.server else "own",
            "wire": args.wire,
            "profile": args.profile,
            "minutes": args.minutes,
            "hours": profile.hours,
            "compression": round(profile.hours * 60 / args.minutes, 2),
            "capacity_per_s": round(capacity, 4),
            "capacity_from": "given" if args.capacity else "closed loop",
            "seed": args.seed,
        }
        with server.watch() as watch:
            calls = headless(server.address, args.profile, args.minutes, capacity, args.wire, args.seed)
    fill(result, profile, calls, args.minutes, capacity)
    result.broken = [*served.broken(watch, [call["failure"] for call in calls]), *result.broken]
    return result


def headless(
    address: str, profile: str, minutes: float, capacity_per_s: float, wire: str = "auto", seed: int = 1
) -> list[dict[str, Any]]:
    """Every call of a run without the web page: ``size``, ``failure``, ``due_s``, ``sent_s``, ``done_s``.

    Raises
    ------
    vcf.errors.SetupError
        If locust ended without any.
    """
    import json
    import subprocess
    import sys
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from vcf.errors import SetupError

    file = Path(__file__).with_name("locustfile.py")
    with TemporaryDirectory(prefix="vcf-locust-") as folder:
        calls = Path(folder) / "calls.json"
        options = {
            "--host": address,
            "--hospital": profile,
            "--minutes": minutes,
            "--capacity": capacity_per_s,
            "--wire": wire,
            "--seed": seed,
            "--calls": calls,
        }
        command = [sys.executable, "-m", "locust", "-f", str(file), "--headless", "--only-summary"]
        command += [str(part) for option in options.items() for part in option]
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=minutes * 60 + PACE_MARGIN_S, cwd=file.parents[1]
        )
        # 1 says that some calls failed, which their own entries tell better.
        if ended.returncode not in (0, 1) or not calls.exists():
            last = (ended.stderr.strip().splitlines() or ["nothing said"])[-1]
            raise SetupError(f"locust ended with status {ended.returncode}: {last}")
        found: list[dict[str, Any]] = json.loads(calls.read_text("utf-8"))
    if not found:
        raise SetupError(f"no study came in {minutes:g} minutes at {capacity_per_s:.3g} studies/s; give it longer")
    return sorted(found, key=lambda call: float(call["due_s"]))


def _capacity(address: str, wire: str, seed: int) -> float:
    import asyncio

    from benchmarks.open_loop import closed_loop, rate_per_s
    from benchmarks.reference import library
    from clients import AsyncVcfClient

    studies = library(profiles.CHEST.slices, 1, profiles.CHEST.height_mm)

    async def measure() -> float:
        async with AsyncVcfClient(address, wire=wire) as client:

            async def ask(number: int) -> None:
                await client.analyze(studies[0])

            await closed_loop(ask, 2, 2.0)
            return rate_per_s(await closed_loop(ask, 2, 10.0))

    return asyncio.run(measure())

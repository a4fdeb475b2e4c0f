# SPDX-License-Identifier: Apache-2.0
"""The run of ``vcf bench locust``: a hospital's hours, compressed, by `locust/locustfile.py` without its web page."""

import argparse
import asyncio
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vcf_benchmarks.harness import options, profiles
from vcf_benchmarks.harness.closed_loop import Loop, closed_loop_async
from vcf_benchmarks.harness.result import Result
from vcf_benchmarks.harness.served import broken, served
from vcf_benchmarks.harness.studies import library
from vcf_benchmarks.locust.figures import add_figures
from vcf_client import AsyncVcfClient
from vcf_contract.errors import SetupError

PACE_MARGIN_S = 600.0
"""More than studies, references and the last answers take."""
CALLERS, WARM_UP_S, LOOP_S = 2, 2.0, 10.0
"""The closed loop that finds the highest rate."""


def run(args: argparse.Namespace) -> Result:
    """Run locust in a process of its own, for gevent changes much of Python; then read its calls."""
    options.positive(args, "minutes", "capacity")
    profile = profiles.PROFILES[args.profile]
    result = Result("locust", {})
    with served(args.server) as server:
        capacity = args.capacity or _capacity(server.address, args.transport)
        result.settings = {
            "server": "given" if args.server else "own",
            "transport": args.transport,
            "profile": args.profile,
            "minutes": args.minutes,
            "hours": profile.hours,
            "compression": round(profile.hours * 60 / args.minutes, 2),
            "capacity_per_s": round(capacity, 4),
            "capacity_from": "given" if args.capacity else "closed loop",
            "seed": args.seed,
        }
        with server.watch() as watch:
            calls = headless(server.address, args.profile, args.minutes, capacity, args.transport, args.seed)
    add_figures(result, profile, calls, args.minutes, capacity)
    result.broken = [*broken(watch, [call["failure"] for call in calls]), *result.broken]
    return result


def headless(
    address: str, profile: str, minutes: float, capacity_per_s: float, transport: str = "auto", seed: int = 1
) -> list[dict[str, Any]]:
    """Run locust without the web page, and return every call: ``size``, ``failure``, ``due_s``, ``sent_s``, ``done_s``.

    Raises
    ------
    vcf_contract.errors.SetupError
        If locust ended without any.
    """
    file = Path(__file__).with_name("locustfile.py")
    with TemporaryDirectory(prefix="vcf-locust-") as folder:
        calls = Path(folder) / "calls.json"
        asked = {
            "--host": address,
            "--hospital": profile,
            "--minutes": minutes,
            "--capacity": capacity_per_s,
            "--transport": transport,
            "--seed": seed,
            "--calls": calls,
        }
        command = [sys.executable, "-m", "locust", "-f", str(file), "--headless", "--only-summary"]
        command += [str(part) for option in asked.items() for part in option]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=minutes * 60 + PACE_MARGIN_S)
        # 1 says that some calls failed, which their own entries tell better.
        if ended.returncode not in (0, 1) or not calls.exists():
            last = (ended.stderr.strip().splitlines() or ["nothing said"])[-1]
            raise SetupError(f"locust ended with status {ended.returncode}: {last}")
        found: list[dict[str, Any]] = json.loads(calls.read_text("utf-8"))
    if not found:
        raise SetupError(f"no study came in {minutes:g} minutes at {capacity_per_s:.3g} studies/s; give it longer")
    return sorted(found, key=lambda call: float(call["due_s"]))


def _capacity(address: str, transport: str) -> float:
    (study,) = library(profiles.CHEST.slices, 1, profiles.CHEST.height_mm)

    async def measure() -> float:
        async with AsyncVcfClient(address, transport=transport) as client:

            async def ask(number: int) -> None:
                await client.analyze(study)

            await closed_loop_async(ask, CALLERS, WARM_UP_S)
            return Loop.of((await closed_loop_async(ask, CALLERS, LOOP_S)).calls, CALLERS, LOOP_S).per_s

    return asyncio.run(measure())

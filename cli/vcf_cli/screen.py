# SPDX-License-Identifier: Apache-2.0
"""``vcf screen``: an archive to a dataset of scores."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from vcf_cli import exit_codes
from vcf_cli.options.connection import DEFAULT_SERVER
from vcf_client import ApiKey, Security
from vcf_contract.errors import SetupError, UsageError
from vcf_screening import cluster, manifest, summary
from vcf_screening.compare import chosen, compare
from vcf_screening.dataset import STUDIES
from vcf_screening.estimate import estimate, measured_rate
from vcf_screening.rate import Rate, described, in_words
from vcf_screening.run import Plan
from vcf_screening.run import Progress as Done
from vcf_screening.screening import Source, screen
from vcf_screening.web_studies import DEFAULT_FILTERS, Access
from vcf_screening.window import Window
from vcf_screening.work import Settings

_SHOWN = 20
_LINE_EVERY_S = 60.0
"""Without a terminal, a line of progress so often."""


def run_screening(args: argparse.Namespace) -> int:
    """Screen, tell how far it is, write the summary."""
    api_key = ApiKey.read(args.api_key_file) if args.api_key_file else None
    settings = Settings(
        servers=tuple(args.server or [DEFAULT_SERVER]),
        secret=b"",
        deadline_s=args.deadline,
        transport=args.transport,
        attempts=args.attempts,
        security=Security(args.tls_ca, args.tls_cert, args.tls_key, api_key),
        age_policy=args.age_policy,
        pictures=args.pictures,
        report_url=args.sr,
    )
    plan = Plan(at_once=args.at_once, resource=args.ray_resource, max_attempts=args.tries, window=_window(args.window))
    with _telling() as tell:
        done = screen(
            source_of(args),
            args.out,
            settings,
            plan,
            ray_address=args.ray or cluster.LOCAL,
            workers=args.workers,
            list_anew=args.list_anew,
            tell=tell,
        )
    page = summary.write(args.out, args.reference) if done.before + done.answered else None
    print(
        f"{done.total} studies: {done.before} had a row before, {done.analysed} analysed ({done.positive} positive), "
        f"{done.refused} refused, {done.failed} failed"
    )
    if page:
        print(page)
    return exit_codes.SERVER if done.failed else exit_codes.DONE


def run_plan(args: argparse.Namespace) -> int:
    """List, count, estimate."""
    source = source_of(args)
    if source.is_manifest:
        studies = sum(1 for _ in source.entries())
    elif args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        studies = manifest.write(source.entries(), args.out)
    else:
        raise UsageError("--out is missing; the manifest of this source is written there")
    print(f"{studies} studies")
    rate = measured_rate(args.rate_from) if args.rate_from else args.rate
    if rate is None:
        print("no estimate without a measured rate: give --rate-from DIR of a trial, or --rate")
        return exit_codes.DONE
    found = estimate(studies, rate, args.servers, _window(args.window), args.cost)
    print(f"{found.per_s:.2f} studies a second with {args.servers} servers: {in_words(3600 * found.hours)} of work")
    if args.window:
        print(f"{found.days:.1f} days at {args.window}")
    if found.cost is not None:
        print(f"cost {found.cost:.2f}, of servers alone")
    return exit_codes.DONE


def run_summary(args: argparse.Namespace) -> int:
    """Write the page."""
    print(summary.write(args.folder, args.reference))
    return exit_codes.DONE


def run_compare(args: argparse.Namespace) -> int:
    """Print who changed sides; the whole list goes to a file."""
    if not any((args.folder / STUDIES).glob("part-*.parquet")):
        raise SetupError(f"there is no row in {args.folder}/{STUDIES} yet")
    found = compare(args.folder, *chosen(args.folder, args.old, args.new))
    print(f"{found.old[:12]} → {found.new[:12]}")
    for (was, now), count in sorted(found.table.items(), key=lambda each: -each[1]):
        print(f"{count:>9}  {was} → {now}" if was != now else f"{count:>9}  {was}")
    print(f"score changed by {found.mean_change:+.4f} on average, by {found.mean_absolute_change:.4f} either way")
    print(f"{found.only_old} studies have a row of the old weights alone, {found.only_new} of the new")
    for each in found.changed[:_SHOWN]:
        print(f"{each['study']}  {_score(each['old_score'])} {each['was']} → {_score(each['new_score'])} {each['now']}")
    if len(found.changed) > _SHOWN:
        print(f"… and {len(found.changed) - _SHOWN} more; --json writes all")
    if args.json:
        document = {
            "old": found.old,
            "new": found.new,
            "studies": [{"was": was, "now": now, "count": count} for (was, now), count in found.table.items()],
            "changed": found.changed,
        }
        args.json.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    return exit_codes.DONE


def _score(score: float | None) -> str:
    return "  –  " if score is None else f"{score:.3f}"


def source_of(args: argparse.Namespace) -> Source:
    """The source that the options describe."""
    return Source(
        args.source,
        filters=dict(_pairs("--filter", args.filter)) or DEFAULT_FILTERS,
        access=Access(args.token_file, args.ca_file),
        requests_per_s=args.requests_per_s,
        storage=tuple((name, _value(text)) for name, text in _pairs("--storage", args.storage)),
    )


def _pairs(option: str, texts: list[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} is {text!r}; NAME=VALUE is accepted")
        yield name, value


def _value(text: str) -> Any:
    return {"true": True, "false": False}.get(text.lower(), text)


def _window(text: str | None) -> Window | None:
    try:
        return Window.parse(text) if text else None
    except ValueError as error:
        raise UsageError(f"--window is {error}") from None


@contextmanager
def _telling() -> Iterator[Callable[[Done], None]]:
    """Show progress on standard error: a bar on a terminal, otherwise a line a minute."""
    console = Console(file=sys.stderr)
    rate, last_s = Rate(), 0.0
    columns = (BarColumn(), TextColumn("{task.completed} of {task.total}"), TextColumn("{task.fields[words]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("studies", total=None, words="")

        def tell(done: Done) -> None:
            nonlocal last_s
            rate.note(done.answered + done.failed)
            words = described(done, rate)
            bars.update(task, total=done.total, completed=done.before + done.answered + done.failed, words=words)
            if not console.is_terminal and time.monotonic() - last_s > _LINE_EVERY_S:
                last_s = time.monotonic()
                print(f"{done.before + done.answered + done.failed} of {done.total} studies, {words}", file=sys.stderr)

        yield tell

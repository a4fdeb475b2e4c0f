# SPDX-License-Identifier: Apache-2.0
"""The page of ``vcf bench loadgen``."""

from collections.abc import Mapping
from typing import Any

from vcf_benchmarks.harness.distribution import decoded
from vcf_benchmarks.harness.page import GREEN, GREY, RED, Document, Section, axes_of, svg
from vcf_benchmarks.loadgen.scenarios import NOTICE, OFFLINE, SERVER, SINGLE_STREAM

Test = Mapping[str, Any]


def sections(document: Document) -> list[Section]:
    """Return the sections of the page."""
    return [_scenarios(document), _search(document), _verdicts(document)]


def _queries(document: Document, test: Test) -> int:
    return int(decoded(document["histograms"][test["name"]]).get_total_count())


def _scenarios(document: Document) -> Section:
    figures, settings = document["figures"], document["settings"]
    (single,) = (test for test in figures["tests"] if test["name"] == SINGLE_STREAM)
    rate, bound = figures["server_per_s"], figures["server_bound_ms"]
    found = "none" if rate is None else f"{rate:.3g} studies/s"
    confirmed = "confirmed" if figures["server_confirmed_by_early_stopping"] else "not confirmed"
    if not settings["confirm"]:
        confirmed += ": --quick"
    stated = single["early_stopping_ms"]

    def right(scenario: str) -> str:
        accuracy = figures["accuracy"][scenario]
        return f"{accuracy['answers'] - accuracy['wrong']} of {accuracy['answers']}"

    return Section(
        "LoadGen scenarios",
        f"{NOTICE} Here: {settings['min_duration_s']:g} s and {settings['queries']} queries a test. Right answers: "
        "those of accuracy mode, read from LoadGen's log; every answer of the other tests is checked too.",
        header=("scenario", "result", "early stopping, 99 % confidence", "right answers"),
        rows=[
            [
                SINGLE_STREAM,
                f"p90 {figures['single_stream_p90_ms']:.0f} ms",
                "–" if stated is None else f"p90 at most {stated:.0f} ms",
                right(SINGLE_STREAM),
            ],
            [SERVER, f"{found} with p99 ≤ {bound:.0f} ms", confirmed, right(SERVER)],
            [OFFLINE, f"{figures['offline_per_s']:.3g} studies/s", "–", right(OFFLINE)],
        ],
    )


def _search(document: Document) -> Section:
    figures = document["figures"]
    bound = figures["server_bound_ms"]
    figure, axes = axes_of(8.2, 3.6)
    for test in figures["tests"]:
        if test["scenario"] != SERVER:
            continue
        rate, p99, queries = (
            test["settings"]["server_target_qps"],
            test["percentiles_ms"]["99"],
            _queries(document, test),
        )
        keeps = p99 <= bound
        axes.plot(rate, p99, "o" if keeps else "x", color=GREEN if keeps else RED, ms=5 + queries**0.5 / 4)
        axes.annotate(f"n = {queries}", (rate, p99), textcoords="offset points", xytext=(7, 4), fontsize="x-small")
    axes.axhline(bound, color=GREY, ls="--", lw=1, label=f"bound, {bound:.0f} ms")
    axes.axvline(figures["offline_per_s"], color=GREY, ls=":", lw=1, label="Offline, studies/s")
    axes.set(xlabel="studies a second, Poisson arrivals", ylabel="p99, ms", yscale="log", xlim=(0, None))
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(fontsize="small")
    return Section(
        "Search for the highest rate",
        "Server scenario: bisection between 0 and the rate of Offline. Green keeps the bound.",
        svg(figure),
    )


def _verdicts(document: Document) -> Section:
    return Section(
        "Each test",
        "Latency in ms from the time that LoadGen scheduled, and LoadGen's own verdict. In the search an invalid test "
        "is an answer: the rate is too high, or the test too short for early stopping.",
        header=("test", "n", "p50", "p90", "p99", "LoadGen", "early stopping"),
        rows=[
            [
                test["name"],
                _queries(document, test),
                *(test["percentiles_ms"].get(percent) for percent in ("50", "90", "99")),
                "valid" if test["valid"] else "invalid",
                " ".join(test["early_stopping"]),
            ]
            for test in document["figures"]["tests"]
        ],
    )

# SPDX-License-Identifier: Apache-2.0
"""LoadGen's scenarios as figures and as a picture."""

from matplotlib.figure import Figure

from benchmarks.distribution import encoded
from benchmarks.loadgen_measure import Measured, Plan, summary
from benchmarks.loadgen_system import OFFLINE, SERVER, SINGLE_STREAM, Trial
from benchmarks.page import Cell, Section, svg
from benchmarks.result import Result

NOTICE = (
    "LoadGen scenarios, driven by MLPerf's LoadGen. This is not an MLPerf result: models and data are this project's "
    "own, and the tests are shorter than the 600 s and more that MLPerf's rules ask for."
)


def fill(result: Result, measured: Measured, plan: Plan, logs: str) -> None:
    """Figures, histograms and sections."""
    result.figures = {
        "notice": NOTICE,
        "logs": logs,
        "single_stream_p90_ms": round(summary(measured.single_stream).headline, 3),
        "offline_per_s": round(summary(measured.offline).headline, 4),
        "server_bound_ms": round(measured.bound_ms, 3),
        "server_per_s": None if measured.server_per_s is None else round(measured.server_per_s, 4),
        "server_confirmed_by_early_stopping": measured.confirmed,
        "accuracy": {
            scenario: {"answers": answers, "wrong": wrong} for scenario, (answers, wrong) in measured.accuracy.items()
        },
        "tests": [
            {"name": name, "settings": trial.settings, **summary(trial).entry()} for name, trial in _trials(measured)
        ],
    }
    result.histograms = {name: encoded(trial.latencies_ms) for name, trial in _trials(measured)}
    result.sections = [_scenarios(measured, plan), _search(measured), _verdicts(measured)]


def _trials(measured: Measured) -> list[tuple[str, Trial]]:
    return [
        (SINGLE_STREAM, measured.single_stream),
        (OFFLINE, measured.offline),
        *((f"{SERVER} {number}, {rate:.3g}/s", trial) for number, (rate, trial) in enumerate(measured.server)),
    ]


def _scenarios(measured: Measured, plan: Plan) -> Section:
    single, offline = summary(measured.single_stream), summary(measured.offline)
    found = "none" if measured.server_per_s is None else f"{measured.server_per_s:.3g} studies/s"
    confirmed = "confirmed" if measured.confirmed else "not confirmed" if plan.confirm else "not confirmed: --quick"
    stated = "–" if single.early_stopping_ms is None else f"p90 at most {single.early_stopping_ms:.0f} ms"

    def accuracy(scenario: str) -> str:
        answers, wrong = measured.accuracy[scenario]
        return f"{answers - wrong} of {answers}"

    return Section(
        "LoadGen scenarios",
        f"{NOTICE} Here: {plan.min_duration_s:g} s and {plan.queries} queries a test. Right answers: those of accuracy "
        "mode, read from LoadGen's log; every answer of the other tests is checked too.",
        header=("scenario", "result", "early stopping, 99 % confidence", "right answers"),
        rows=[
            [SINGLE_STREAM, f"p90 {single.headline:.0f} ms", stated, accuracy(SINGLE_STREAM)],
            [SERVER, f"{found} with p99 ≤ {measured.bound_ms:.0f} ms", confirmed, accuracy(SERVER)],
            [OFFLINE, f"{offline.headline:.3g} studies/s", "–", accuracy(OFFLINE)],
        ],
    )


def _search(measured: Measured) -> Section:
    figure = Figure(figsize=(8.2, 3.6))
    axes = figure.add_subplot()
    for rate, trial in measured.server:
        p99 = summary(trial).percentiles_ms["99"]
        keeps = p99 <= measured.bound_ms
        queries = len(trial.latencies_ms)
        axes.plot(rate, p99, "o" if keeps else "x", color="#0a6b2d" if keeps else "#a11616", ms=5 + queries**0.5 / 4)
        axes.annotate(f"n = {queries}", (rate, p99), textcoords="offset points", xytext=(7, 4), fontsize="x-small")
    axes.axhline(measured.bound_ms, color="#555", ls="--", lw=1, label=f"bound, {measured.bound_ms:.0f} ms")
    axes.axvline(summary(measured.offline).headline, color="#555", ls=":", lw=1, label="Offline, studies/s")
    axes.set(xlabel="studies a second, Poisson arrivals", ylabel="p99, ms", yscale="log", xlim=(0, None))
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(fontsize="small")
    return Section(
        "Search for the highest rate",
        "Server scenario: bisection between 0 and the rate of Offline. Green keeps the bound.",
        svg(figure),
    )


def _verdicts(measured: Measured) -> Section:
    rows: list[list[Cell]] = []
    for name, trial in _trials(measured):
        found = summary(trial)
        rows.append(
            [
                name,
                len(trial.latencies_ms),
                *(found.percentiles_ms.get(percent) for percent in ("50", "90", "99")),
                "valid" if found.valid else "invalid",
                " ".join(found.early_stopping),
            ]
        )
    return Section(
        "Each test",
        "Latency in ms from the time that LoadGen scheduled, and LoadGen's own verdict. In the search an invalid test "
        "is an answer: the rate is too high, or the test too short for early stopping.",
        header=("test", "n", "p50", "p90", "p99", "LoadGen", "early stopping"),
        rows=rows,
    )

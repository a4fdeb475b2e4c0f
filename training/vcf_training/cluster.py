# SPDX-License-Identifier: Apache-2.0
"""Candidates trained in parallel on a Ray cluster."""

import logging
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf

from vcf_contract.errors import SetupError
from vcf_training.candidates import Outcome, train_candidate
from vcf_training.search import Candidate
from vcf_training.studies import Studies

LOCAL = "local"
"""Stands for an address: a cluster of this machine's processors, for the time of the search."""


def train_on_ray(
    candidates: Sequence[Candidate],
    out: Path,
    training: Studies,
    tuning: Studies,
    *,
    address: str = LOCAL,
    workers: int | None = None,
    done: Callable[[Outcome], None] = lambda _: None,
) -> list[Outcome]:
    """Train all candidates, one a processor; the studies travel through Ray's object store.

    ``out`` has to be a folder that all machines of the cluster see, and the project has to be installed on them:
    results and checkpoints are written by the workers, so that a search goes on after machines were lost. ``workers``
    limits a local cluster. ``done`` is called as candidates finish; the result has the order of ``candidates``.

    Raises
    ------
    SetupError
        Ray is not installed, or no cluster answers at the address.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when Ray starts
    try:
        import ray  # noqa: PLC0415 - an extra of its own

        from vcf_screening.cluster import expect_answer  # noqa: PLC0415 - it imports Ray
    except ModuleNotFoundError:
        raise SetupError("--ray needs Ray: install the project with its extra `cluster`") from None
    quiet = {"log_to_driver": False, "logging_level": logging.WARNING}
    try:
        if address == LOCAL:
            # A secret of this run; Ray would otherwise keep one in the user's home folder.
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
            ray.init(address=LOCAL, num_cpus=workers, include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
        else:
            expect_answer(address)
            ray.init(address=address, **quiet)
    except (OSError, RuntimeError) as error:
        raise SetupError(f"no Ray cluster at {address}: {error}") from None
    try:
        train = ray.remote(num_cpus=1, max_retries=2)(_train)
        shared = ray.put(training), ray.put(tuning)
        running = {train.remote(c, out.resolve(), *shared): number for number, c in enumerate(candidates)}
        outcomes: dict[int, Outcome] = {}
        while running:
            (finished,), _ = ray.wait(list(running), num_returns=1)
            outcome: Outcome = ray.get(finished)
            outcomes[running.pop(finished)] = outcome
            done(outcome)
    finally:
        ray.shutdown()
    return [outcomes[number] for number in range(len(candidates))]


def _train(candidate: Candidate, out: Path, training: Studies, tuning: Studies) -> Outcome:
    """Train one candidate in a worker. Its processor is one of several at work, and further threads would only wait
    for each other."""
    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    return train_candidate(candidate, out, training, tuning)

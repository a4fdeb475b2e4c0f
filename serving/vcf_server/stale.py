# SPDX-License-Identifier: Apache-2.0
"""Tell what to do with TensorRT plans that do not fit this machine or these weights, before a server starts.

In NVIDIA's container `vcf_server.container` asks for it. Nothing can be rebuilt there, for the image holds no exporter
and the repository is mounted read-only.
"""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from vcf_contract.errors import SetupError
from vcf_server import passport, repository
from vcf_server.passport import Host, this_host

POLICIES = ("refuse", "rebuild", "onnx")
REFUSE, REBUILD, ONNX = POLICIES
CONTAINER_POLICIES = (REFUSE, ONNX)
Log = Callable[[str], None]
Build = Callable[[Path, Collection[str], Host], Iterable[Path]]
"""Builds the plans of the named networks of a repository for a host, and yields each one's path."""


def settle(
    models: Path,
    config_name: str,
    policy: str = REFUSE,
    *,
    fallback: str = "cpu",
    host: Host | None = None,
    build: Build | None = None,
    log: Log = lambda sentence: None,
) -> str:
    """Name of the configuration to serve: the one asked for, or ``fallback`` if plans do not fit and ONNX may serve.

    Parameters
    ----------
    policy
        One of `POLICIES`; ``rebuild`` builds the plans that do not fit, and needs ``build``.
    build
        What makes plans. It comes from the caller, for exporters stand above this package.
    log
        Called with a sentence that says what was done and why, when something was.

    Raises
    ------
    SetupError
        The first plan that does not fit, with the policy ``refuse``; or no plan can be built, with ``rebuild``.
    """
    if config_name != repository.GPU or not models.is_dir():
        return config_name
    files = {n: f for n, f in repository.network_files(models, config_name).items() if f == passport.PLAN}
    host = host or this_host()
    stale = passport.problems(models, files, host=host)
    if not stale:
        return config_name
    reason = next(iter(stale.values()))
    if policy == ONNX:
        log(f"{reason}; serving the ONNX files instead, with the configuration {fallback!r}")
        return fallback
    if policy == REBUILD and build is not None and host.gpu is not None:
        for plan in build(models, stale, host):
            log(f"built {plan.parents[1].name}/1/{plan.name} anew")
        return config_name
    others = "--on-stale-plan rebuild or onnx" if build else f"the policy {ONNX}"
    choice = "" if policy == REBUILD else f", or start with {others}"
    raise SetupError(reason + choice)

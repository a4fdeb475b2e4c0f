# SPDX-License-Identifier: Apache-2.0
"""A source, a folder and servers to a finished screening: the order in which things are done."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vcf_screening import cluster, file_studies, manifest, throttle, web_studies
from vcf_screening.archive import Archive, chosen, to_do
from vcf_screening.dataset import Dataset
from vcf_screening.manifest import Entry
from vcf_screening.run import Plan, Progress, Run, Screen
from vcf_screening.work import Settings, client, screen_study


@dataclass(frozen=True)
class Source:
    """Tell where studies are.

    address
        A folder, a manifest, the address of a bucket, or that of a DICOMweb service.
    filters
        Of the search in a DICOMweb service, as QIDO-RS has them.
    requests_per_s
        The most that a DICOMweb service is asked, by all workers together; None does not limit them.
    """

    address: str = field(repr=False)
    filters: Mapping[str, str] = field(default_factory=lambda: web_studies.DEFAULT_FILTERS)
    access: web_studies.Access = web_studies.OPEN
    requests_per_s: float | None = None
    storage: tuple[tuple[str, Any], ...] = field(default=(), repr=False)

    @property
    def is_manifest(self) -> bool:
        """Tell whether it is a list already."""
        return manifest.is_manifest(Path(self.address))

    def entries(self) -> Iterator[Entry]:
        """All its studies; SetupError if it cannot be listed."""
        if self.is_manifest:
            return manifest.read(Path(self.address))
        if self.address.startswith(web_studies.SCHEMES):
            leave = throttle.own_leave(self.requests_per_s)
            return web_studies.entries(self.address, self.filters, self.access, leave)
        return file_studies.entries(self.address, dict(self.storage))


def listed(source: Source, archive: Archive, *, anew: bool) -> Path:
    """The list to go by: the source itself, or one made of it, which later runs go by too unless it is made anew."""
    if source.is_manifest:
        return Path(source.address)
    if anew or not archive.manifest.exists():
        manifest.write(source.entries(), archive.manifest)
    return archive.manifest


def screen(
    source: Source,
    folder: Path,
    settings: Settings,
    plan: Plan,
    *,
    ray_address: str = cluster.LOCAL,
    workers: int | None = None,
    list_anew: bool = False,
    tell: Callable[[Progress], None] = lambda progress: None,
    screen_one: Screen = screen_study,
) -> Progress:
    """Screen every study of a source that has no row for the servers' weights yet.

    Parameters
    ----------
    settings
        Its secret and weights are filled in here: those of the folder and of the servers.
    workers
        Processors of this machine that are used without a cluster.
    tell
        Called about once a second.

    Raises
    ------
    vcf_contract.errors.SetupError
        If source, folder, key or cluster are not fit.
    vcf_contract.errors.ServerUnavailable
        If no server answers at the start.
    """
    archive = Archive(folder)
    settings = replace(settings, secret=archive.secret, access=source.access, storage=source.storage)
    if not settings.model_hash:
        with client(settings) as asked:
            settings = replace(settings, model_hash=asked.model_hash())
    with ExitStack() as stack:
        dataset, failed = (stack.enter_context(Dataset(path)) for path in (archive.studies, archive.failed))
        failed.clear()
        path = listed(source, archive, anew=list_anew)
        names = archive.write_ids(path)
        wanted = to_do(names, dataset.done(settings.model_hash))
        total = len(np.unique(names))
        progress = Progress(total, before=total - int(wanted.sum()))
        tell(progress)
        if not wanted.any():
            return progress
        stack.enter_context(cluster.connected(ray_address, workers))
        turns = throttle.start(source.requests_per_s) if source.requests_per_s else None
        run = Run(
            dataset,
            failed,
            settings,
            plan,
            progress,
            turns=turns,
            keep_picture=lambda study, png: archive.keep_picture(study, settings.model_hash, png),
            tell=tell,
            screen=screen_one,
        )
        return run.go(chosen(manifest.read(path), names, wanted))

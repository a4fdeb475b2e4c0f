# SPDX-License-Identifier: Apache-2.0
"""Tell what a worker does with one study: fetch, read, send, answer. Whatever happens, nothing of the study is
raised."""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from vcf_client import Retry, Security, VcfClient, picture
from vcf_client.dicom.privacy import HASH_KEY_VARIABLE
from vcf_client.dicom.source import SourceSeries, read_source, source_of
from vcf_client.findings import Findings
from vcf_client.gateway.key import Key
from vcf_client.gateway.log import place
from vcf_client.memory import keep_large_blocks
from vcf_client.reader import read_files, read_study
from vcf_client.study import Study
from vcf_contract.errors import ServerUnavailable, StudyRefused, VcfError
from vcf_screening import file_studies, rows, web_studies
from vcf_screening.failures import Failure, PassingError
from vcf_screening.manifest import Entry
from vcf_screening.rows import Row
from vcf_screening.throttle import leave_of

PICTURES = ("none", "positive", "all")


@dataclass(frozen=True)
class Settings:
    """Tell what workers need beside the study. They travel through Ray's object store, in no log.

    secret
        Key of the names; the same for all workers, so that ids of series agree.
    model_hash
        Weights that the run is for.
    report_url
        DICOMweb service that reports are sent to; empty sends none.
    storage
        Options of fsspec for an object store, as pairs.
    """

    servers: tuple[str, ...]
    secret: bytes = field(repr=False)
    model_hash: str = ""
    deadline_s: float = 120.0
    transport: str = "auto"
    attempts: int = 5
    security: Security = field(default_factory=Security, repr=False)
    age_policy: str = "warn"
    pictures: str = "none"
    report_url: str = ""
    access: web_studies.Access = web_studies.OPEN
    storage: tuple[tuple[str, Any], ...] = field(default=(), repr=False)

    @property
    def key(self) -> Key:
        """The key of the names."""
        return Key(self.secret)


@dataclass(frozen=True)
class Result:
    """Tell what came of one attempt: a row, with a picture if one is kept, or a failure."""

    row: Row | None = None
    failure: Failure | None = None
    picture: bytes | None = field(default=None, repr=False)


def screen_study(study: str, entry: Entry, settings: Settings, turns: Any = None) -> Result:
    """Screen one study, known as ``study`` from here on.

    Parameters
    ----------
    turns
        Actor that gives leave for requests to the archive (`vcf_screening.throttle`).
    """
    _prepare(settings)
    try:
        with tempfile.TemporaryDirectory(prefix="vcf-screen-") as folder:
            return _screen(study, entry, settings, turns, Path(folder))
    except StudyRefused as refusal:
        row = rows.answered_without_score(study, rows.REFUSED, settings.model_hash, refusal.code, refusal.sentence)
        return Result(row)
    except PassingError as passing:
        return Result(failure=passing.failure)
    except VcfError as error:
        return Result(failure=Failure(error.code, str(error), unreachable=isinstance(error, ServerUnavailable)))
    except Exception as error:  # its text may quote an element, so only where it happened is told
        return Result(failure=Failure("UNEXPECTED", f"an unexpected error: {place(error)}"))


@dataclass(frozen=True)
class _Read:
    study: Study
    source: Callable[[], SourceSeries]
    columns: dict[str, float]


def _screen(study: str, entry: Entry, settings: Settings, turns: Any, folder: Path) -> Result:
    read = _read(entry, settings, turns, folder)
    findings = _client(settings).analyze(read.study)
    if findings.model.hash != settings.model_hash:
        raise PassingError(Failure("OTHER_WEIGHTS", "the server answered with other weights than the run is for"))
    started_s = time.monotonic()
    if settings.report_url:
        from vcf_screening import reports  # noqa: PLC0415 - highdicom takes a second, and most runs send none

        reports.send(findings, read.source(), settings.key, settings.report_url, settings.access)
    wanted = settings.pictures == "all" or (settings.pictures == "positive" and findings.positive)
    drawn = _drawn(findings) if wanted else None
    row = rows.analysed(study, findings, read.study.acquisition)
    report_ms = (time.monotonic() - started_s) * 1e3 if settings.report_url or wanted else 0.0
    times = {name: round(ms, 2) for name, ms in {**read.columns, "report_ms": report_ms}.items()}
    return Result({**row, **times}, picture=drawn)


def _read(entry: Entry, settings: Settings, turns: Any, folder: Path) -> _Read:
    location, policy = entry.location, settings.age_policy
    started_s = time.monotonic()
    files: list[bytes] | list[Path] | Path
    fetch_s = throttle_s = 0.0
    if location.startswith(web_studies.SCHEMES):
        fetched = web_studies.fetch(entry, settings.access, leave_of(turns))
        files, fetch_s, throttle_s = fetched.files, fetched.seconds - fetched.throttle_s, fetched.throttle_s
    elif file_studies.is_remote(location):
        files, fetch_s = file_studies.fetch(location, dict(settings.storage), folder)
    elif file_studies.is_split(location):
        files = file_studies.local_files(location)
    else:
        files = Path(location)
        if not files.exists():
            raise PassingError(file_studies.NOT_THERE)
    source: Callable[[], SourceSeries]
    if isinstance(files, Path):
        path = files
        study = read_study(path, age_policy=policy)
        source = lambda: read_source(path, study.series_id)  # noqa: E731 - one expression
    else:
        study, uid = read_files(files, age_policy=policy)
        kept = files
        source = lambda: source_of(kept, uid)  # noqa: E731
    read_ms = (time.monotonic() - started_s - fetch_s - throttle_s) * 1e3
    return _Read(study, source, {"fetch_ms": fetch_s * 1e3, "throttle_ms": throttle_s * 1e3, "read_ms": read_ms})


def _drawn(findings: Findings) -> bytes:
    png = BytesIO()
    picture.draw(findings).save(png, "PNG")
    return png.getvalue()


@cache
def _prepare(settings: Settings) -> None:
    """Once a process: ids of series agree with those of other workers, and memory is kept from study to study."""
    os.environ.setdefault(HASH_KEY_VARIABLE, settings.key.name("variable", HASH_KEY_VARIABLE))
    keep_large_blocks()


@cache
def _client(settings: Settings) -> VcfClient:
    """One client a process, whose connections stay open."""
    return client(settings)


def client(settings: Settings) -> VcfClient:
    """A client of the servers that the settings name."""
    return VcfClient(
        settings.servers,
        deadline_s=settings.deadline_s,
        transport=settings.transport,
        security=settings.security,
        retry=Retry(settings.attempts),
    )

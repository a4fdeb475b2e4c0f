# SPDX-License-Identifier: Apache-2.0
"""Settings of the gateway, from a TOML file or from Python."""

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from clients.client import DEFAULT_ADDRESS, DEFAULT_DEADLINE_S
from vcf.errors import SetupError

T = TypeVar("T")


@dataclass(frozen=True)
class Caller:
    """Who may send: an AE title, from any address or from one."""

    ae_title: str
    address: str = ""


@dataclass(frozen=True)
class Pacs:
    """Where results go: by C-STORE to an AE title, or by STOW-RS to the address of a DICOMweb service.

    token_file, ca_file
        For DICOMweb: a file that holds a bearer token, and one with the certificates to trust instead of the usual.
    """

    ae_title: str = "PACS"
    host: str = ""
    port: int = 104
    dicomweb_url: str = ""
    token_file: str = ""
    ca_file: str = ""

    def __post_init__(self) -> None:
        if bool(self.host) == bool(self.dicomweb_url):
            raise SetupError("[pacs] takes either host, for C-STORE, or dicomweb_url, for STOW-RS")


@dataclass(frozen=True)
class Poll:
    """A DICOMweb service to fetch studies from.

    filters
        Of the search for studies, as QIDO-RS has them. ``{today}`` stands for the date.
    token_file, ca_file
        As of ``Pacs``.
    """

    dicomweb_url: str
    every_s: float = 60.0
    token_file: str = ""
    ca_file: str = ""
    filters: dict[str, str] = field(default_factory=lambda: {"ModalitiesInStudy": "CT", "StudyDate": "{today}"})


@dataclass(frozen=True)
class Config:
    """All settings.

    spool
        Folder for what arrives, what is to be sent, and the journal.
    quiet_s
        A study is complete when its associations are closed and nothing of it has come for so long.
    quiet_after_abort_s
        The same where an association broke off or the gateway was started anew: the rest is yet to come.
    callers
        Who may send; everybody if there are none.
    other_objects
        ``refuse`` answers 0122 to objects that are neither CT nor PET; ``drop`` answers 0000 and forgets them.
    keep_s
        How long the images of a finished study stay, for the case that more of it comes.
    remember_days
        How long a finished study is known, so that it is not analysed again when it is sent again.
    max_attempts
        Of the analysis of a study before it is given up; a server that is down does not count.
    report_refusals
        Send a report that says why a study was not analysed.
    """

    spool: Path
    pacs: Pacs
    poll: Poll | None = None
    callers: tuple[Caller, ...] = ()
    server: str = DEFAULT_ADDRESS
    deadline_s: float = DEFAULT_DEADLINE_S
    age_policy: str = "warn"
    ae_title: str = "VCF"
    host: str = "127.0.0.1"
    port: int = 11112
    max_associations: int = 32
    other_objects: str = "refuse"
    quiet_s: float = 10.0
    quiet_after_abort_s: float = 120.0
    workers: int = 1
    spool_gib: float = 20.0
    keep_free_gib: float = 1.0
    keep_s: float = 3600.0
    remember_days: float = 90.0
    max_attempts: int = 5
    report_refusals: bool = False
    retry_first_s: float = 1.0
    retry_longest_s: float = 300.0

    def __post_init__(self) -> None:
        _choose("other_objects", self.other_objects, ("refuse", "drop"))
        _choose("age_policy", self.age_policy, ("warn", "block"))
        for name in ("deadline_s", "spool_gib", "remember_days", "retry_first_s", "retry_longest_s"):
            if not getattr(self, name) > 0:
                raise SetupError(f"{name} is {getattr(self, name)!r}, it must be greater than 0")
        for name in ("workers", "max_associations", "max_attempts"):
            if getattr(self, name) < 1:
                raise SetupError(f"{name} is {getattr(self, name)!r}, it must be 1 or more")

    @classmethod
    def load(cls, path: Path) -> "Config":
        """Read a TOML file; relative paths in it start from its folder.

        Raises
        ------
        SetupError
            If it is no TOML, lacks a setting or has one that is not known.
        """
        try:
            document = tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            raise SetupError(f"there is no configuration file {path}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SetupError(f"{path} is no TOML file: {error}") from None
        settings = dict(document)
        if "pacs" in settings:
            settings["pacs"] = _make(Pacs, "[pacs]", settings["pacs"])
        if "poll" in settings:
            settings["poll"] = _make(Poll, "[poll]", settings["poll"])
        if "callers" in settings:
            settings["callers"] = tuple(_make(Caller, "[[callers]]", each) for each in settings["callers"])
        if "spool" in settings:
            settings["spool"] = path.parent / settings["spool"]
        return _make(cls, "the configuration", settings)


_PLAIN: dict[object, tuple[type, ...]] = {bool: (bool,), str: (str,), int: (int,), float: (int, float)}


def _make(kind: type[T], where: str, settings: dict[str, Any]) -> T:
    known = {each.name: each.type for each in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(settings.keys() - known.keys()):
        raise SetupError(f"{where} has {', '.join(unknown)}, it may have {', '.join(known)}")
    for name, value in settings.items():
        accepted = _PLAIN.get(known[name], (object,))
        if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
            raise SetupError(f"{name} in {where} is {value!r}, it must be of type {accepted[-1].__name__}")
    try:
        return kind(**settings)
    except TypeError:
        required = [name for name in ("spool", "pacs", "ae_title", "dicomweb_url") if name in known]
        missing = [name for name in required if name not in settings]
        raise SetupError(f"{where} lacks {' or '.join(missing)}") from None


def _choose(name: str, value: str, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        raise SetupError(f"{name} is {value!r}; {' or '.join(accepted)} is accepted")

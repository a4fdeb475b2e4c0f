# SPDX-License-Identifier: Apache-2.0
"""Settings of the gateway, from a TOML file or from Python; either way all faults are found at once."""

import tomllib
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from vcf_client.client import DEFAULT_ADDRESS, DEFAULT_DEADLINE_S
from vcf_client.gateway.settings import BadSettings, faults
from vcf_client.gateway.urgency import Urgent
from vcf_contract.errors import SetupError


@dataclass(frozen=True)
class Caller:
    """Tell who may send: an AE title, from any address or from one."""

    ae_title: str
    address: str = ""


@dataclass(frozen=True)
class Pacs:
    """Tell where results go: by C-STORE to an AE title, or by STOW-RS to the address of a DICOMweb service.

    token_file
        For DICOMweb: a file that holds a bearer token.
    ca_file
        The certificates to trust instead of the usual, over TLS.
    tls
        Whether C-STORE goes over TLS (DICOM PS3.15 annex B), with the certificate of ``DicomTls`` if there is one.
    """

    ae_title: str = "PACS"
    host: str = ""
    port: int = 104
    dicomweb_url: str = ""
    token_file: str = ""
    ca_file: str = ""
    tls: bool = False


@dataclass(frozen=True)
class Tls:
    """TLS towards the server: files as ``vcf_client.Security`` has them."""

    ca: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True)
class DicomTls:
    """TLS of what the gateway listens for; with ``ca``, from callers with a certificate of that authority alone."""

    certificate: str
    key: str
    ca: str = ""


@dataclass(frozen=True)
class Metrics:
    """Tell where ``/metrics``, ``/ready`` and ``/live`` are."""

    host: str = "127.0.0.1"
    port: int = 8080


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
        A study is analysed when its associations are closed and nothing of it has come for so long. Doubled each time
        that more of a study came after all, up to ``quiet_after_abort_s``.
    quiet_after_abort_s
        The same where an association broke off or the gateway was started anew: the rest is yet to come.
    settle_s
        Results are sent when nothing of their study has come for so long; what comes before that makes them void.
    callers
        Who may send; everybody if there are none.
    any_called_title, ignore_case
        Whether senders may call the gateway by another AE title than its own, and titles may differ in case.
    other_objects
        ``refuse`` answers 0122 to objects that are neither CT nor PET; ``drop`` answers 0000 and forgets them.
    keep_s
        How long the images of a finished study stay, for the case that more of it comes.
    remember_days
        How long a finished study is known, so that it is not analysed again when it is sent again.
    max_attempts
        Of the analysis of a study before it is given up; a server that is down does not count. So often a fetch is
        repeated that did not bring all images, too.
    urgent
        Which studies go before all others, here and on the server.
    report_refusals
        Send a report that says why a study was not analysed.
    api_key_file
        File with a line NAME=VALUE, the key that the server asks for.
    tls, dicom_tls, metrics
        None: plain connections, and no metrics.
    log_format
        ``text`` or ``json``, a line an event.
    otlp
        Collector of traces, OTLP over HTTP; empty for none.
    """

    spool: Path
    pacs: Pacs
    poll: Poll | None = None
    callers: tuple[Caller, ...] = ()
    urgent: tuple[Urgent, ...] = ()
    server: str = DEFAULT_ADDRESS
    deadline_s: float = DEFAULT_DEADLINE_S
    age_policy: str = "warn"
    ae_title: str = "VCF"
    host: str = "127.0.0.1"
    port: int = 11112
    any_called_title: bool = True
    ignore_case: bool = False
    max_associations: int = 32
    other_objects: str = "refuse"
    quiet_s: float = 10.0
    quiet_after_abort_s: float = 120.0
    settle_s: float = 60.0
    workers: int = 1
    spool_gib: float = 20.0
    keep_free_gib: float = 1.0
    keep_s: float = 3600.0
    remember_days: float = 90.0
    max_attempts: int = 5
    report_refusals: bool = False
    retry_first_s: float = 1.0
    retry_longest_s: float = 300.0
    api_key_file: str = ""
    tls: Tls | None = None
    dicom_tls: DicomTls | None = None
    metrics: Metrics | None = None
    log_format: str = "text"
    otlp: str = ""

    def __post_init__(self) -> None:
        if found := faults(_document(self)):
            raise BadSettings(found)

    @classmethod
    def load(cls, path: Path) -> "Config":
        """Read a TOML file; relative paths in it start from its folder.

        Raises
        ------
        SetupError
            If there is no such file.
        BadSettings
            If it is no TOML, or its settings have faults.
        """
        try:
            document = tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            raise SetupError(f"there is no configuration file {path}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadSettings([f"this is no TOML: {error}"]) from None
        found = faults(document)
        found += _resolve(document, ("api_key_file",), "", path.parent)
        for name, files in _FILES.items():
            if isinstance(document.get(name), dict):
                found += _resolve(document[name], files, f"[{name}] ", path.parent)
        if found:
            raise BadSettings(found)
        made = {
            "spool": path.parent / document["spool"],
            "pacs": Pacs(**document["pacs"]),
            "poll": Poll(**document["poll"]) if "poll" in document else None,
            "callers": tuple(Caller(**each) for each in document.get("callers", ())),
            "urgent": tuple(Urgent(**each) for each in document.get("urgent", ())),
            **{name: kind(**document[name]) for name, kind in _TABLES.items() if name in document},
        }
        return cls(**{**document, **made})


_FILES = {
    "pacs": ("token_file", "ca_file"),
    "poll": ("token_file", "ca_file"),
    "tls": ("ca", "certificate", "key"),
    "dicom_tls": ("certificate", "key", "ca"),
}
"""Settings that name a file, by table."""
_TABLES: dict[str, Any] = {"tls": Tls, "dicom_tls": DicomTls, "metrics": Metrics}


def _resolve(table: dict[str, Any], names: tuple[str, ...], where: str, folder: Path) -> list[str]:
    """Let the files that a table names start from a folder; a sentence for each that is not there."""
    found = []
    for name in names:
        value = table.get(name)
        if isinstance(value, str) and value:
            table[name] = str(folder / value)
            if not (folder / value).is_file():
                found.append(f"{where}{name} is {value!r}; there is no such file")
    return found


def _document(settings: Any) -> dict[str, Any]:
    """Settings in the form of the TOML file, without texts that are empty by default."""
    plain = {}
    for each in fields(settings):
        value = getattr(settings, each.name)
        if isinstance(value, Path):
            value = str(value)
        elif isinstance(value, tuple):
            value = [_document(one) for one in value]
        elif is_dataclass(value):
            value = _document(value)
        if value is not None and not (value == "" == each.default):
            plain[each.name] = value
    return plain

# SPDX-License-Identifier: Apache-2.0
"""Tell what is wrong with settings: all of it at once, one sentence a fault, from ``config.schema.json``."""

import difflib
import ipaddress
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from pydicom.datadict import tag_for_keyword

from vcf_client.region import is_loopback
from vcf_contract.errors import UsageError

SCHEMA: dict[str, Any] = json.loads(Path(__file__).with_name("config.schema.json").read_text("utf-8"))

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9.])?")
_LONGEST_AE_TITLE = 16
_LONGEST_SHOWN = 80


class BadSettings(UsageError):
    """Settings have faults; ``faults`` holds a sentence for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def faults(settings: Mapping[str, Any]) -> list[str]:
    """A sentence for everything that is wrong with settings in the form of the TOML file; empty if nothing is."""
    found = sorted(_VALIDATOR.iter_errors(settings), key=lambda error: list(map(str, error.absolute_path)))
    sentences = [sentence for error in found for sentence in _sentences(error)]
    return list(dict.fromkeys([*sentences, *_between(settings)]))


def is_ae_title(value: str) -> bool:
    """Tell whether a text may be an AE title (DICOM PS3.5 table 6.2-1, VR AE), written without its padding."""
    return (
        0 < len(value) <= _LONGEST_AE_TITLE
        and value.isascii()
        and value.isprintable()
        and "\\" not in value
        and value == value.strip()
    )


def _sentences(error: ValidationError) -> Iterator[str]:
    path = list(error.absolute_path)
    table = _table(path)
    if error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield f"{_named([*path, name])} is missing; needed: {_accepted(error.schema['properties'][name])}"
    elif error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        for name in sorted(error.instance.keys() - set(known)):
            alike = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {alike[0]}?" if alike else f"accepted: {', '.join(known)}"
            yield f"{table or 'the configuration'} has no setting {name}; {hint}"
    elif "propertyNames" in error.absolute_schema_path:
        yield f"{table} filters by {error.instance!r}; accepted: {_accepted(error.schema)}"
    else:
        length = f", {len(error.instance)} characters" if error.validator_value == "ae-title" else ""
        yield f"{_named(path)} is {_shown(error.instance)}{length}; accepted: {_accepted(error.schema)}"


def _between(settings: Mapping[str, Any]) -> Iterator[str]:
    """Faults of settings that are fine one by one."""
    pacs = settings.get("pacs")
    if isinstance(pacs, dict):
        if bool(pacs.get("host")) == bool(pacs.get("dicomweb_url")):
            have = "both host and dicomweb_url" if pacs.get("host") else "neither host nor dicomweb_url"
            yield f"[pacs] has {have}; either host, for C-STORE, or dicomweb_url, for STOW-RS, is needed"
        if pacs.get("token_file") and not pacs.get("dicomweb_url"):
            yield "[pacs] token_file goes with dicomweb_url alone: C-STORE knows no tokens"
        if pacs.get("ca_file") and not (pacs.get("dicomweb_url") or pacs.get("tls")):
            yield "[pacs] ca_file goes with dicomweb_url, or with tls = true: plain C-STORE knows no certificates"
        if pacs.get("tls") and pacs.get("dicomweb_url"):
            yield "[pacs] tls goes with host alone: dicomweb_url says by https:// that it is encrypted"
    tls = settings.get("tls")
    if isinstance(tls, dict):
        if bool(tls.get("certificate")) != bool(tls.get("key")):
            yield "[tls] certificate and key go together; one of them is missing"
        if not any(tls.get(name) for name in ("ca", "certificate")):
            yield "[tls] names neither ca nor certificate; one of them is needed"
    server = settings.get("server")
    if settings.get("api_key_file") and not tls and isinstance(server, str) and not is_loopback(server):
        yield "api_key_file needs [tls]: a key goes to other machines over TLS only"
    first, longest = settings.get("retry_first_s"), settings.get("retry_longest_s")
    if _is_number(None, first) and _is_number(None, longest) and first > longest:  # type: ignore[operator]
        yield f"retry_first_s is {first!r} and retry_longest_s is {longest!r}; the first must not be the longer"


def _table(path: list[Any]) -> str:
    """Tell where a path leads to, in the words of TOML."""
    if not path:
        return ""
    if path[0] in ("callers", "urgent"):
        return f"[[{path[0]}]] number {path[1] + 1}" if len(path) > 1 else ""
    return f"[{'.'.join(map(str, path))}]"


def _named(path: list[Any]) -> str:
    if len(path) > 1 and isinstance(path[-1], int):
        return _table(path)
    return " ".join(filter(None, (_table(path[:-1]), str(path[-1])))) if path else "the configuration"


def _accepted(schema: Mapping[str, Any]) -> str:
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    return str(schema["description"])


def _shown(value: object) -> str:
    """A value in quotes if it is a text; without the password of an address, and not endlessly long."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return f"{value!r}"[:_LONGEST_SHOWN]
    shown = re.sub(r"//[^/@]*@", "//…@", value)
    return f"{shown[:_LONGEST_SHOWN]!r}…" if len(shown) > _LONGEST_SHOWN else repr(shown)


def _is_number(_: object, value: object) -> bool:
    """TOML has ``inf`` and ``nan``; no setting has a use for them."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_integer(_: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


Test = Callable[[str], bool]
_FORMATS = FormatChecker(formats=())


def _format(name: str) -> Callable[[Test], Test]:
    """Register a test of texts; other values have failed at their type already."""

    def register(test: Test) -> Test:
        _FORMATS.checks(name)(lambda value: not isinstance(value, str) or test(value))
        return test

    return register


_format("ae-title")(is_ae_title)


@_format("ip")
def _is_ip(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


@_format("host")
def _is_host(value: str) -> bool:
    return _is_ip(value) or (len(value) <= 253 and _HOST.fullmatch(value) is not None and not _is_bad_ipv4(value))


def _is_bad_ipv4(value: str) -> bool:
    """Four numbers that are no address, such as 192.0.2.256, are no name either."""
    return re.fullmatch(r"[\d.]+", value) is not None


def _is_authority(value: str) -> bool:
    """Tell whether a text is ``host:port``, with an IPv6 address in brackets."""
    parts = _split("//" + value)
    return parts is not None and parts.netloc == value and parts.port is not None and "@" not in value


def _split(value: str) -> SplitResult | None:
    """An address with a good host and, if any, a good port."""
    try:
        parts = urlsplit(value)
        port = parts.port  # raises
    except ValueError:
        return None
    good = _is_host(parts.hostname or "") and port != 0 and not parts.netloc.endswith(":")
    return parts if good and not re.search(r"\s", value) else None


@_format("grpc-address")
def _is_grpc_address(value: str) -> bool:
    return _is_authority(value.removeprefix("dns:///"))


@_format("url")
def _is_url(value: str) -> bool:
    parts = _split(value)
    if parts is None or parts.scheme not in ("http", "https"):
        return False
    return "@" not in parts.netloc and "?" not in value and "#" not in value


@_format("dicom-attribute")
def _is_attribute(value: str) -> bool:
    return tag_for_keyword(value) is not None or re.fullmatch("[0-9A-Fa-f]{8}", value) is not None


@_format("filter")
def _is_filter(value: str) -> bool:
    return not re.search("[{}]", value.replace("{today}", ""))


_TYPES = Draft202012Validator.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_integer})
_VALIDATOR = extend(Draft202012Validator, type_checker=_TYPES)(SCHEMA, format_checker=_FORMATS)

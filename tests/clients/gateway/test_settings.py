# SPDX-License-Identifier: Apache-2.0
"""Faults of settings: each kind, all at once, and never a good value among them."""

from typing import Any

import pytest

from vcf_client.gateway.settings import BadSettings, faults, is_ae_title
from vcf_contract.errors import UsageError

GOOD: dict[str, Any] = {"spool": "s", "pacs": {"host": "archive"}}


def of(**settings: Any) -> list[str]:
    return faults({**GOOD, **settings})


def test_the_least_that_is_needed() -> None:
    assert faults(GOOD) == []
    assert faults({}) == [
        "spool is missing; needed: the path of a folder",
        "pacs is missing; needed: a table [pacs]",
    ]


@pytest.mark.parametrize("value", [1, 104, 11112, 65535])
def test_ports(value: int) -> None:
    assert of(port=value) == of(pacs={"host": "a", "port": value}) == []


@pytest.mark.parametrize("value", [0, -1, 65536, 99999, 104.0, "104", True, None, [104]])
def test_no_ports(value: object) -> None:
    (fault,) = of(port=value)
    assert fault.startswith("port is ") and fault.endswith("; accepted: a whole number from 1 to 65535")
    (fault,) = of(pacs={"host": "a", "port": value})
    assert fault.startswith("[pacs] port is ")


@pytest.mark.parametrize("value", ["A", "VCF", "MY PACS", "ABCDEFGHIJKLMNOP", "a-b_c.1:2/3"])
def test_ae_titles(value: str) -> None:
    assert is_ae_title(value) and of(ae_title=value) == []


@pytest.mark.parametrize(
    "value", ["", " ", " VCF", "VCF ", "A\\B", "A\0", "A\nB", "ABCDEFGHIJKLMNOPQ", "A" * 22, "MÜLLER", "A\x7f"]
)
def test_no_ae_titles(value: str) -> None:
    assert not is_ae_title(value)
    (fault,) = of(ae_title=value)
    assert fault.startswith("ae_title is ") and f"{len(value)} characters" in fault
    assert of(callers=[{"ae_title": "A"}, {"ae_title": value}])[0].startswith("[[callers]] number 2 ae_title is ")


NON_NEGATIVE = ["quiet_s", "quiet_after_abort_s", "settle_s", "keep_s", "keep_free_gib"]
POSITIVE = ["deadline_s", "spool_gib", "remember_days", "retry_first_s", "retry_longest_s"]


@pytest.mark.parametrize("name", NON_NEGATIVE + POSITIVE)
def test_numbers(name: str) -> None:
    least = 0.0 if name in NON_NEGATIVE else 1e-3
    others = {"retry_first_s": 1e-3, "retry_longest_s": 86400}
    assert of(**{**others, name: least}) == of(**{**others, name: 5}) == []
    for bad in (-1, -0.5, 1e9, float("inf"), float("nan"), "5", False, *([0] if name in POSITIVE else [])):
        (fault,) = of(**{name: bad})
        assert fault.startswith(f"{name} is ") and "; accepted: a number " in fault


@pytest.mark.parametrize("name", ["workers", "max_associations", "max_attempts"])
def test_counts(name: str) -> None:
    assert of(**{name: 1}) == []
    for bad in (0, -3, 1.5, 10**6):
        assert of(**{name: bad})[0].startswith(f"{name} is {bad}; accepted: a whole number from 1 to ")


@pytest.mark.parametrize(
    "url", ["http://a", "https://a.b/dicom-web", "http://127.0.0.1:8042/dicom-web/", "https://[::1]:8443/rs"]
)
def test_urls(url: str) -> None:
    assert of(pacs={"dicomweb_url": url}, poll={"dicomweb_url": url}) == []


@pytest.mark.parametrize(
    "url",
    ["", "a", "ftp://a", "http://", "http://a:99999", "http://a:0", "http://a:", "http://a b", "http:///x",
     "http://a/x?y=1", "http://a/#x", "http://user:s3cret@a/x", "http://-a/"],
)  # fmt: skip
def test_no_urls(url: str) -> None:
    found = of(poll={"dicomweb_url": url})
    assert len(found) == 1 and found[0].startswith("[poll] dicomweb_url is ")
    assert "s3cret" not in found[0]


@pytest.mark.parametrize("host", ["a", "a.b-c.example", "192.0.2.1", "::1", "0.0.0.0", "pacs_1"])
def test_hosts(host: str) -> None:
    assert of(host=host, pacs={"host": host}) == []


@pytest.mark.parametrize("host", ["", " ", "a b", "http://a", "a:104", "192.0.2.256", "1.2.3", "a" * 300, "-a"])
def test_no_hosts(host: str) -> None:
    assert of(host=host)[0].startswith("host is ")


@pytest.mark.parametrize("server", ["127.0.0.1:8001", "triton:8001", "[::1]:8001", "dns:///triton:8001"])
def test_servers(server: str) -> None:
    assert of(server=server) == []


@pytest.mark.parametrize("server", ["", "triton", "triton:", "triton:99999", "http://triton:8001", "::1:8001", "a b:1"])
def test_no_servers(server: str) -> None:
    assert of(server=server)[0].startswith("server is ")


def test_addresses_of_callers() -> None:
    assert of(callers=[{"ae_title": "A", "address": "192.0.2.1"}, {"ae_title": "B", "address": "fe80::1"}]) == []
    (fault,) = of(callers=[{"ae_title": "A", "address": "pacs"}])
    assert fault == "[[callers]] number 1 address is 'pacs'; accepted: an IP address"
    assert of(callers=[{"address": "::1"}])[0].startswith("[[callers]] number 1 ae_title is missing; needed: an AE")


def test_filters() -> None:
    poll = {"dicomweb_url": "http://a"}
    good = {"StudyDate": "{today}", "00080061": "CT", "PatientName": "*"}
    assert of(poll={**poll, "filters": good}) == []
    found = of(poll={**poll, "filters": {"limit": "3", "StudyDate": "{yesterday}", "PatientID": 3}})
    assert [fault.partition(";")[0] for fault in found] == [
        "[poll.filters] filters by 'limit'",
        "[poll.filters] PatientID is 3",
        "[poll.filters] StudyDate is '{yesterday}'",
    ]


@pytest.mark.parametrize(
    ("pacs", "sentence"),
    [
        ({}, "[pacs] has neither host nor dicomweb_url"),
        ({"host": "a", "dicomweb_url": "http://a"}, "[pacs] has both host and dicomweb_url"),
        ({"host": "a", "token_file": "t"}, "[pacs] token_file goes with dicomweb_url alone"),
        ({"host": "a", "ca_file": "c"}, "[pacs] ca_file goes with dicomweb_url, or with tls = true"),
        ({"dicomweb_url": "https://a", "tls": True}, "[pacs] tls goes with host alone"),
        ({"host": "a", "hots": "b"}, "[pacs] has no setting hots; did you mean host?"),
        ({"host": "a", "zzz": "b"}, "[pacs] has no setting zzz; accepted: ae_title, host, port, "),
        (3, "pacs is 3; accepted: a table [pacs]"),
    ],
)
def test_the_pacs(pacs: object, sentence: str) -> None:
    (fault,) = of(pacs=pacs)
    assert fault.startswith(sentence)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"other_objects": "x"}, "other_objects is 'x'; accepted: 'refuse' or 'drop'"),
        ({"age_policy": True}, "age_policy is true; accepted: 'warn' or 'block'"),
        ({"report_refusals": 1}, "report_refusals is 1; accepted: true or false"),
        ({"quite_s": 3}, "the configuration has no setting quite_s; did you mean quiet_s?"),
        ({"retry_first_s": 9, "retry_longest_s": 3}, "retry_first_s is 9 and retry_longest_s is 3; the first must"),
        ({"callers": {"ae_title": "A"}}, "callers is {'ae_title': 'A'}; accepted: a list of [[callers]]"),
        ({"callers": [3]}, "[[callers]] number 1 is 3; accepted: a table [[callers]]"),
    ],
)
def test_the_rest(settings: dict[str, object], sentence: str) -> None:
    (fault,) = of(**settings)
    assert fault.startswith(sentence)


def test_all_at_once() -> None:
    found = of(port=0, quiet_s=-1, nonsense=1, ae_title="", pacs={"host": "a", "port": "x"}, callers=[{}])
    assert len(found) == 6
    error = BadSettings(found)
    assert isinstance(error, UsageError) and error.faults == found


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"tls": {"ca": "c", "key": "k"}}, "[tls] certificate and key go together"),
        ({"tls": {}}, "[tls] names neither ca nor certificate"),
        ({"dicom_tls": {"certificate": "c"}}, "[dicom_tls] key is missing; needed: the path of a file"),
        ({"metrics": {"port": 0}}, "[metrics] port is 0; accepted: a whole number from 1 to 65535"),
        ({"log_format": "xml"}, "log_format is 'xml'; accepted: 'text' or 'json'"),
        ({"api_key_file": "k", "server": "triton.example:8001"}, "api_key_file needs [tls]"),
    ],
)
def test_security_and_watching(more: dict[str, Any], sentence: str) -> None:
    (fault,) = of(pacs={"host": "a"}, **more)
    assert fault.startswith(sentence)


def test_a_key_stays_on_this_machine_or_goes_over_tls() -> None:
    assert of(pacs={"host": "a"}, api_key_file="k", server="127.0.0.1:8001") == []
    assert of(pacs={"host": "a"}, api_key_file="k", server="triton.example:8001", tls={"ca": "c"}) == []

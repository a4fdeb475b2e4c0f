# SPDX-License-Identifier: Apache-2.0
import hashlib
import hmac
import logging
import threading
import warnings

import pytest

from vcf_client.dicom.privacy import keyed_hash, quiet


def test_hash_is_hmac_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCF_HASH_KEY", "a secret")
    expected = hmac.new(b"a secret", b"1.2.840.1", hashlib.sha256).hexdigest()[:16]
    assert keyed_hash("1.2.840.1") == expected
    assert keyed_hash("1.2.840.2") != expected
    monkeypatch.setenv("VCF_HASH_KEY", "another")
    assert keyed_hash("1.2.840.1") != expected


def test_without_a_key_the_process_makes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VCF_HASH_KEY", raising=False)
    assert keyed_hash("1.2") == keyed_hash("1.2")
    assert keyed_hash("1.2") != hmac.new(b"", b"1.2", "sha256").hexdigest()[:16]


def test_quiet_silences_and_restores(caplog: pytest.LogCaptureFixture) -> None:
    logger, child = logging.getLogger("pydicom"), logging.getLogger("pydicom.pixels.utils")
    caplog.set_level(logging.DEBUG, "pydicom")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with quiet():
            warnings.warn("value of an element", UserWarning, stacklevel=1)
            logger.error("value of an element")
            child.critical("value of an element")
        assert not seen and not caplog.records
        warnings.warn("after", UserWarning, stacklevel=1)
        logger.warning("after")
    assert len(seen) == 1 and len(caplog.records) == 1


def test_silence_lasts_until_the_last_thread_leaves(caplog: pytest.LogCaptureFixture) -> None:
    inside, leave = threading.Event(), threading.Event()

    def reader() -> None:
        with quiet():
            inside.set()
            leave.wait(120)

    before = list(warnings.filters)
    thread = threading.Thread(target=reader)
    with quiet():
        thread.start()
        assert inside.wait(120)
    logging.getLogger("pydicom").error("still silent")
    leave.set()
    thread.join(300)
    assert not caplog.records
    assert list(warnings.filters) == before
    logging.getLogger("pydicom").error("heard")
    assert len(caplog.records) == 1


def test_error_inside_restores() -> None:
    before = list(warnings.filters)
    with pytest.raises(KeyError), quiet():
        raise KeyError
    assert list(warnings.filters) == before

# SPDX-License-Identifier: Apache-2.0
"""Files of certificates and keys: what is wrong with them is said at once, and no secret is repeated."""

from pathlib import Path

import pytest

from vcf_client import ApiKey, Security, VcfClient
from vcf_contract.errors import SetupError


def test_key_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("vcf-key=a=b/c+1==\n")
    key = ApiKey.read(tmp_path / "key")
    assert (key.name, key.value) == ("vcf-key", "a=b/c+1==")


@pytest.mark.parametrize(
    "content", ["", "s3cret", "vcf-key=", "Vcf Key=s3cret", "vcf-key=s3 cret", "a=s3cret\nb=s3cret", "a=s3crét"]
)
def test_broken_key_file_is_refused_without_repeating_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    with pytest.raises(SetupError, match="NAME=VALUE") as error:
        ApiKey.read(tmp_path / "key")
    assert "s3c" not in str(error.value)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="API key"):
        ApiKey.read(tmp_path / "absent")
    with pytest.raises(SetupError, match=r"certificate authority .*absent"):
        VcfClient(security=Security(ca=tmp_path / "absent"))


def test_file_without_pem(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(SetupError, match="holds no PEM block 'CERTIFICATE'"):
        VcfClient(security=Security(ca=tmp_path / "ca.pem"))


def test_certificate_needs_its_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="go together"):
        Security(certificate=tmp_path / "c.pem")
    with pytest.raises(ValueError, match="go together"):
        Security(key=tmp_path / "k.pem")


def test_nothing_is_plain() -> None:
    assert not Security().tls and Security().credentials() is None and Security().metadata() == ()

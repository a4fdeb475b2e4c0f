# SPDX-License-Identifier: Apache-2.0
"""Whom a client trusts, and how it says who it is: TLS, mutual TLS, API keys."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from vcf_contract.errors import SetupError

API_KEY_PREFIX = "triton-grpc-protocol-"
"""Triton's option ``--grpc-restricted-protocol=…:NAME=VALUE`` expects the header of this prefix and NAME."""

_NAME = re.compile(r"[a-z0-9_.-]+")
_VALUE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class ApiKey:
    """Name and value of a key, as Triton's option ``--grpc-restricted-protocol`` has them after the colon."""

    name: str
    value: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"name of the API key is {self.name!r}; small letters, digits, '-', '_' and '.' are accepted"
            )
        if not _VALUE.fullmatch(self.value):
            raise ValueError("the value of the API key is empty or holds a blank; printable ASCII is accepted")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "ApiKey":
        """Read a key from a file of one line, ``NAME=VALUE``.

        Raises
        ------
        SetupError
            If the file cannot be read, or holds something else.
        """
        name, equals, value = _read(path, "API key").decode("ascii", "replace").strip().partition("=")
        try:
            if not equals:
                raise ValueError("there is no '='")
            return cls(name, value)
        except ValueError:  # whose text may repeat the key
            raise SetupError("the file of the API key holds no line NAME=VALUE") from None


@dataclass(frozen=True)
class Security:
    """The security of a connection: plain without arguments, TLS with any of the certificates.

    ca
        PEM file with the authorities whose server certificates are accepted. The system's own are taken where there
        is only a certificate of the client.
    certificate, key
        PEM files with the client's own certificate (and those between it and the authority) and its private key, for a
        server that asks for them (mutual TLS). Both or none.
    api_key
        Sent with every request. Only over TLS, or to this machine.
    """

    ca: str | os.PathLike[str] | None = None
    certificate: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = field(default=None, repr=False)
    api_key: ApiKey | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together; one of them is missing")

    @property
    def tls(self) -> bool:
        """Tell whether connections are encrypted and the server is checked."""
        return self.ca is not None or self.certificate is not None

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Headers of every request."""
        return ((API_KEY_PREFIX + self.api_key.name, self.api_key.value),) if self.api_key else ()

    def credentials(self) -> Any:
        """gRPC's channel credentials; None for a plain connection.

        Raises
        ------
        SetupError
            If a file cannot be read or holds no PEM.
        """
        if not self.tls:
            return None
        return grpc.ssl_channel_credentials(
            root_certificates=self.ca and _pem(self.ca, "certificate authority", "CERTIFICATE"),
            private_key=self.key and _pem(self.key, "private key", "PRIVATE KEY"),
            certificate_chain=self.certificate and _pem(self.certificate, "client certificate", "CERTIFICATE"),
        )


PLAIN = Security()


def _pem(path: str | os.PathLike[str], what: str, label: str) -> bytes:
    content = _read(path, what)
    if not re.search(rb"-----BEGIN [A-Z ]*" + label.encode(), content):  # gRPC would only fail at the first call
        raise SetupError(f"the file of the {what} {os.fspath(path)} holds no PEM block '{label}'")
    return content


def _read(path: str | os.PathLike[str], what: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SetupError(f"the file of the {what} {os.fspath(path)} cannot be read: {error.strerror}") from None

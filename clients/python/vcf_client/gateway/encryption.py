# SPDX-License-Identifier: Apache-2.0
"""TLS contexts of DICOM associations (DICOM PS3.15 annex B.9, BCP 195), and what secures calls of the server."""

import ssl

from vcf_client.gateway.config import Config, DicomTls, Pacs
from vcf_client.security import ApiKey, Security
from vcf_contract.errors import SetupError


def listening(tls: DicomTls) -> ssl.SSLContext:
    """Make the context of the provider; with an authority, callers without a certificate of it are turned away.

    Raises
    ------
    SetupError
        If a file does not hold what it should.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _own(context, tls)
    if tls.ca:
        context.verify_mode = ssl.CERT_REQUIRED
        _authority(context, "[dicom_tls] ca", tls.ca)
    return context


def calling(pacs: Pacs, own: DicomTls | None) -> ssl.SSLContext:
    """Make the context of associations with the PACS, whose certificate must be for its host.

    Raises
    ------
    SetupError
        If a file does not hold what it should.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if pacs.ca_file:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _authority(context, "[pacs] ca_file", pacs.ca_file)
    if own:
        _own(context, own)
    return context


def security(config: Config) -> Security:
    """Make the settings of calls of the server."""
    tls = config.tls
    return Security(
        ca=(tls and tls.ca) or None,
        certificate=(tls and tls.certificate) or None,
        key=(tls and tls.key) or None,
        api_key=ApiKey.read(config.api_key_file) if config.api_key_file else None,
    )


def _own(context: ssl.SSLContext, tls: DicomTls) -> None:
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise SetupError(f"[dicom_tls] certificate and key cannot be used: {_reason(error)}") from None


def _authority(context: ssl.SSLContext, setting: str, path: str) -> None:
    try:
        context.load_verify_locations(path)
    except (OSError, ssl.SSLError) as error:
        raise SetupError(f"{setting} holds no certificates: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or type(error).__name__)

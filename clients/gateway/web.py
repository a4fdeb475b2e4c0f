# SPDX-License-Identifier: Apache-2.0
"""HTTP to a DICOMweb service."""

from pathlib import Path

from dicomweb_client import DICOMwebClient
from requests import Session
from requests.auth import AuthBase
from requests.models import PreparedRequest

from clients.gateway.config import Pacs, Poll

_TIMEOUT_S = 30.0


class _Token(AuthBase):  # type: ignore[misc]
    """A bearer token, read anew for each request: somebody else keeps the file up to date."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._path.read_text('ascii').strip()}"
        return request


def connect(service: Pacs | Poll) -> DICOMwebClient:
    """A client that goes to the address given and nowhere else: neither proxies nor netrc are asked."""
    session = Session()
    session.trust_env = False
    if service.token_file:
        session.auth = _Token(Path(service.token_file))
    if service.ca_file:
        session.verify = service.ca_file
    client = DICOMwebClient(service.dicomweb_url, session=session, timeout=_TIMEOUT_S)
    client.set_http_retry_params(retry=False)  # the gateway waits by itself, longer than the library would
    return client

# SPDX-License-Identifier: Apache-2.0
"""HTTP to a DICOMweb service."""

from pathlib import Path

from dicomweb_client import DICOMwebClient
from requests import Session
from requests.auth import AuthBase
from requests.exceptions import ConnectTimeout, RequestException, SSLError, Timeout
from requests.models import PreparedRequest
from urllib3.exceptions import NewConnectionError

from vcf_client.gateway.config import Pacs, Poll
from vcf_client.gateway.requestor import ABORTED, NO_ANSWER, NOT_REACHED

TIMEOUT_S = 30.0


class _Token(AuthBase):  # type: ignore[misc]
    """A bearer token, read anew for each request: somebody else keeps the file up to date."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._path.read_text('ascii').strip()}"
        return request


def open_session(service: Pacs | Poll) -> Session:
    """HTTP with the token and the certificates of a service; neither proxies nor netrc are asked."""
    session = Session()
    session.trust_env = False
    if service.token_file:
        session.auth = _Token(Path(service.token_file))
    if service.ca_file:
        session.verify = service.ca_file
    return session


def connect(service: Pacs | Poll, session: Session | None = None) -> DICOMwebClient:
    """A client that goes to the address given and nowhere else. UIDs are the service's business: odd ones pass."""
    session = session or open_session(service)
    url = service.dicomweb_url.rstrip("/")
    client = DICOMwebClient(url, session=session, timeout=TIMEOUT_S, permissive_uid=True)
    client.set_http_retry_params(retry=False)  # the gateway waits by itself, longer than the library would
    return client


def why(error: RequestException) -> str:
    """Tell what went wrong, in the words of log and status; nothing of the request is in it."""
    if error.response is not None:
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, SSLError):
        return "no secure connection"
    if isinstance(error, Timeout) and not isinstance(error, ConnectTimeout):
        return NO_ANSWER
    cause = error.args[0] if error.args else None
    never = isinstance(error, ConnectTimeout) or isinstance(getattr(cause, "reason", None), NewConnectionError)
    return NOT_REACHED if never else ABORTED

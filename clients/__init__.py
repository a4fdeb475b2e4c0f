# SPDX-License-Identifier: Apache-2.0
"""The Python client. ``from clients import VcfClient`` is all that a caller needs; it is loaded when first used."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clients.asynchronous import AsyncVcfClient
    from clients.client import VcfClient
    from clients.findings import Findings
    from clients.many import Outcome
    from clients.retry import Retry
    from clients.security import ApiKey, Security
    from clients.study import Study

__all__ = ["ApiKey", "AsyncVcfClient", "Findings", "Outcome", "Retry", "Security", "Study", "VcfClient"]

_HOME = {
    "VcfClient": "client",
    "AsyncVcfClient": "asynchronous",
    "Findings": "findings",
    "Outcome": "many",
    "Retry": "retry",
    "ApiKey": "security",
    "Security": "security",
    "Study": "study",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

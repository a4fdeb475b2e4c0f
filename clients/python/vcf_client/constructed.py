# SPDX-License-Identifier: Apache-2.0
"""The constructor that both clients share."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from vcf_client.calls import Calls
from vcf_client.core import AUTO, DEFAULT_ADDRESS, DEFAULT_DEADLINE_S, Core
from vcf_client.retry import Retry
from vcf_client.security import PLAIN, Security
from vcf_contract.contract import Priority


class Constructed:
    """A client with its servers, to which nothing has been sent yet; `VcfClient` explains the parameters."""

    _make_calls: ClassVar[Callable[[], Calls]]

    def __init__(
        self,
        address: str | Sequence[str] = DEFAULT_ADDRESS,
        *,
        deadline_s: float = DEFAULT_DEADLINE_S,
        transport: str = AUTO,
        security: Security = PLAIN,
        retry: Retry = Retry(),  # noqa: B008 - frozen
        keepalive_s: float | None = None,
        priority: str = Priority.ROUTINE,
    ) -> None:
        self._core = Core(
            address,
            deadline_s=deadline_s,
            transport=transport,
            security=security,
            retry=retry,
            keepalive_s=keepalive_s,
            priority=priority,
            calls=type(self)._make_calls(),
        )

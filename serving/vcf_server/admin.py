# SPDX-License-Identifier: Apache-2.0
"""Tell what only the owner of a server may ask of it: to load models, to share memory, to trace, to change its log.

Triton asks nobody who they are, and has one key for each group of its interfaces. The key of these is made anew at
every start and stays with the owner.
"""

import http.client
import json
import secrets
import time
from collections.abc import Sequence

from vcf_contract.errors import SetupError
from vcf_server import processes

HEADER = "vcf-admin"
MODELS, SHARED_MEMORY = "model-repository", "shared-memory"
RESTRICTED = (MODELS, "trace", "logging")
_CALL_S = 60.0
_UNLOADS_WITHIN_S = 1.0
_READY, _GONE = "READY", {"UNAVAILABLE"}
_POLL_S = 0.05


class Admin:
    """Options that close these interfaces of a server, and the calls that go through with the key."""

    def __init__(self, *, shared_memory: bool, models: bool = False, key: str | None = None) -> None:
        self._key = key or secrets.token_hex(16)
        opened = {SHARED_MEMORY: shared_memory, MODELS: models}
        self._closed = [name for name in (*RESTRICTED, SHARED_MEMORY) if not opened.get(name)]

    def options(self) -> Sequence[str]:
        """Options of ``tritonserver``. Models are loaded on demand, but all of them at the start."""
        rule = f"{','.join(self._closed)}:{HEADER}={self._key}"
        return (
            f"--http-restricted-api={rule}",
            f"--grpc-restricted-protocol={rule}",
            "--model-control-mode=explicit",
            "--load-model=*",
        )

    def unload(self, host: str, port: int, model: str) -> None:
        """Unload a model and wait for its requests, but not long; the server is not ready until it is loaded again.

        Requests that were with a process when it was killed are answered with an error, and yet Triton counts one of
        them as under way for ever: of such a model the unloading never ends, nor need it, to load it anew.

        Raises
        ------
        SetupError
            If the server does not do it.
        """
        self._call(host, port, f"/v2/repository/models/{model}/unload")
        until = time.monotonic() + _UNLOADS_WITHIN_S
        while self._states(host, port).get(model, _GONE) != _GONE and time.monotonic() < until:
            time.sleep(_POLL_S)

    def load(self, host: str, port: int, model: str) -> None:
        """Load a model. It does nothing for one that is loaded, even if its process has died.

        Raises
        ------
        SetupError
            If the server does not do it.
        """
        self._call(host, port, f"/v2/repository/models/{model}/load")

    def reload(self, host: str, port: int, model: str, shm_prefix: str) -> None:
        """Load a model anew, one of whose processes has died; none of the old ones stays. SetupError where it fails."""
        self.unload(host, port, model)
        processes.kill_stubs(shm_prefix, model)
        self.load(host, port, model)

    def is_loaded(self, host: str, port: int, model: str) -> bool:
        """Tell whether a model is loaded, as far as Triton knows; SetupError if it does not say."""
        return _READY in self._states(host, port).get(model, _GONE)

    def all_ready(self, host: str, port: int) -> bool:
        """Tell whether every model of the repository is loaded; SetupError if the server does not say."""
        states = self._states(host, port)
        return bool(states) and all(_READY in found for found in states.values())

    def _states(self, host: str, port: int) -> dict[str, set[str]]:
        """States of each model's versions."""
        states: dict[str, set[str]] = {}
        for entry in json.loads(self._call(host, port, "/v2/repository/index")):
            states.setdefault(entry["name"], set()).add(str(entry.get("state", "UNAVAILABLE")))
        return states

    def _call(self, host: str, port: int, path: str) -> bytes:
        connection = http.client.HTTPConnection(host, port, timeout=_CALL_S)
        try:
            connection.request("POST", path, b"{}", {HEADER: self._key})
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise SetupError(f"the server does not answer {path} ({type(error).__name__})") from None
        finally:
            connection.close()
        if answer.status != 200:
            raise SetupError(f"the server refuses {path}: {said.decode(errors='replace')[:300]}")
        return said

# SPDX-License-Identifier: Apache-2.0
"""Does every instance of every model still answer? Triton's readiness says yes even where a Python process has died.

Repeats the warm-up of each model over loopback, once for each of its instances at the same time, and checks that the
outputs are there. The requests come from the configurations themselves, so nothing here knows a tensor. Standard
library alone: it runs inside the server's image.

A server that is only busy passes: where a request has no answer in time, its model must have answered another one
meanwhile. Were a full queue a failure, a busy server would be restarted, and the others would get its load.

Exit status: 0 all answer; 1 one line on standard output says which does not.
"""

import argparse
import http.client
import json
import math
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SELF_TEST = "self-test"
"""The id that the steps know it by (``vcf_contract.contract.SELF_TEST``)."""
ITEM_BYTES = {"BOOL": 1, "INT8": 1, "UINT8": 1, "INT16": 2, "UINT16": 2, "FP16": 2, "BF16": 2}
ITEM_BYTES |= {"INT32": 4, "UINT32": 4, "FP32": 4, "INT64": 8, "UINT64": 8, "FP64": 8}
HEADER_LENGTH = "Inference-Header-Content-Length"
"""Where JSON ends and raw tensors begin (KServe v2, *binary tensor data extension*)."""
AFTERWARDS_S = 2
"""A time-out for asking what a model has answered, once the time for its requests is over."""


class NotWell(Exception):
    """Tell what is wrong, in one line."""


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; ``header_bytes`` is 0 where all of the body is JSON."""

    status: int
    body: bytes
    header_bytes: int

    def error(self) -> str:
        """Triton's words, on one line."""
        try:
            return " ".join(str(json.loads(self.body)["error"]).split())
        except (ValueError, KeyError, TypeError):
            return f"status {self.status}"


@dataclass(frozen=True)
class Server:
    """Triton's HTTP endpoint; no call outlasts ``ends_at`` on the monotonic clock."""

    host: str
    port: int
    ends_at: float

    def call(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
        """Raises ``TimeoutError`` if no answer comes in time, ``NotWell`` if there is no server."""
        connection = http.client.HTTPConnection(
            self.host, self.port, timeout=max(0.01, self.ends_at - time.monotonic())
        )
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, response.read(), int(response.headers.get(HEADER_LENGTH) or 0))
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise NotWell(f"no server at {self.host}:{self.port}: {type(error).__name__}") from None
        finally:
            connection.close()

    def get(self, model: str, what: str) -> Any:
        """The JSON that Triton has on a model."""
        try:
            reply = self.call("GET", f"/v2/models/{model}/{what}")
        except TimeoutError:
            raise NotWell(f"{model}: its {what} did not come in time") from None
        if reply.status != 200:
            raise NotWell(f"{model}: {reply.error()}")
        return json.loads(reply.body or b"null")

    def answers(self, model: str) -> int:
        """Tell how many requests the model has answered since it was loaded."""
        statistics = self.get(model, "stats")["model_stats"]
        return sum(int(version["inference_stats"]["success"].get("count", 0)) for version in statistics)


@dataclass(frozen=True)
class SelfTest:
    """The warm-up of a model as a request.

    A model without one gets a single zero, or empty string, for each tensor. It may refuse that: a refusal comes from a
    process that lives.
    """

    model: str
    instances: int
    body: bytes
    header_bytes: int
    must_succeed: bool
    answers_before: int

    @classmethod
    def read(cls, server: Server, folder: Path) -> "SelfTest":
        """Make the request from the configuration that is served, and the tensors in the model's folder."""
        config = server.get(folder.name, "config")
        warmups = config.get("model_warmup", [])
        tensors = warmups[0]["inputs"] if warmups else {tensor["name"]: tensor for tensor in config["input"]}
        batch = [1] if config["max_batch_size"] else []
        inputs, raw = [], []
        for name, tensor in tensors.items():
            datatype = tensor["data_type"].removeprefix("TYPE_").replace("STRING", "BYTES")
            shape = [*batch, *(abs(int(extent)) for extent in tensor["dims"])]  # a free extent, −1, is taken as 1
            size = math.prod(shape) * ITEM_BYTES.get(datatype, 4)
            file_name = tensor.get("input_data_file")
            raw.append((folder / "warmup" / file_name).read_bytes() if file_name else bytes(size))
            described = {"name": name, "datatype": datatype, "shape": shape}
            inputs.append({**described, "parameters": {"binary_data_size": len(raw[-1])}})
        # It goes before all that waits, and counts as no study.
        parameters = {"binary_data_output": True, "priority": 1}
        header = json.dumps({"id": SELF_TEST, "inputs": inputs, "parameters": parameters}).encode()
        groups = config["instance_group"]
        return cls(
            folder.name,
            sum(int(group["count"]) * max(1, len(group.get("gpus", ()))) for group in groups),
            b"".join((header, *raw)),
            len(header),
            bool(warmups),
            server.answers(folder.name),
        )

    def run(self, server: Server) -> bool:
        """Tell whether an answer came in time; raises ``NotWell`` if it is an error or lacks an output."""
        path = f"/v2/models/{self.model}/infer"
        try:
            reply = server.call("POST", path, self.body, {HEADER_LENGTH: str(self.header_bytes)})
        except TimeoutError:
            return False
        if reply.status == 400 and not self.must_succeed:
            return True
        if reply.status != 200:
            raise NotWell(f"{self.model}: {reply.error()}")
        for output in json.loads(reply.body[: reply.header_bytes or None])["outputs"]:
            count = math.prod(output["shape"])
            found = output.get("parameters", {}).get("binary_data_size", 0)
            # An element of BYTES is its length, in four bytes, and as many more.
            least = count * ITEM_BYTES.get(output["datatype"], 4)
            if found < least or (output["datatype"] in ITEM_BYTES and found != least):
                raise NotWell(f"{self.model}: output {output['name']} has {found} bytes, shape {output['shape']}")
        return True


def check(host: str, port: int, models: Path, timeout_s: float, *, ensembles: bool) -> None:
    """Raise ``NotWell`` unless every instance answers and, if asked, every ensemble takes requests."""
    server = Server(host, port, time.monotonic() + timeout_s)
    tests = []
    for folder in sorted(entry for entry in models.iterdir() if entry.is_dir() and entry.name[0] != "."):
        if 'platform: "ensemble"' in (folder / "config.pbtxt").read_text():
            if ensembles:
                server.get(folder.name, "ready")
        else:
            tests.append(SelfTest.read(server, folder))
    if not tests:
        raise NotWell(f"the model repository {models} holds no model")
    requests = [test for test in tests for _ in range(test.instances)]
    with ThreadPoolExecutor(len(requests)) as pool:
        answered = list(pool.map(lambda test: test.run(server), requests))
    afterwards = Server(host, port, time.monotonic() + AFTERWARDS_S)
    for test in {test.model: test for test, came in zip(requests, answered, strict=True) if not came}.values():
        if afterwards.answers(test.model) == test.answers_before:
            raise NotWell(f"{test.model}: answered nobody in {timeout_s:g} s")


def main(arguments: list[str] | None = None) -> int:
    """Exit status, as described on top."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="default %(default)s")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="of HTTP, default %(default)s")
    parser.add_argument("--models", type=Path, default=Path("/models"), help="model repository, default %(default)s")
    parser.add_argument("--timeout-s", type=float, default=8.0, metavar="S", help="default %(default)s")
    parser.add_argument("--ensembles", action="store_true", help="also fail while an ensemble is unloaded")
    args = parser.parse_args(arguments)
    try:
        check(args.host, args.port, args.models, args.timeout_s, ensembles=args.ensembles)
    except NotWell as wrong:
        print(wrong)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

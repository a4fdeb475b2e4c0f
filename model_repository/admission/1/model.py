# SPDX-License-Identifier: Apache-2.0
"""Is there room for a study? Asked and answered in a millisecond, before any voxel of it is sent.

The id of the request is that of the requests that will bring the study. Its time runs from here on.
"""

from collections.abc import Mapping
from typing import Any

from vcf_contract.contract import ADMISSION, LEAVE, STUDIES_IN_FLIGHT, Priority
from vcf_contract.errors import Code, StudyRefused
from vcf_runtime import admission
from vcf_runtime.step import respond

WORDS = (*Priority, LEAVE)


def work(asked: Any, request: Any) -> dict[str, Any]:
    """Input and output as in the contract."""
    word = bytes(asked[0]).decode("ascii", "replace") if asked.shape == (1,) else ""
    if word not in WORDS or not request.request_id():
        raise StudyRefused(Code.BAD_INPUT, f"{ADMISSION.name} takes {', '.join(WORDS)} and a request id")
    if word == LEAVE:
        count = admission.leave(request.request_id())
    else:
        count = admission.admit(request.request_id(), request.timeout(), Priority(word))
    return {STUDIES_IN_FLIGHT.name: [count]}


class TritonPythonModel:
    """The model as Triton's Python backend drives it."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Read the limits; the model does not load with limits that make no sense."""
        admission.limit(args["model_config"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Every request is a question."""
        return [
            respond(ADMISSION, request, lambda inputs, request=request: work(*inputs, request)) for request in requests
        ]

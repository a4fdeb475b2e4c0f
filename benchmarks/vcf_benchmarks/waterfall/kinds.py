# SPDX-License-Identifier: Apache-2.0
"""Tell what the time of a study goes to."""

from enum import StrEnum


class Kind(StrEnum):
    """Tell what time goes to, in the order of a study."""

    READ = "DICOM read and decode"
    PREPARE = "client preparation"
    SERIALISE = "serialise and parse"
    NETWORK = "network"
    FRONTEND = "server front end"
    QUEUE = "server queue"
    INPUT = "model input"
    COMPUTE = "model compute"
    OUTPUT = "model output"
    WHOLE_EXCHANGE = "network and server together"
    FINDINGS = "findings"
    REPORT = "report"


PERF_ANALYZER = ("client send/receive", "network", "queue", "compute input", "compute infer", "compute output")
"""The categories of NVIDIA's perf_analyzer."""
OUTSIDE = "outside the requests"
REMAINDER_SHARE, REMAINDER_FLOOR_MS = 0.03, 2.0
"""The most of a study's time that no part may cover, as a share of the whole; under the floor it is always allowed."""

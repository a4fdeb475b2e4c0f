# SPDX-License-Identifier: Apache-2.0
"""Tell how many threads work on one study."""

import os


def cores() -> int:
    """Processor cores that this process may use; all there are, on systems that do not say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


STUDY_THREADS = min(4, cores())
"""Preparation has about four parts that can run in parallel; waiting costs a busy machine nothing."""

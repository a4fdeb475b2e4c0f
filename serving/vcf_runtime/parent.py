# SPDX-License-Identifier: Apache-2.0
"""A model's process ends with its server, however that ends.

Triton's stub waits for messages and does not notice that nobody will send one any more. The kernel's own signal at a
parent's death comes when the *thread* ends that started the child, and Triton's threads that load models end at once.
"""

import os
import select
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

STUB = "triton_python_backend_stub"
_LOOK_EVERY_S = 1.0


def end_with_server() -> None:
    """Have this process killed as soon as its parent is gone, if it is a stub of Triton's."""
    with suppress(OSError):
        if Path("/proc/self/exe").resolve().name == STUB:
            watch(os.getppid())


def watch(parent: int) -> None:
    """Kill this process as soon as another one is gone. Nothing of Python need run for that but one waiting thread."""
    threading.Thread(target=_outlive, args=(parent,), name="end-with-server", daemon=True).start()


def _outlive(parent: int) -> None:
    try:
        select.select([os.pidfd_open(parent)], [], [])
    except ProcessLookupError:
        pass  # gone already
    except OSError:  # not allowed here
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGKILL)

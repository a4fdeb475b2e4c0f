# SPDX-License-Identifier: Apache-2.0
"""One thread for NumPy's matrix products while the client prepares a study.

OpenBLAS' idle threads spin for tens of milliseconds after each product, waiting for the next one. The products here are
small and far apart: a second thread wins nothing, and its spinning takes the processor from a server on the same
machine or from the client's other studies.
"""

import threading
from collections.abc import Callable
from functools import cache
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
T = TypeVar("T")

_one_at_a_time = threading.Lock()


def on_one_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a function that runs while all of the process' BLAS is held to one thread.

    Such functions run one after the other: the number of threads is the process', and the first to leave would give it
    back under the second. A number that the program has set itself in another thread stays as it is.
    """
    with _one_at_a_time, _controller().limit(limits=1, user_api="blas"):
        return function(*args, **kwargs)


@cache
def _controller() -> ThreadpoolController:
    """Finding the libraries takes milliseconds, so once; NumPy's is loaded by then."""
    return ThreadpoolController()

# SPDX-License-Identifier: Apache-2.0
"""One thread for NumPy's matrix products while the client prepares a study.

OpenBLAS' idle threads spin for tens of milliseconds after each product, waiting for the next one. The products here are
small and far apart: a second thread wins nothing, and its spinning takes the processor from a server on the same
machine or from the client's other studies.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
T = TypeVar("T")


def on_one_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a function that runs while all of the process' BLAS is held to one thread.

    Such functions run one after the other in a thread of their own: OpenBLAS gives the number of threads back only to
    the thread that changed it. A number that the program has set itself stays as it is.
    """

    def held() -> T:
        with _controller().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return _worker(os.getpid()).submit(held).result()


@cache
def _worker(pid: int) -> ThreadPoolExecutor:
    """The thread; a forked process does not inherit it and makes its own."""
    return ThreadPoolExecutor(1, thread_name_prefix="vcf-blas")


@cache
def _controller() -> ThreadpoolController:
    """Finding the libraries takes milliseconds, so once; NumPy's is loaded by then."""
    return ThreadpoolController()

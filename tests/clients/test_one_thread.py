# SPDX-License-Identifier: Apache-2.0
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from vcf_client.one_thread import on_one_thread


def threads() -> set[int]:
    return {library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info()}


@pytest.fixture
def usual() -> set[int]:
    """How many threads there are outside."""
    _ = np.ones((2, 2), np.float32) @ np.ones((2, 2), np.float32)
    if threads() in (set(), {1}):
        pytest.skip("this BLAS takes no second thread here")
    return threads()


def test_the_number_of_threads_comes_back(usual: set[int]) -> None:
    assert on_one_thread(threads) == {1}
    assert threads() == usual


def test_it_comes_back_after_an_error(usual: set[int]) -> None:
    with pytest.raises(ZeroDivisionError):
        on_one_thread(lambda: 1 / 0)
    assert threads() == usual


def test_it_comes_back_after_many_studies_at_a_time(usual: set[int]) -> None:
    with ThreadPoolExecutor(8) as callers:
        assert list(callers.map(lambda _: on_one_thread(threads), range(40))) == [{1}] * 40
    assert threads() == usual


def test_studies_in_threads_that_come_and_go(usual: set[int]) -> None:
    for _ in range(5):
        with ThreadPoolExecutor(1) as caller:
            assert caller.submit(on_one_thread, threads).result() == {1}
        assert threads() == usual

# SPDX-License-Identifier: Apache-2.0
import pickle

import pytest

from vcf_screening.failures import WORKER_LOST, Failure, PassingError


def test_an_error_of_a_worker_says_what_the_row_will() -> None:
    with pytest.raises(PassingError, match="REPORT: not taken") as error:
        raise PassingError(Failure("REPORT", "not taken", unreachable=True))
    assert error.value.failure.unreachable and not error.value.failure.is_refusal


@pytest.mark.parametrize("failure", [WORKER_LOST, Failure("INCOMPLETE", "3 images short", is_refusal=True)])
def test_a_failure_travels_between_processes(failure: Failure) -> None:
    assert pickle.loads(pickle.dumps(failure)) == failure

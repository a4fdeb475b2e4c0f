# SPDX-License-Identifier: Apache-2.0
"""What weighs little and unpacks to much is refused, by file, by study and by ratio; what CT packs to is not."""

import pytest

from vcf_client.unpacking import FREE_BYTES, MAX_RATIO, Allowance, refuse_bomb
from vcf_contract.errors import Code, StudyRefused

MIB = 1 << 20


def test_a_study_may_unpack_to_so_many_times_its_size_and_some_more() -> None:
    allowance = Allowance()
    assert allowance.left == FREE_BYTES
    allowance.sent(MIB)
    assert allowance.left == FREE_BYTES + MAX_RATIO * MIB
    allowance.take(allowance.left)
    with pytest.raises(StudyRefused) as caught:
        allowance.take(1)
    assert caught.value.code is Code.TOO_LARGE
    assert "1.0 MiB unpack to 264 MiB or more" in caught.value.sentence
    allowance.sent(MIB)
    assert allowance.left == MAX_RATIO * MIB


def test_the_limit_holds_however_much_was_sent() -> None:
    allowance = Allowance(10 * MIB)
    allowance.sent(1 << 40)
    assert allowance.left == 10 * MIB


@pytest.mark.parametrize("ratio", [1, 3, 20])
def test_what_ct_packs_to_is_taken(ratio: int) -> None:
    refuse_bomb(300 * MIB // ratio, 300 * MIB)


def test_what_it_does_not_is_not() -> None:
    with pytest.raises(StudyRefused, match="TOO_LARGE"):
        refuse_bomb(MIB, 1000 * MIB)

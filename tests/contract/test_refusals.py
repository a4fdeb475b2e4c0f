# SPDX-License-Identifier: Apache-2.0
from vcf_client.flags import MEANING
from vcf_contract.errors import Code
from vcf_contract.refusals import REFUSED


def test_a_code_is_a_refusal_or_a_flag_and_says_what_it_means() -> None:
    assert set(REFUSED) | set(MEANING) == set(Code)
    for sentence in REFUSED.values():
        assert sentence[0].isupper() and sentence.endswith(".") and "\n" not in sentence

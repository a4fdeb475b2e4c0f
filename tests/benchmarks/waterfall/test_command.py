# SPDX-License-Identifier: Apache-2.0
from argparse import ArgumentParser

import pytest

from vcf_benchmarks.waterfall import command
from vcf_benchmarks.waterfall.options import add_arguments
from vcf_contract.errors import UsageError


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--runs", "0"], "--runs is 0"),
        (["--transport", "pigeon"], "--transport is pigeon"),
        (["--trace-file", "t"], "give --server too"),
    ],
)
def test_wrong_options_are_said(options: list[str], said: str) -> None:
    parser = ArgumentParser()
    add_arguments(parser)
    with pytest.raises(UsageError, match=said):
        command.run(parser.parse_args(options))

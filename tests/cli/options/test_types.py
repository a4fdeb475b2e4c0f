# SPDX-License-Identifier: Apache-2.0
import argparse
from collections.abc import Callable

import pytest

from vcf_cli.options.types import count, natural, positive


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [(positive, "0.5", 0.5), (positive, "1e3", 1000.0), (count, "1", 1), (count, "007", 7), (natural, "0", 0)],
)
def test_numbers(kind: Callable[[str], float], text: str, value: float) -> None:
    assert kind(text) == value and type(kind(text)) is type(value)


@pytest.mark.parametrize(
    ("kind", "texts", "accepted"),
    [
        (positive, ["", "x", "0", "-1", "nan", "inf", "1,5"], "a number of seconds greater than 0"),
        (count, ["", "0", "-1", "1.0", "x", "²", "१", " 1"], "a whole number of at least 1"),
        (natural, ["", "-1", "0.5", "x", "²"], "a whole number of 0 or more"),
    ],
)
def test_what_is_none_is_quoted_with_what_is_accepted(
    kind: Callable[[str], float], texts: list[str], accepted: str
) -> None:
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError, match=accepted) as error:
            kind(text)
        assert repr(text) in str(error.value)

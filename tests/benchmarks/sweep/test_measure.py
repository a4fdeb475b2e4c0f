# SPDX-License-Identifier: Apache-2.0
"""A form is started and measured, or says why it does not start."""

import importlib.util

import pytest

from vcf_benchmarks.sweep.measure import Load, read
from vcf_contract.errors import SetupError
from vcf_export.tuning import Tuning


def skip_without_triton():
    if importlib.util.find_spec("pytriton") is None:
        pytest.skip("the Triton server is not installed (nvidia-pytriton)")


@pytest.mark.slow
@pytest.mark.server
def test_a_form_that_does_not_load_says_so(tiny_repository, tmp_path):
    skip_without_triton()
    import shutil

    copy = shutil.copytree(tiny_repository, tmp_path / "repository")
    with pytest.raises(SetupError, match="int8"):
        read(copy, Tuning.of("cpu-int8"), [], Load("auto", None, 1, 1, 1, 1), None)

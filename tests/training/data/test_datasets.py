# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")
from vcf_training.data.annotated import DataCode, DataError
from vcf_training.data.datasets import detect


def test_data_of_no_known_format(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(DataError) as caught:
            detect(path)
        assert caught.value.code == DataCode.NO_STUDIES
        assert str(tmp_path) not in str(caught.value)

# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest

from vcf_training.data import published
from vcf_training.data.published import PUBLISHED, found_sha256
from vcf_training.data.real_spines import _SPINES
from vcf_training.data.sources import SOURCES, Where
from vcf_training.masks.spines import read_entries


def test_all_that_trains_and_comes_in_no_package_is_listed() -> None:
    trained = {name for name in _SPINES if name.startswith("shared/") and SOURCES[name].use != "evaluate"}
    masks = {entry.source for entry in read_entries() if entry.use == "train"}
    assert set(PUBLISHED) == trained | masks


def test_entries_have_address_hash_and_a_licence_that_lets_train() -> None:
    for entry in PUBLISHED.values():
        assert entry.address.startswith("https://")
        assert len(entry.sha256) == 64
        assert not {"NC", "SA"} & set(entry.licence.replace("-", " ").replace(",", " ").split())


@pytest.mark.parametrize("name", ["shared/spine-masks/healthivert-0007/0007_msk.nii.gz", "shared/ct/acrin013"])
def test_what_lies_at_hand_is_what_is_listed(shared_data: Path, name: str) -> None:
    assert found_sha256(name, Where(shared_data)) == PUBLISHED[name].sha256


def test_another_file_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "shared/spine-masks/healthivert-0007/0007_msk.nii.gz"
    monkeypatch.setattr(published, "PUBLISHED", {name: PUBLISHED[name]})
    monkeypatch.setattr("sys.argv", ["published", "--shared-data", str(tmp_path)])
    assert published.main() == 0
    assert "missing: https" in capsys.readouterr().out
    mask = tmp_path / "spine-masks/healthivert-0007/0007_msk.nii.gz"
    mask.parent.mkdir(parents=True)
    mask.write_bytes(np.random.default_rng(0).bytes(50))
    assert published.main() == 1
    assert "another than" in capsys.readouterr().out

# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vcf_preprocess.geometry import Volume
from vcf_training.data import annotate
from vcf_training.data.annotate import Keyframe, interpolate_keyframes, read_keyframes
from vcf_training.data.canal import BOXES_CSV
from vcf_training.data.sources import Where


@pytest.mark.slow
def test_repository_boxes_come_from_their_keyframes(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody edits the boxes by hand: a change belongs into the keyframes."""
    name = "shared/ct/crlm-ct-1006"
    monkeypatch.setattr(annotate, "read_keyframes", lambda: [k for k in read_keyframes() if k.source == name])
    annotate.write_boxes(Where(shared_data), tmp_path / "boxes.csv")
    kept = [line for line in BOXES_CSV.read_text().splitlines() if line.startswith(("source", name))]
    assert (tmp_path / "boxes.csv").read_text().splitlines() == kept


def test_boxes_set_by_eye_stand_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = Volume(np.zeros((6, 9, 9), np.int16), (5.0, 1.0, 1.0), np.eye(4))
    keyframes = [
        Keyframe("s", 0, "absent", None, None),
        Keyframe("s", 1, "centre", (30.0, 40.0), None),
        Keyframe("s", 3, "box", (34.0, 44.0), (20.0, 16.0)),
    ]
    seen = {}

    def fit(volume: Volume, indices: np.ndarray, centres: np.ndarray, trust: np.ndarray) -> np.ndarray:
        seen.update(indices=indices.tolist(), centres=centres.tolist(), trust=trust.tolist())
        return np.concatenate([centres - 5, centres + 5], axis=1)

    monkeypatch.setattr(annotate, "fit_canal", fit)
    assert interpolate_keyframes(volume, keyframes) == [
        (0, None, "eye"),
        (1, (25.0, 35.0, 35.0, 45.0), "fit"),
        (2, (27.0, 37.0, 37.0, 47.0), "fit"),
        (3, (24.0, 36.0, 44.0, 52.0), "eye"),
    ]
    assert seen == {
        "indices": [1, 2, 3],
        "centres": [[30.0, 40.0], [32.0, 42.0], [34.0, 44.0]],
        "trust": [True, True, False],
    }


def test_keyframes_are_complete() -> None:
    for key in read_keyframes():
        assert (key.centre_mm is None) == (key.kind == "absent")
        assert (key.size_mm is None) == (key.kind != "box")


def test_sheets_of_an_annotated_source(shared_data: Path, tmp_path: Path) -> None:
    written = annotate.write_sheets("shared/ct/axial-slices/1", Where(shared_data), 1, tmp_path)
    assert [path.name for path in written] == ["shared_ct_axial-slices_1-0.png"]
    assert Image.open(written[0]).width > 200

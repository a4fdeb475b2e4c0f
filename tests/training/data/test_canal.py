# SPDX-License-Identifier: Apache-2.0
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from vcf_contract.errors import SetupError
from vcf_contract.spec import DETECTOR
from vcf_training.data import fetch
from vcf_training.data.canal import (
    BOXES_CSV,
    CanalSlice,
    lidc_canal_truth,
    load_canal_slices,
    mask_centres_mm,
    read_boxes,
)
from vcf_training.data.fetch import fetch_sample
from vcf_training.data.sources import SOURCES, read_slices

HEADER = "source,slice,x0,y0,x1,y1,reader,method\n"


@pytest.fixture(scope="module")
def slices(shared_data: Path) -> list[CanalSlice]:
    return load_canal_slices(shared_data)


def fetched(sample: str) -> Path:
    try:
        return fetch_sample(sample)
    except SetupError as error:
        pytest.skip(str(error))


def test_the_test_patient_is_never_annotated_or_trained_on() -> None:
    assert not [row for row in read_boxes() if "lidc" in row.source]
    assert SOURCES["lidc-idri-0001"].use == "evaluate"


def test_non_commercial_data_is_never_trained_on() -> None:
    assert all(source.use == "evaluate" for source in SOURCES.values() if "BY-NC" in source.attribution)


def test_each_slice_is_annotated_once() -> None:
    seen = Counter((row.source, row.slice) for row in read_boxes())
    assert max(seen.values()) == 1


def test_more_slices_than_the_paper() -> None:
    trained = [row for row in read_boxes() if SOURCES[row.source].use == "train" and row.box]
    assert len(trained) > 300
    assert len({SOURCES[row.source].patient for row in trained}) >= 10


def test_boxes_lie_in_their_images_and_are_canals(slices: list[CanalSlice]) -> None:
    shown = [s for s in slices if s.box]
    assert shown
    for s in shown:
        assert s.box and s.size_mm and s.centre_mm
        rows, columns = s.image_hu.shape
        assert s.box[0] >= 0 and s.box[1] >= 0 and s.box[2] <= columns and s.box[3] <= rows, (s.source, s.index)
        assert 10 < s.size_mm[0] < 40 and 10 < s.size_mm[1] < 32, (s.source, s.index)


def test_canal_contents_are_soft_and_bone_is_near(slices: list[CanalSlice]) -> None:
    """The middle of each box holds cord or dural sac, and there is bone within 30 mm of it."""
    for s in slices:
        if s.centre_mm is None:
            continue
        y, x = np.indices(s.image_hu.shape)
        away = np.hypot(x * s.spacing_mm[1] - s.centre_mm[0], y * s.spacing_mm[0] - s.centre_mm[1])
        assert -60 < np.median(s.image_hu[away < 4]) < 120, (s.source, s.index)
        assert (s.image_hu[away < 30] > 250).sum() * np.prod(s.spacing_mm) > 100, (s.source, s.index)


def test_line_is_smooth(slices: list[CanalSlice]) -> None:
    """The canal moves less than 1 mm a millimetre of height, whatever the box around it does."""
    height_mm = {"crlm-1006": 5.0, "lung-pet-ct-dx-a0001": 5.0, "totalsegmentator-1": 3.0, "totalsegmentator-2": 1.5}
    for patient, step_mm in height_mm.items():
        centres = [s.centre_mm for s in slices if s.patient == patient and s.centre_mm]
        moves = np.hypot(*np.diff(np.array(centres), axis=0).T)
        assert moves.max() < step_mm + 1.0, patient


def test_box_fits_the_detector(slices: list[CanalSlice]) -> None:
    reach_mm = DETECTOR.image_px * DETECTOR.pixel_mm / 2
    for s in slices:
        if s.centre_mm is None:
            continue
        rows, columns = s.image_hu.shape
        middle = ((columns - 1) / 2 * s.spacing_mm[1], (rows - 1) / 2 * s.spacing_mm[0])
        assert max(abs(c - m) for c, m in zip(s.centre_mm, middle, strict=True)) < reach_mm - 20


def test_absent_data_is_left_out_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_network(*arguments: object) -> None:
        raise SetupError("no network")

    monkeypatch.setattr(fetch, "_pip_download", no_network)
    assert load_canal_slices(tmp_path / "absent", tmp_path / "cache") == []
    assert "VCF_SHARED_DATA" in caplog.text
    assert "no network" in caplog.text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nowhere,0,1,1,5,5,1,eye\n", "unknown source"),
        ("tptbox/sample_ct,0,5,1,5,5,1,eye\n", "no area"),
        ("tptbox/sample_ct,0,1,1,5,5,1,guess\n", "neither eye nor fit"),
    ],
)
def test_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(HEADER + line)
    with pytest.raises(ValueError, match=f"line 2: .*{message}"):
        read_boxes(path)


def test_slice_without_canal(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(HEADER + "tptbox/sample_ct,0,,,,,1,eye\n")
    assert read_boxes(path)[0].box is None


def test_nothing_in_the_table_names_a_file_or_an_identifier() -> None:
    assert BOXES_CSV.read_text().startswith(HEADER)
    assert ".dcm" not in BOXES_CSV.read_text()


def test_mask_centre() -> None:
    mask = np.zeros((2, 10, 12), bool)
    mask[1, 2:5, 6:11] = True
    centres = mask_centres_mm(mask, (3.0, 0.5, 2.0))
    assert np.isnan(centres[0]).all()
    assert centres[1].tolist() == [8 * 2.0, 3 * 0.5]


@pytest.mark.slow
def test_truth_lies_on_the_grid_of_the_dicom_series() -> None:
    """The labels belong to a NIfTI file; the product reads the DICOM series of another package version."""
    fetched("lidc-idri-0001-labels")
    volume, centre_mm = lidc_canal_truth()
    series = read_slices(sorted(fetched("lidc-idri-0001").rglob("*.dcm")))
    np.testing.assert_allclose(series.affine, volume.affine, atol=1e-3)
    np.testing.assert_array_equal(series.hu, volume.hu)
    assert centre_mm.shape == (len(volume.hu), 2)
    assert np.isfinite(centre_mm).all()
    z = np.arange(0, len(volume.hu), 10)
    x, y = np.rint(centre_mm[z] / volume.spacing_mm[:0:-1]).astype(int).T
    assert (np.abs(volume.hu[z, y, x] - 35) < 60).all(), "the centre must lie in cord or dural sac"

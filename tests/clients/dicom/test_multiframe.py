# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from tests.clients.dicom import factory
from tests.clients.dicom.test_stack import assert_is_body
from vcf_client.dicom.files import Source
from vcf_client.dicom.header import HeaderReader
from vcf_client.dicom.slices import Slice
from vcf_client.reader import read_study
from vcf_contract.errors import Code, StudyRefused


def whole() -> Dataset:
    return factory.enhanced(factory.make_series())


def read_code(path: Path) -> Code | None:
    try:
        read_study(path)
    except StudyRefused as refusal:
        return refusal.code
    return None


def test_frames_in_any_order(tmp_path: Path) -> None:
    series = factory.make_series()
    assert_is_body(read_study(factory.save(factory.enhanced(series[::2] + series[1::2]), tmp_path / "e.dcm")))


def test_legacy_converted_file(shared_data: Path) -> None:
    """A converted file of three frames, whose elements dcmdump shows."""
    read = HeaderReader().read(Source(shared_data / "malformed" / "files" / "legacy-enhanced-multiframe.dcm"))
    assert isinstance(read, list) and len(read) == 3
    assert all(isinstance(s, Slice) and s.has_geometry and s.damage is None for s in read)
    assert [s.position_mm for s in read] == [(46.4649, 5.01881, z) for z in (-177.75, -175.25, -172.75)]
    assert {(s.pixel_spacing_mm, s.thickness_mm, s.slope, s.intercept) for s in read} == {((0.7, 0.7), 2.5, 1.0, 0.0)}


def drop_groups(ds: Dataset) -> None:
    del ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence


def no_positions(ds: Dataset) -> None:
    for groups in ds.PerFrameFunctionalGroupsSequence:
        del groups.PlanePositionSequence


def no_orientation(ds: Dataset) -> None:
    del ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence


def no_rescale(ds: Dataset) -> None:
    for groups in ds.PerFrameFunctionalGroupsSequence:
        del groups.PixelValueTransformationSequence


def maximum_projection(ds: Dataset) -> None:
    ds.SharedFunctionalGroupsSequence[0].CTImageFrameTypeSequence[0].VolumeBasedCalculationTechnique = "MAX_IP"


def lung(ds: Dataset) -> None:
    ds.SharedFunctionalGroupsSequence[0].CTReconstructionSequence[0].ConvolutionKernel = "LUNG"


def fewer_groups_than_frames(ds: Dataset) -> None:
    ds.PerFrameFunctionalGroupsSequence = Items(ds.PerFrameFunctionalGroupsSequence[:10])


def more_frames_than_pixels(ds: Dataset) -> None:
    ds.PixelData = ds.PixelData[: len(ds.PixelData) // 2]


def gated(ds: Dataset) -> None:
    ds.CardiacSynchronizationTechnique = "PROSPECTIVE"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (drop_groups, Code.UNSUPPORTED_SOP),
        (no_positions, Code.NO_GEOMETRY),
        (no_orientation, Code.NO_GEOMETRY),
        (no_rescale, Code.NO_RESCALE),
        (maximum_projection, Code.DERIVED_IMAGE),
        (lung, Code.LUNG_KERNEL),
        (fewer_groups_than_frames, Code.TOO_SHORT),
        (more_frames_than_pixels, Code.TOO_SHORT),
        (gated, Code.CARDIAC),
    ],
)
def test_refused(tmp_path: Path, change: Callable[[Dataset], None], code: Code) -> None:
    ds = whole()
    change(ds)
    assert read_code(factory.save(ds, tmp_path / "e.dcm")) == code


def test_shared_groups_stand_in_for_frames(tmp_path: Path) -> None:
    ds = whole()
    shared, frames = ds.SharedFunctionalGroupsSequence[0], ds.PerFrameFunctionalGroupsSequence
    shared.PixelValueTransformationSequence = frames[0].PixelValueTransformationSequence
    no_rescale(ds)
    for groups in frames:
        groups.PixelMeasuresSequence = shared.PixelMeasuresSequence
    del shared.PixelMeasuresSequence
    assert_is_body(read_study(factory.save(ds, tmp_path / "e.dcm")))


def test_fragmented_frames(shared_data: Path) -> None:
    """Two 12-bit JPEG frames, each in several fragments, against pydicom."""
    import numpy as np
    from pydicom import dcmread

    from vcf_client.dicom.pixels import decode

    path = shared_data / "malformed" / "transfer-syntaxes" / "enhanced-ct-fragmented-jpeg-12bit.dcm"
    slices = HeaderReader().read(Source(path))
    assert isinstance(slices, list)
    decoded = decode(slices)
    assert not decoded.failed
    np.testing.assert_array_equal(decoded.hu, np.clip(dcmread(path).pixel_array.astype(int) - 1024, -1024, None))

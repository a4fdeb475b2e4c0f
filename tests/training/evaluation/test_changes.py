# SPDX-License-Identifier: Apache-2.0
"""Changes of a volume whose voxels tell where they came from."""

from dataclasses import replace

import numpy as np
import pytest

from tests.training.evaluation.made import vertebra
from vcf_preprocess.geometry import Volume
from vcf_training.evaluation.changes import KEPT_MM, KINDS, Change, changes, tilted

SPACING = (2.0, 1.0, 1.0)
AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])


@pytest.fixture(scope="module")
def volume() -> Volume:
    """160 slices of 300 x 280; a column of bone, and values that rise by 1 HU a slice."""
    hu = np.broadcast_to(np.arange(160)[:, None, None], (160, 300, 280)).astype(np.int16)
    hu = hu.copy()
    hu[:, 190:210, 130:150] += 600
    hu[80, :5, :5] = 200  # or blurring along the ramp would change nothing
    return Volume(hu, SPACING, AFFINE)


CANAL = np.array([[140.0, 215.0, z] for z in (0.0, 318.0)])


def made(volume: Volume, fractures: tuple[object, ...] = ()) -> list[Change]:
    return list(changes(volume, CANAL, fractures))  # type: ignore[arg-type]


@pytest.mark.slow
def test_every_kind_is_made_and_stays_a_volume(volume: Volume) -> None:
    found = made(volume)
    assert list(dict.fromkeys(one.kind for one in found)) == list(KINDS)
    assert sum(one.kind == "trimmed" for one in found) == 24
    for one in found:
        changed = one.make()
        assert changed.hu.dtype == np.int16, str(one)
        assert not np.array_equal(changed.hu, volume.hu), str(one)


def test_no_cut_takes_a_fracture_away(volume: Volume) -> None:
    fracture = vertebra("L3", 40.0, 2)  # from 30 to 50 mm
    for one in made(volume, (fracture,)):
        if one.kind == "trimmed":
            first = one.make().hu[0, 0, 0] * 2.0
            assert first <= 30 - KEPT_MM or "head" in one.name, str(one)
    assert not any(one.kind == "tilt" for one in made(volume, (fracture,))), "a tilted scan would not show it whole"
    assert any(one.kind == "tilt" for one in made(volume, (vertebra("T11", 160.0, 2),)))


def test_slices_are_halved_only_as_far_as_the_reader_accepts(volume: Volume) -> None:
    thick = replace(volume, spacing_mm=(3.0, 1.0, 1.0))
    assert not any(one.kind == "half the slices" for one in made(thick))
    halved = [one.make() for one in made(volume) if one.kind == "half the slices"]
    assert [(v.hu[0, 0, 0], len(v.hu), v.spacing_mm[0]) for v in halved] == [(0, 80, 4.0), (1, 80, 4.0)]


def test_a_short_scan_is_not_cut_below_what_is_accepted(volume: Volume) -> None:
    short = volume.part(0, 65)  # 130 mm
    assert [one.name for one in made(short) if one.kind == "trimmed"][-1] == "8 mm at the head"


@pytest.mark.parametrize("degrees", [-20.0, 20.0])
def test_a_tilt_is_taken_out_again_with_voids_in_front(volume: Volume, degrees: float) -> None:
    upright = tilted(volume, degrees, 215.0)
    about_spine = upright.hu[:, 200, 140].astype(int)
    assert len(upright.hu) < 160
    assert (about_spine > -1000).all(), "the reader leaves out slices in which the spine is not covered"
    assert (np.diff(about_spine) == 1).all(), "each slice lies one higher: the shear is undone"
    assert (upright.hu[[0, -1]] == -1024).any(), "the voids that a tilt leaves"
    rows = upright.hu[len(upright.hu) // 2, 150:260, 20].astype(int)
    assert np.ptp(rows) <= 1, "a slice is axial again"


@pytest.mark.slow
def test_every_change_knows_where_it_lies_in_the_patient(volume: Volume) -> None:
    """The ramp tells the height of each voxel, the column of bone its place in the slice."""
    for one in made(volume):
        if one.kind in ("brightness", "noise"):
            continue
        changed = one.make()
        slice_index = len(changed.hu) // 2
        image = changed.hu[slice_index].astype(float)
        bone = image > 500
        rows, columns = np.nonzero(bone)
        dz, dy, dx = changed.spacing_mm
        at = np.array([columns.mean() * dx, rows.mean() * dy, slice_index * dz])
        place = changed.to_lps_mm(at)
        height_mm = 2.0 * (float(np.median(image[bone])) - 600)
        np.testing.assert_allclose(place, [139.5, 199.5, height_mm], atol=1.6, err_msg=str(one))
        assert changed.slice_location_mm == pytest.approx(height_mm - slice_index * dz, abs=1.6), str(one)

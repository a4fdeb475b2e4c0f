# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, signal

from tests.preprocess import anatomy
from vcf_contract.errors import StudyRefused
from vcf_contract.spec import PATCH, PatchSpec
from vcf_preprocess import patches
from vcf_preprocess.centre_line import CentreLine
from vcf_preprocess.fourier import resampled_length
from vcf_preprocess.geometry import canonicalise

FINE = (1.0, 0.8, 0.8)


def unwindowed(windowed, spec=PATCH):
    return windowed * spec.window_width_hu + spec.window_hu[0]


def grid_mm(line, tiles, index, spec=PATCH):
    """Place x, y, z of every voxel of a patch, worked out from the description in the specification."""
    h, w, d = spec.grid
    z0, z1 = tiles.boxes_mm[index, [2, 5]]
    z = z1 - (np.arange(h) + 0.5) * (z1 - z0) / h
    y = np.interp(z, line.points_mm[:, 2], line.points_mm[:, 1])[:, None] - spec.anterior_mm
    y = y + (np.arange(w) + 0.5) * spec.box_mm[1] / w
    x = np.interp(z, line.points_mm[:, 2], line.points_mm[:, 0])[:, None] - spec.half_width_mm
    x = x + (np.arange(d) + 0.5) * spec.box_mm[2] / d
    return x[:, None, :], y[:, :, None], z[:, None, None]


@pytest.mark.parametrize("spacing", [FINE, (2.5, 0.7, 0.7), (1.5, 0.9, 0.6)])
def test_a_patch_shows_the_anatomy_at_its_place(spacing):
    """Against the anatomy's formula at each voxel's place: the resampling may only blur it."""
    volume = anatomy.sample(spacing)
    line = anatomy.true_line(volume)
    tiles = patches.extract(volume.hu, volume.spacing_mm, line)
    assert tiles.patches.shape == (6, *PATCH.grid)
    for i, patch in enumerate(tiles.patches):
        x, y, z = grid_mm(line, tiles, i)
        truth = anatomy.hu_at(x, y, z)
        between_slices = (z > 2) & (z < line.points_mm[-1, 2] - 2)
        inside = (truth > 0) & (truth < 780) & between_slices
        error = (unwindowed(patch) - truth)[inside]
        assert np.abs(error).mean() < 6
        assert np.percentile(np.abs(error), 99) < 30


def test_plain_mode_equals_scipy_on_the_whole_volume_sampled_point_by_point():
    """The composed matrices against: SciPy resamples everything, then linear interpolation at each place.

    Patch voxels are finer than the volume's here, so both interpolate linearly and nothing is averaged.
    """
    volume = anatomy.sample((4.0, 2.0, 2.0))
    line = anatomy.true_line(volume)
    spec = PatchSpec(grid=(32, 40, 32), window_centre_hu=0, window_width_hu=8000)
    tiles = patches.extract(volume.hu, volume.spacing_mm, line, spec, "plain")
    n_out = resampled_length(len(volume.hu), 4.0, 2.0)
    whole = signal.resample(volume.hu.astype(np.float64), n_out, axis=0)
    x, y, z = grid_mm(line, tiles, 2, spec)
    places = np.broadcast_arrays(z / (4.0 * len(volume.hu) / n_out), y / 2.0, x / 2.0)
    expected = ndimage.map_coordinates(whole, np.stack(places), order=1)
    np.testing.assert_allclose(unwindowed(tiles.patches[2], spec), expected, atol=0.01)


@pytest.mark.parametrize("permutation", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("flips", [(0,), (2,), (0, 1), (0, 1, 2)])
def test_prone_feet_first_and_reversed_copies_give_the_same_patches(permutation, flips):
    volume = anatomy.sample((2.5, 1.0, 1.0))
    stored, affine = volume.hu.transpose(2, 1, 0), volume.affine.copy()
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (stored.shape[axis] - 1)
        affine[:3, axis] *= -1
        stored = np.flip(stored, axis)
    affine[:3, :3] = affine[:3, list(permutation)]
    turned = canonicalise(stored.transpose(permutation), affine)
    line = anatomy.true_line(volume)
    ours, theirs = (patches.extract(v.hu, v.spacing_mm, line).patches for v in (volume, turned))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("spacing", "shift"), [((2.0, 0.7, 0.7), (0, 0, 0)), ((1.0, 0.9, 0.9), (0, 3.3, -4.1))])
def test_another_spacing_or_position_of_the_grid_gives_the_same_patches(spacing, shift):
    """Within the error of interpolation: 1 % of the window on average."""
    one, other = anatomy.sample(FINE), anatomy.sample(spacing, shift)
    tiles = [patches.extract(v.hu, v.spacing_mm, anatomy.true_line(v)) for v in (one, other)]
    assert tiles[0].patches.shape == tiles[1].patches.shape
    assert np.abs(tiles[0].patches - tiles[1].patches).mean() < 0.01


def test_boxes_cover_the_column_and_hold_the_canal():
    volume = anatomy.sample(FINE)
    line = anatomy.true_line(volume, 20, 240)
    tiles = patches.extract(volume.hu, volume.spacing_mm, line)
    boxes = tiles.boxes_mm
    assert boxes[0, 5] == pytest.approx(239.5)
    assert boxes[-1, 2] == pytest.approx(19.5)
    assert (boxes[1:, 5] >= boxes[:-1, 2] - 1e-3).all()
    x, y, z = line.points_mm.T
    holds = (
        (boxes[:, None, 0] < x)
        & (x < boxes[:, None, 3])
        & (boxes[:, None, 1] < y)
        & (y < boxes[:, None, 4])
        & (boxes[:, None, 2] <= z)
        & (z <= boxes[:, None, 5])
    )
    assert holds.any(0).all()
    assert (np.diff(tiles.location) > 0).all()


def test_the_mirror_image_of_the_volume_gives_the_mirror_image_of_the_patch():
    volume = anatomy.sample(FINE)
    line = anatomy.true_line(volume)
    mirrored = line.points_mm.copy()
    mirrored[:, 0] = (volume.hu.shape[2] - 1) * FINE[2] - mirrored[:, 0]
    ours = patches.extract(volume.hu, FINE, line).patches
    theirs = patches.extract(volume.hu[..., ::-1], FINE, CentreLine(0, mirrored, ())).patches
    np.testing.assert_allclose(theirs[..., ::-1], ours, atol=1e-4)


def test_the_window_is_370_840_and_comes_last():
    volume = np.full((60, 100, 100), 370, np.int16)
    volume[30:] = 3000
    z = np.arange(60) * 2.0
    line = CentreLine(0, np.stack([z * 0 + 50, z * 0 + 60, z], -1), ())
    tiles = patches.extract(volume, (2.0, 1.0, 1.0), line)
    assert tiles.patches[0, :8].min() == 1
    np.testing.assert_allclose(tiles.patches[-1, -8:], 0.5, atol=0.01)


def test_beyond_the_volume_is_air():
    volume = np.full((60, 60, 60), 300, np.int16)
    z = np.arange(60) * 2.0
    line = CentreLine(0, np.stack([z * 0 + 10, z * 0 + 20, z], -1), ())
    tiles = patches.extract(volume, (2.0, 1.0, 1.0), line)
    assert not tiles.patches[:, :, :14].any()
    assert not tiles.patches[..., :8].any()
    assert tiles.patches[:, :, 18:, 12:].min() > 0.4
    far = CentreLine(0, np.stack([z * 0 + 900, z * 0 + 900, z], -1), ())
    assert not patches.extract(volume, (2.0, 1.0, 1.0), far).patches.any()


def test_a_spine_of_too_many_patches_is_refused_with_the_limit():
    z = np.arange(800) * 2.0
    line = CentreLine(0, np.stack([z * 0, z * 0, z], -1), ())
    with pytest.raises(StudyRefused, match="TOO_LONG: 1600 mm of spine need 34 patches, at most 32"):
        patches.extract(np.zeros((800, 4, 4), np.int16), (2.0, 1.0, 1.0), line)


@pytest.mark.parametrize("spacing", [FINE, (2.5, 0.7, 0.7), (5.0, 2.0, 2.0), (5.0, 4.0, 30.0)])
@pytest.mark.parametrize("threads", [2, 3, 16])
def test_threads_change_no_bit(spacing, threads):
    volume = anatomy.sample(spacing)
    line = anatomy.true_line(volume)
    one = patches.extract(volume.hu, volume.spacing_mm, line)
    many = patches.extract(volume.hu, volume.spacing_mm, line, threads=threads)
    np.testing.assert_array_equal(many.patches, one.patches)


@pytest.mark.parametrize(
    "rows", [0, 1, 2, *(n * patches._ROWS + over for n in (1, 2, 3, 4) for over in (-1, 0, 1)), 400]
)
def test_parts_hold_every_row_once_and_few_at_a_time(rows):
    parts = patches._parts(rows)
    assert [row for part in parts for row in range(part.start, part.stop)] == list(range(rows))
    assert all(part.stop - part.start <= patches._ROWS for part in parts)
    assert len(parts) % 2 == 0 or rows < 2


def test_a_spine_that_leaves_the_volume_is_air_where_it_is_outside():
    """Of two patches that share a product one may lie outside, or reach out of it with a part of its rows."""
    volume = anatomy.sample((2.5, 0.8, 0.8))
    line = anatomy.true_line(volume)
    away_mm = np.linspace(0, 250, len(line.points_mm))[:, None] * [0, 1, 0]
    tiles = patches.extract(volume.hu, volume.spacing_mm, replace(line, points_mm=line.points_mm + away_mm))
    whole = patches.extract(volume.hu, volume.spacing_mm, line)
    assert tiles.patches[0].max() == 0 and tiles.patches[1].max() == 0
    # The lowest patch hardly moved: behind its first rows the two show the same.
    assert np.abs(tiles.patches[-1] - whole.patches[-1]).mean() < np.abs(tiles.patches[-2] - whole.patches[-2]).mean()
    assert tiles.patches[-1].max() > 0.5


def test_what_lies_beyond_the_covered_spine_changes_no_patch():
    """Blank slices at both ends, or other voxels there: the same patches, bit for bit, only lower or higher."""
    volume = anatomy.sample(FINE)
    line = anatomy.true_line(volume)
    plain = patches.extract(volume.hu, volume.spacing_mm, line)
    for below, above, value in [(1, 1, -1024), (4, 0, 3000), (0, 7, -1024)]:
        padded = np.pad(volume.hu, ((below, above), (0, 0), (0, 0)), constant_values=value)
        moved = CentreLine(below, line.points_mm + np.array([0, 0, below * FINE[0]]), ())
        tiles = patches.extract(padded, volume.spacing_mm, moved)
        np.testing.assert_allclose(tiles.patches, plain.patches, atol=1e-5)
        np.testing.assert_allclose(tiles.boxes_mm[:, 2] - below * FINE[0], plain.boxes_mm[:, 2], atol=1e-4)


def test_a_void_goes_on_with_the_value_at_its_edge():
    hu = np.array([-1024, -2000, 5, 7, -1024, 9, -1024], np.float32)[:, None, None].repeat(2, 1)
    hu[:, 1] = -1024
    patches.fill_voids(hu)
    assert hu[:, 0, 0].tolist() == [5, 5, 5, 7, -1024, 9, 9], "only at the ends"
    assert (hu[:, 1] == -1024).all(), "a column that is void throughout stays so"


def test_the_callers_voxels_are_not_touched():
    volume = anatomy.sample(FINE)
    hu = volume.hu.copy()
    hu[:2] = -1024
    before = hu.copy()
    patches.extract(hu, volume.spacing_mm, anatomy.true_line(volume))
    np.testing.assert_array_equal(hu, before)


@pytest.mark.parametrize("cut_mm", [(0, 7), (13, 0), (31, 22)])
def test_a_part_of_a_scan_shows_the_same_patches(cut_mm: tuple[int, int]) -> None:
    """What a patch of a shorter scan shows that is not the first or the last one, a patch of the whole shows, too."""
    whole = anatomy.sample(FINE)
    part = whole.part(cut_mm[0], len(whole.hu) - cut_mm[1])
    seen = []
    for volume in (whole, part):
        z0 = volume.affine[2, 3]
        line = anatomy.true_line(volume)
        tiles = patches.extract(volume.hu, volume.spacing_mm, line, overlap=0.5, location_mm=volume.slice_location_mm)
        seen.append(
            {round(float(box[2]) + z0, 3): patch for box, patch in zip(tiles.boxes_mm, tiles.patches, strict=True)}
        )
    inside = sorted(seen[1])[1:-1]
    assert len(inside) >= 5
    for height in inside:
        assert np.abs(seen[0][height] - seen[1][height]).max() < 0.02  # Fourier series of shorter columns

# SPDX-License-Identifier: Apache-2.0
import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.clients.dicom import factory
from vcf_client.reader import read_study
from vcf_contract.errors import Code, StudyRefused

RAS_OF_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def grid(shape: tuple[int, int, int] = (52, 50, 60), spacing: tuple[float, ...] = (6, 5.5, 2.5)) -> NDArray[Any]:
    """LPS affine of a volume whose axes run to the left, the back and the head, centred on the body."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -np.array(spacing) * (np.array(shape) - 1) / 2
    return affine


def values(affine: NDArray[Any], shape: tuple[int, int, int]) -> NDArray[Any]:
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1)
    points = index @ affine[:3, :3].T + affine[:3, 3]
    return factory.body(points[..., 0], points[..., 1], points[..., 2])


def write(path: Path, hu: NDArray[Any], lps: NDArray[Any], dtype: Any = np.int16) -> Path:
    stored = np.rint(hu).astype(dtype) if np.dtype(dtype).kind == "i" else hu.astype(dtype)
    image = nibabel.Nifti1Image(stored, RAS_OF_LPS @ lps)
    nibabel.save(image, path)
    return path


def code_of(path: Path) -> Code:
    with pytest.raises(StudyRefused) as caught:
        read_study(path)
    assert str(path) not in str(caught.value) and caught.value.__context__ is None
    return caught.value.code


def test_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """Eight GiB of float64 zeros, of which the gzip stream needs to hold none: the header declares them."""
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2)), np.eye(4))
    header = image.header
    header.set_data_shape((1024, 1024, 1000))
    with gzip.open(tmp_path / "bomb.nii.gz", "wb") as file:
        file.write(header.binaryblock + bytes(1 << 16))
    assert code_of(tmp_path / "bomb.nii.gz") == Code.TOO_LARGE


def assert_is_body(path: Path, rounding_hu: float = 0.51) -> None:
    volume = read_study(path).volume
    expected = factory.at_voxels(volume.affine, volume.hu.shape)
    assert np.abs(volume.hu - expected).max() <= rounding_hu
    assert np.diag(volume.affine[:3, :3]).min() > 0


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_types(tmp_path: Path, name: str, dtype: Any) -> None:
    affine = grid()
    assert_is_body(write(tmp_path / name, values(affine, (52, 50, 60)), affine, dtype))


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, -1), (1, -1, -1), (-1, -1, -1)])
def test_axes_in_any_order_and_direction(tmp_path: Path, axes: tuple[int, ...], flips: tuple[int, ...]) -> None:
    affine = grid()
    hu = values(affine, (52, 50, 60))
    for axis, flip in enumerate(flips):
        if flip < 0:
            hu = np.flip(hu, axis)
            affine[:3, 3] += affine[:3, axis] * (hu.shape[axis] - 1)
            affine[:3, axis] *= -1
    affine[:3, :3] = affine[:3, :3][:, axes]
    path = write(tmp_path / "v.nii", hu.transpose(axes), affine)
    assert_is_body(path)
    assert read_study(path).volume.spacing_mm == pytest.approx((2.5, 5.5, 6.0))


def test_same_as_dicom(tmp_path: Path) -> None:
    study = read_study(factory.write(tmp_path / "in", factory.make_series()))
    path = write(tmp_path / "v.nii.gz", study.volume.hu.transpose(2, 1, 0), study.volume.affine)
    volume = read_study(path).volume
    np.testing.assert_array_equal(volume.hu, study.volume.hu)
    np.testing.assert_allclose(volume.affine, study.volume.affine, atol=1e-4)


def test_scaled_integers(tmp_path: Path) -> None:
    affine = grid()
    image = nibabel.Nifti1Image(np.rint((values(affine, (52, 50, 60)) + 1024) * 4).astype(np.int16), None)
    image.set_sform(RAS_OF_LPS @ affine, 1)
    nibabel.save(image, tmp_path / "v.nii")
    data = bytearray((tmp_path / "v.nii").read_bytes())
    data[112:120] = np.array([0.25, -1024], "<f4").tobytes()
    (tmp_path / "v.nii").write_bytes(data)
    assert_is_body(tmp_path / "v.nii", rounding_hu=0.126 + 0.5)


def test_qform(tmp_path: Path) -> None:
    affine = grid()
    image = nibabel.Nifti1Image(np.rint(values(affine, (52, 50, 60))).astype(np.int16), None)
    image.set_qform(RAS_OF_LPS @ affine, 1)
    image.set_sform(None, 0)
    nibabel.save(image, tmp_path / "v.nii")
    assert_is_body(tmp_path / "v.nii")


def test_nifti_2(tmp_path: Path) -> None:
    affine = grid()
    image = nibabel.Nifti2Image(np.rint(values(affine, (52, 50, 60))).astype(np.int16), RAS_OF_LPS @ affine)
    nibabel.save(image, tmp_path / "v.nii")
    assert_is_body(tmp_path / "v.nii")


def test_not_a_number_is_air(tmp_path: Path) -> None:
    affine = grid()
    hu = values(affine, (52, 50, 60))
    hu[:3] = np.nan
    hu[3, 0], hu[3, 1] = np.inf, -np.inf
    volume = read_study(write(tmp_path / "v.nii", hu, affine, np.float32)).volume
    assert np.all(volume.hu[:, :, :3] == -1024)
    assert volume.hu[0, 0, 3] == 32767 and volume.hu[0, 1, 3] == -1024


def test_series_id_is_of_the_content(tmp_path: Path) -> None:
    affine = grid()
    hu = values(affine, (52, 50, 60))
    one, copy, other = (write(tmp_path / f"{n}.nii", hu + d, affine) for n, d in (("a", 0), ("b", 0), ("c", 1)))
    ids = [read_study(path).series_id for path in (one, copy, other)]
    assert ids[0] == ids[1] != ids[2]


def test_flags_and_selection(tmp_path: Path) -> None:
    affine = grid(spacing=(6, 5.5, 4))
    study = read_study(write(tmp_path / "v.nii", values(affine, (52, 50, 60)), affine))
    assert study.flags == (Code.AGE_UNKNOWN, Code.THICK_SLICES)
    assert len(study.selection) == 1 and "240 mm" in study.selection[0]
    with pytest.raises(StudyRefused) as caught:
        read_study(tmp_path / "v.nii", age_policy="block")
    assert caught.value.code == Code.AGE_UNKNOWN


def test_progress(tmp_path: Path) -> None:
    affine = grid()
    calls: list[tuple[int, int]] = []
    path = write(tmp_path / "v.nii", values(affine, (52, 50, 60)), affine)
    read_study(path, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 1)]


def sheared() -> NDArray[Any]:
    affine = grid()
    affine[1, 2] = 0.3
    return affine


def oblique(degrees: float) -> NDArray[Any]:
    a = np.radians(degrees)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    return turn @ grid()


def test_slightly_oblique_is_read(tmp_path: Path) -> None:
    affine = oblique(6)
    assert_is_body(write(tmp_path / "v.nii", values(affine, (52, 50, 60)), affine))


@pytest.mark.parametrize(
    ("affine", "code"),
    [
        (sheared(), Code.TILT),
        (oblique(10), Code.OBLIQUE),
        (oblique(45), Code.OBLIQUE),
        (grid(spacing=(6, 5.5, 1.5)), Code.TOO_SHORT),
        (grid(spacing=(6, 5.5, 6.5)), Code.SLICE_TOO_THICK),
        (grid(spacing=(6, 500, 2.5)), Code.NO_GEOMETRY),
    ],
)
def test_geometry_refused(tmp_path: Path, affine: NDArray[Any], code: Code) -> None:
    assert code_of(write(tmp_path / "v.nii", values(grid(), (52, 50, 60)), affine)) == code


def test_affine_that_is_no_number(tmp_path: Path) -> None:
    path = write(tmp_path / "v.nii", values(grid(), (52, 50, 60)), grid())
    data = bytearray(path.read_bytes())
    data[280:284] = np.array(np.nan, "<f4").tobytes()  # first element of the sform
    path.write_bytes(data)
    assert code_of(path) == Code.NO_GEOMETRY


def test_neither_form(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((52, 50, 60), np.int16), None)
    nibabel.save(image, tmp_path / "v.nii")
    assert code_of(tmp_path / "v.nii") == Code.NO_GEOMETRY


@pytest.mark.parametrize("shape", [(52, 50, 60, 2), (52, 50), (52, 50, 1), (52, 1, 60)])
def test_not_three_dimensions(tmp_path: Path, shape: tuple[int, ...]) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.int16), RAS_OF_LPS @ grid()), tmp_path / "v.nii")
    assert code_of(tmp_path / "v.nii") == Code.BAD_INPUT


def test_fourth_dimension_of_one(tmp_path: Path) -> None:
    affine = grid()
    assert_is_body(write(tmp_path / "v.nii", values(affine, (52, 50, 60))[..., None], affine))


def test_colours(tmp_path: Path) -> None:
    rgb = np.zeros((52, 50, 60), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(rgb, RAS_OF_LPS @ grid()), tmp_path / "v.nii")
    assert code_of(tmp_path / "v.nii") == Code.DERIVED_IMAGE


def test_mask_is_no_ct(tmp_path: Path) -> None:
    labels = (values(grid(), (52, 50, 60)) > -500) * 20
    assert code_of(write(tmp_path / "v.nii", labels + 1000.0, grid())) == Code.BAD_HU


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_cut_off(tmp_path: Path, name: str, share: float) -> None:
    path = write(tmp_path / name, values(grid(), (52, 50, 60)), grid())
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert code_of(path) == Code.TRUNCATED


@pytest.mark.parametrize("extra", [b"\1", b"\0\0\1", bytes(52 * 50 * 2), bytes(10_000)])
@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
def test_more_than_the_header_declares(tmp_path: Path, name: str, extra: bytes) -> None:
    path = write(tmp_path / "v.nii", values(grid(), (52, 50, 60)), grid())
    data = path.read_bytes() + extra
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert code_of(tmp_path / name) == Code.DAMAGED


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
def test_padding_to_a_block_is_no_damage(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "v.nii", values(grid(), (52, 50, 60)), grid())
    data = path.read_bytes()
    data += bytes(-len(data) % 512)
    (tmp_path / name).write_bytes(gzip.compress(data) + bytes(100) if name.endswith("gz") else data)
    assert_is_body(tmp_path / name)


@pytest.mark.parametrize("kind", ["crc", "length", "data", "junk behind it"])
def test_gzip_that_does_not_match(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "v.nii.gz", values(grid(), (52, 50, 60)), grid())
    data = bytearray(path.read_bytes())
    if kind == "junk behind it":
        data += b"junk"
    else:
        data[{"crc": -5, "length": -1, "data": len(data) // 2}[kind]] ^= 0x10
    path.write_bytes(data)
    assert code_of(path) in (Code.DAMAGED, Code.TRUNCATED)


def test_gzip_in_several_members(tmp_path: Path) -> None:
    """As bgzip writes it."""
    path = write(tmp_path / "v.nii", values(grid(), (52, 50, 60)), grid())
    data = path.read_bytes()
    (tmp_path / "v.nii.gz").write_bytes(gzip.compress(data[:9000]) + gzip.compress(data[9000:]))
    assert_is_body(tmp_path / "v.nii.gz")


def test_what_is_packed_shows_in_the_content_not_in_the_name(tmp_path: Path) -> None:
    path = write(tmp_path / "v.nii.gz", values(grid(), (52, 50, 60)), grid())
    path.rename(tmp_path / "v.nii")
    assert_is_body(tmp_path / "v.nii")


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((256, 256, 1), "a single slice, 256 × 256 × 1"),
        ((52, 1, 1), "a single line"),
        ((52, 50, 60, 2), "an image of 4 dimensions"),
    ],
)
def test_sentence_for_what_is_no_volume(tmp_path: Path, shape: tuple[int, ...], words: str) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros(shape, np.int16), RAS_OF_LPS @ grid()), tmp_path / "v.nii")
    with pytest.raises(StudyRefused) as caught:
        read_study(tmp_path / "v.nii")
    assert words in caught.value.sentence


def mr(hu: NDArray[Any]) -> NDArray[Any]:
    """Bright fat, dark bone and air, noise: no Hounsfield units."""
    signal = np.where(hu < -500, 20, np.where(hu > 200, 60, 400 + 2 * hu))
    return np.abs(signal + np.random.default_rng(1).normal(0, 15, hu.shape))


NO_HU = {
    "quarter HU": lambda hu: hu / 4,
    "third HU": lambda hu: hu / 3,
    "half HU": lambda hu: hu / 2,
    "doubled HU": lambda hu: hu * 2,
    "tenfold HU": lambda hu: hu * 10,
    "negative HU": lambda hu: -hu,
    "stored values": lambda hu: hu + 1024,
    "intercept twice": lambda hu: hu - 1024,
    "8-bit bone window": lambda hu: np.clip((hu + 450) / 1500 * 255, 0, 255),
    "8-bit soft window": lambda hu: np.clip((hu + 160) / 400 * 255, 0, 255),
    "signed 8-bit window": lambda hu: np.clip((hu + 160) / 400 * 255, 0, 255) - 128,
    "0 to 1": lambda hu: (np.clip(hu, -1000, 1000) + 1000) / 2000,
    "-1 to 1": lambda hu: np.clip(hu, -1000, 1000) / 1000,
    "z-scores": lambda hu: (hu - hu.mean()) / hu.std(),
    "labels": lambda hu: np.digitize(hu, (-500, -50, 100, 300)) * 5,
    "mask": lambda hu: (hu > 200) * 1,
    "MR": mr,
    "PET": lambda hu: np.where(hu > 200, 9.0, np.where(hu > -500, 1.5, 0.01)) * (1 + 0.1 * np.sin(hu)),
    "PET in Bq/ml": lambda hu: np.where(hu > 200, 9e4, np.where(hu > -500, 1.5e4, 90)) * (1 + 0.1 * np.sin(hu)),
}


@pytest.fixture(scope="module")
def phantom_hu() -> tuple[NDArray[Any], NDArray[Any]]:
    """A CT with noise, fat, bone and lung in its natural shares (i, j, k), and its affine."""
    from vcf_training.phantom import TRAINING_RANGES, render, sample

    volume = render(sample(3, ranges=TRAINING_RANGES), spacing_mm=(4.0, 1.5, 1.5)).volume
    return volume.hu.transpose(2, 1, 0).astype(np.float32), volume.affine


@pytest.mark.parametrize("kind", NO_HU)
@pytest.mark.parametrize("part", ["body", "body in a ring of padding", "crop"])
def test_what_is_no_hu_is_refused(
    tmp_path: Path, phantom_hu: tuple[NDArray[Any], NDArray[Any]], kind: str, part: str
) -> None:
    """Never a score, and never that no spine was found: whether air is in view or not."""
    hu, affine = phantom_hu
    if part == "crop":
        middle, back = hu.shape[0] // 2, int(hu.shape[1] * 0.62)
        hu = hu[middle - 30 : middle + 30, back - 25 : back + 35]
        hu = np.maximum(hu, -220 + 30 * np.sin(np.arange(hu.size).reshape(hu.shape)))  # lung and air taken out of it
        if kind in ("half HU", "third HU", "doubled HU"):
            pytest.skip("not told apart without air: see docs/reading.md")
    found = NO_HU[kind](hu)
    if part == "body in a ring of padding":
        found[:30] = -2048 if kind not in ("labels", "mask", "0 to 1", "-1 to 1", "z-scores", "MR") else 0
    path = write(tmp_path / "v.nii.gz", found, affine, np.float32)
    with pytest.raises(StudyRefused) as caught:
        read_study(path)
    assert caught.value.code == Code.BAD_HU
    assert any(digit in caught.value.sentence for digit in "0123456789"), "it says what was measured"


@pytest.mark.parametrize("part", ["body", "crop", "crop with air"])
def test_hu_are_read(tmp_path: Path, phantom_hu: tuple[NDArray[Any], NDArray[Any]], part: str) -> None:
    hu, affine = phantom_hu
    if part != "body":
        middle, back = hu.shape[0] // 2, int(hu.shape[1] * 0.62)
        hu = hu[middle - 30 : middle + 30, back - 25 : back + 35]
    if part == "crop":
        hu = np.maximum(hu, -220 + 30 * np.sin(np.arange(hu.size).reshape(hu.shape)))
    assert read_study(write(tmp_path / "v.nii.gz", hu, affine)).volume.hu.shape[0] == hu.shape[2]


@pytest.mark.parametrize(
    "data", [b"", b"x" * 1000, gzip.compress(b"x" * 1000, mtime=0), b"\x5c\x01\x00\x00" + b"\xff" * 600]
)
@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
def test_no_nifti(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert code_of(tmp_path / name) in (Code.NOT_DICOM, Code.BAD_INPUT)


def test_huge_declared_size(tmp_path: Path) -> None:
    path = write(tmp_path / "v.nii.gz", values(grid(), (52, 50, 60)), grid())
    data = bytearray(gzip.decompress(path.read_bytes()))
    data[42:48] = np.array([32000, 32000, 32000], "<i2").tobytes()
    path.write_bytes(gzip.compress(bytes(data)))
    assert code_of(path) == Code.TOO_LARGE


@pytest.mark.parametrize("seed", range(4))
def test_random_damage(tmp_path: Path, seed: int) -> None:
    """Bytes of the header overwritten: a study or a refusal, never another error."""
    rng = np.random.default_rng(seed)
    data = write(tmp_path / "v.nii", values(grid(), (52, 50, 60)), grid()).read_bytes()
    for _ in range(60):
        damaged = bytearray(data)
        for at in rng.integers(0, 352, rng.integers(1, 6)):
            damaged[at] = rng.integers(256)
        (tmp_path / "d.nii").write_bytes(damaged)
        try:
            read_study(tmp_path / "d.nii")
        except StudyRefused as refusal:
            assert refusal.sentence

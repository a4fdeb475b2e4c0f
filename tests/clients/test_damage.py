# SPDX-License-Identifier: Apache-2.0
"""A sample of the random damage that ``python -m tests.clients.damage`` does by the ten thousand."""

import io
from collections import Counter

import numpy as np
import pytest
from pydicom import dcmread

from tests.clients.damage import FLAGGED, REFUSED, UNHARMED, UNSEEN, WRONG, Damage, Form, damaged, forms, judge, trial
from tests.clients.dicom import factory
from vcf_client.study import Study
from vcf_contract.errors import Code

NAMES = ("plain .dcm", "JPEG-LS .dcm", "JPEG 2000 .dcm", "RLE .dcm", "stored .zip", "deflated .zip", ".nii.gz")
SAMPLE = 40


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Form, Study]]:
    found = {form.name: (form, form.read(form.files)) for form in forms(tmp_path_factory.mktemp("damage"))}
    assert tuple(found) == NAMES
    return found


@pytest.mark.parametrize("name", NAMES)
def test_nothing_damaged_is_taken_for_whole(made: dict[str, tuple[Form, Study]], name: str) -> None:
    """With a checksum: refused, or exactly the voxels. Without: geometry, rescale and order of slices hold, or a flag
    says that something was damaged."""
    form, truth = made[name]
    outcomes: Counter[str] = Counter()
    for seed in range(SAMPLE):
        outcome, damage = trial(form, truth, 50_000 + seed)
        assert outcome != WRONG, f"seed {50_000 + seed}: {damage}"
        outcomes[outcome] += 1
    assert outcomes[REFUSED] or outcomes[FLAGGED], "some of it was noticed"
    assert not form.checksum or outcomes[REFUSED] + outcomes[UNHARMED] == SAMPLE


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_nothing_damaged_is_taken_for_whole_at_length(made: dict[str, tuple[Form, Study]], name: str) -> None:
    form, truth = made[name]
    wrong = {seed: damage for seed in range(300) for outcome, damage in [trial(form, truth, seed)] if outcome == WRONG}
    assert not wrong


def test_the_judge_knows_each_outcome(made: dict[str, tuple[Form, Study]]) -> None:
    """It must not call everything right: each outcome of a damage made by hand."""
    form, truth = made["plain .dcm"]
    pixels, files = form.headers[9], list(form.files)

    def outcome(changed: bytes, start: int, form: Form = form) -> str:
        some = [*files[:9], changed, *files[10:]]
        return judge(form, some, Damage("bits", 9, [(start, start + 1)]), truth)

    data = bytearray(files[9])
    assert outcome(bytes(data), 200) == UNHARMED
    data[pixels + 3000] ^= 4
    assert outcome(bytes(data), pixels + 3000) == UNSEEN
    assert outcome(bytes(data), 200) == WRONG, "had only the header been touched"
    archive = Form("as if with a checksum", form.files, form.read, True, form.headers)
    assert outcome(bytes(data), pixels + 3000, archive) == WRONG
    assert outcome(bytes(data[: pixels + 100]), pixels + 100) == FLAGGED
    other_patient = files[9].replace(factory.PATIENT_ID.encode(), b"PID-471100816")
    assert outcome(other_patient, 9) == REFUSED


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ("ImagePositionPatient", [-150.0, -151.5, 95.4]),
        ("ImageOrientationPatient", [1, 0, 0, 0, 1, 0.005]),
        ("PixelSpacing", [5.0005, 5.5]),
    ],
)
@pytest.mark.parametrize("at", [0, 26])
def test_a_little_damage_to_the_geometry_of_one_slice_moves_no_other(
    made: dict[str, tuple[Form, Study]], element: str, value: list[float], at: int
) -> None:
    """Too little to be refused, as rounding is: then it is without effect."""
    form, truth = made["plain .dcm"]
    ds = dcmread(io.BytesIO(form.files[at]))
    if element == "ImagePositionPatient":
        value = [float(v) + d for v, d in zip(ds.ImagePositionPatient, (0.4, -0.3, 0.4), strict=True)]
    setattr(ds, element, value)
    stream = io.BytesIO()
    ds.save_as(stream)
    files = [*form.files[:at], stream.getvalue(), *form.files[at + 1 :]]
    assert judge(form, files, Damage("bits", at, [(300, 301)]), truth) == UNHARMED


def test_damage_is_drawn_from_the_seed(made: dict[str, tuple[Form, Study]]) -> None:
    form, _ = made["plain .dcm"]
    one, other = (damaged(form, np.random.default_rng(5)) for _ in range(2))
    assert one == other
    kinds = {damaged(form, np.random.default_rng(seed))[1].kind for seed in range(30)}
    assert kinds == {"bits", "cut", "swap"}


def test_a_flag_tells_of_damage(made: dict[str, tuple[Form, Study]]) -> None:
    form, _ = made["plain .dcm"]
    study = form.read([*form.files[:-1], form.files[-1][:300]])
    assert Code.TRUNCATED in study.flags

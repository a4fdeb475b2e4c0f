# SPDX-License-Identifier: Apache-2.0
"""Members are loaded as they were trained."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from tests.training.resumable import MEMBER
from vcf_contract.errors import SetupError
from vcf_contract.spec import PATCH, PatchSpec
from vcf_training import store, variants
from vcf_training.architecture import SERVED, VARIANTS
from vcf_training.checkpoint import as_json


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("patch", [PATCH, replace(PATCH, grid=(16, 16, 16), window_width_hu=600.0)])
def test_a_member_is_loaded_as_the_manifest_says_that_it_was_trained(
    name: str, patch: PatchSpec, tmp_path: Path
) -> None:
    architecture = VARIANTS[name]
    encoder = variants.patch_encoder(architecture, patch.grid)
    head = variants.classifier(architecture, encoder.output_shape[-1])
    store.save_member(tmp_path, "a", encoder, head)
    settings = asdict(replace(MEMBER, architecture=architecture, patch=patch))
    store.update_manifest(tmp_path, members={"a": {"settings": as_json(settings)}})
    loaded = store.load_member("a", tmp_path)
    assert (loaded.architecture, loaded.patch) == (architecture, patch)
    for before, after in ((encoder, loaded.encoder), (head, loaded.head)):
        for one, other in zip(before.get_weights(), after.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"half_width_mm": 30.0}, "half_width_mm 30"), ({"grid": (32, 32, 64)}, "grid"), ({"height_mm": 40.0}, "height")],
)
def test_a_member_that_sees_what_no_served_patch_shows_is_refused(
    changed: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    settings = asdict(replace(MEMBER, patch=replace(PATCH, **changed)))
    store.update_manifest(tmp_path, members={"b": {"settings": as_json(settings)}})
    with pytest.raises(SetupError, match=f"member b in .* cannot be served: .*{reason}"):
        store.load_member("b", tmp_path)


def test_members_of_a_folder_are_those_whose_weights_it_lists(tmp_path: Path) -> None:
    """An ensemble of two after one of three: the third does not stay."""
    with pytest.raises(SetupError, match="no weights of a member"):
        store.member_names(tmp_path)
    encoder = variants.patch_encoder(SERVED, (8, 8, 8))
    for name in "abc":
        store.save_member(tmp_path, name, encoder, variants.classifier(SERVED, encoder.output_shape[-1]))
        store.update_manifest(tmp_path, members={name: {"seed": 1}})
    assert store.member_names(tmp_path) == ("a", "b", "c")
    store.keep_members(tmp_path, ("a", "b"))
    assert store.member_names(tmp_path) == ("a", "b")
    assert sorted(store.read_manifest(tmp_path)["members"]) == ["a", "b"]
    assert not list(tmp_path.glob("*_c.weights.h5"))


def test_the_detector_of_the_weights_gone_on_from_is_taken_over_once(tmp_path: Path) -> None:
    out, name = tmp_path / "out", f"{store.DETECTOR_NAME}.weights.h5"
    store.keep_detector_of(store.SHIPPED, out)
    shipped = store.read_manifest()
    found = store.read_manifest(out)
    assert (out / name).read_bytes() == (store.SHIPPED / name).read_bytes()
    assert found == {"detector": shipped["detector"], "files": {name: shipped["files"][name]}}
    (out / name).write_bytes(b"own")
    store.keep_detector_of(store.SHIPPED, out)
    assert (out / name).read_bytes() == b"own", "one that is there stays"
    store.keep_detector_of(tmp_path / "none", tmp_path / "other")
    assert not (tmp_path / "other").exists()

# SPDX-License-Identifier: Apache-2.0
"""Folders of a checkout and of an installed package, and which of them may be written to."""

from pathlib import Path

import pytest

from vcf_contract.contract import MODELS
from vcf_contract.errors import UsageError
from vcf_server import assets


def test_a_checkout_serves_its_own_folders() -> None:
    root = Path(__file__).resolve().parents[2]
    assert root / "model_repository" == assets.MODEL_REPOSITORY
    assert root / "backends" == assets.BACKENDS
    assert {model.name for model in MODELS} <= {folder.name for folder in assets.MODEL_REPOSITORY.iterdir()}


def test_a_folder_inside_the_package_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a wheel."""
    package = tmp_path / "site-packages" / "vcf_server"
    package.mkdir(parents=True)
    monkeypatch.setattr(assets, "__file__", str(package / "assets.py"))
    assert assets.shipped("backends") == tmp_path / "backends"
    (package / "backends").mkdir()
    assert assets.shipped("backends") == package / "backends"


def test_what_was_named_is_taken(tmp_path: Path) -> None:
    assert assets.repository_to_read(tmp_path) == tmp_path == assets.repository_to_write(tmp_path)
    assert assets.repository_to_read(None) == assets.MODEL_REPOSITORY == assets.repository_to_write(None)


def test_an_installed_package_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Path(assets.__file__).parent / "model_repository"
    monkeypatch.setattr(assets, "MODEL_REPOSITORY", inside)
    assert assets.repository_to_read(None) == inside
    with pytest.raises(UsageError, match=r"--target is missing: .* `vcf export all --out DIR`"):
        assets.repository_to_write(None, "--target")

# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from tests.preprocess import anatomy
from vcf_preprocess.geometry import Volume


@pytest.fixture(scope="session")
def volume() -> Volume:
    """Anatomy whose canal is known."""
    from tests.model_repository.steps import SPACING

    return anatomy.sample(SPACING)


@pytest.fixture(scope="session")
def fewest(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``spine_patches`` with the fewest patches that tile a spine."""
    from tests.model_repository.steps import spine_patches

    return spine_patches(tmp_path_factory.mktemp("fewest"))

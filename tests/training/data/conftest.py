# SPDX-License-Identifier: Apache-2.0
import pytest

from tests.training.data import layouts
from vcf_training.phantom import Phantom


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    return layouts.small_phantom()

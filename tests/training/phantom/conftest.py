# SPDX-License-Identifier: Apache-2.0
import pytest

from tests.training.phantom.patients import upright
from vcf_training.phantom import Phantom, nominal, render


@pytest.fixture(scope="session")
def straight() -> Phantom:
    """The mean patient, upright, at half a millimetre, without blur or noise."""
    return render(upright(nominal(levels=("T1", "L5"))), spacing_mm=(0.5, 0.5, 0.5), region="spine")

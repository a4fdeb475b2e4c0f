# SPDX-License-Identifier: Apache-2.0
import pytest

from vcf_training.phantom import Phantom, nominal, render


@pytest.fixture(scope="module")
def body() -> Phantom:
    """A chest of the mean patient, whole slices."""
    return render(nominal(levels=("T6", "T12")), spacing_mm=(6.0, 1.4, 1.4))


def test_body_has_the_tissues_of_a_chest(body: Phantom) -> None:
    hu = body.volume.hu
    inside = hu[len(hu) // 2]
    assert (inside == -1000).mean() > 0.3  # air around
    for low, high, least in ((-930, -800, 0.08), (-130, -60, 0.05), (20, 80, 0.08), (300, 1300, 0.003)):
        assert ((inside >= low) & (inside <= high)).mean() > least, f"too little between {low} and {high} HU"
    assert hu.shape[1] == hu.shape[2] == round(512 * 0.8 / 1.4)

# SPDX-License-Identifier: Apache-2.0
from vcf_training.phantom import Phantom


def test_canal_holds_cord_and_fluid(straight: Phantom) -> None:
    _, dy, dx = straight.volume.spacing_mm
    for k in range(20, len(straight.volume.hu) - 20, 60):
        x, y = straight.centre_line_mm[k]
        spot = straight.volume.hu[k, round(y / dy) - 4 : round(y / dy) + 5, round(x / dx) - 4 : round(x / dx) + 5]
        assert 5 < spot.mean() < 50

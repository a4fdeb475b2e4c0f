# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy.integrate import quad

from vcf_benchmarks.harness.profiles import CHEST, PROFILES, THIN, Profile


@pytest.mark.parametrize("name", PROFILES)
def test_mean_is_the_integral_and_peak_the_maximum(name: str) -> None:
    profile = PROFILES[name]
    breaks = [hour for hour, _ in profile.points]
    area, _ = quad(profile.share, 0, profile.hours, points=breaks, limit=200)
    assert profile.mean_share() == pytest.approx(area / profile.hours, rel=1e-6)
    assert profile.peak == pytest.approx(
        max(profile.share(hour) for hour in np.linspace(0, profile.hours, 5001)), rel=0.01
    )
    assert profile.share(profile.hours + 0.1) == 0


def test_each_looks_like_its_hospital() -> None:
    day, trauma, nightly, ramp = (PROFILES[name] for name in ("day", "trauma", "nightly", "ramp"))
    assert day.share(10) > 4 * day.share(3) and day.share(12.5) < min(day.share(11), day.share(14))
    assert trauma.share(0.2) < 0.5 < 1 < trauma.share(0.7) and trauma.share(1.5) < 0.5
    assert nightly.share(7) > 3 * nightly.share(1) and nightly.share(11) < 0.3
    shares = [ramp.share(hour) for hour in np.linspace(0, 1, 50)]
    assert (np.diff(shares) > 0).all() and shares[0] == 0 and shares[-1] > 1
    assert all(profile.peak <= 1 for profile in (day, nightly))


@pytest.mark.parametrize(
    ("points", "mix", "text"),
    [
        (((0.5, 1), (1, 1)), {CHEST: 1.0}, "rise from 0"),
        (((0, 1), (1, 1), (1, 2)), {CHEST: 1.0}, "rise from 0"),
        (((0, 1), (1, -0.1)), {CHEST: 1.0}, "not be negative"),
        (((0, 1), (1, 1)), {CHEST: 0.5, THIN: 0.4}, "0.9, not to 1"),
    ],
)
def test_bad_profiles_are_refused(points, mix, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Profile("", points, mix)


def test_sizes_read_well() -> None:
    assert (CHEST.name, THIN.name) == ("133 × 2.5 mm", "300 × 1 mm")

# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from scipy import signal

from vcf_preprocess.fourier import resample_columns, resampled_length, resampling_matrix


@pytest.mark.parametrize("n_in", [2, 3, 36, 37, 133])
@pytest.mark.parametrize("n_out", [2, 3, 17, 18, 36, 37, 74, 211, 473])
def test_plain_is_scipys_resample(n_in, n_out):
    column = np.random.default_rng(n_in * n_out).normal(0, 500, (n_in, 3)).astype(np.float32)
    ours = resample_columns(column, n_out, "plain")
    np.testing.assert_allclose(ours, signal.resample(column.astype(float), n_out, axis=0), atol=1e-3)


def test_cropping_in_plane_first_changes_nothing():
    """The whole volume by SciPy and then cropped, against our crop resampled alone: 1e-3 HU."""
    hu = np.random.default_rng(1).integers(-1000, 1500, (61, 40, 44)).astype(np.int16)
    n_out = resampled_length(61, 2.5, 0.703)
    whole = signal.resample(hu.astype(np.float64), n_out, axis=0)
    crop = resample_columns(hu[:, 10:30, 5:25], n_out, "plain")
    np.testing.assert_allclose(crop, whole[:, 10:30, 5:25], atol=1e-3)


@pytest.mark.parametrize("n_in", [6, 31, 32])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_reflect_is_scipys_resample_of_the_mirrored_column(n_in, factor):
    column = np.random.default_rng(n_in).normal(0, 500, (n_in, 2))
    period = np.concatenate([column, column[-2:0:-1]])
    n_out = n_in * factor
    expected = signal.resample(period, len(period) * factor)[:n_out]
    np.testing.assert_allclose(resample_columns(column, n_out, "reflect"), expected, atol=1e-3)


@pytest.mark.parametrize("n_out", [60, 90, 427])
def test_reflect_follows_a_smooth_anatomy_where_plain_wraps_round(n_out):
    """A slope from −800 to 800 HU: known in between; the periodic form must jump back at the end."""
    slope = np.linspace(-800, 800, 120)[:, None]
    truth = np.interp(np.arange(n_out) * 120 / n_out, np.arange(120), slope[:, 0])
    errors = {m: np.abs(resample_columns(slope, n_out, m)[:, 0] - truth) for m in ("plain", "reflect")}
    assert errors["reflect"].max() < 10
    assert errors["plain"].max() > 100


@pytest.mark.parametrize("mode", ["plain", "reflect"])
@pytest.mark.parametrize("n_out", [20, 50, 120])
def test_a_constant_stays_constant(mode, n_out):
    np.testing.assert_allclose(resampling_matrix(50, n_out, mode).sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("mode", ["plain", "reflect"])
def test_reducing_removes_what_the_new_pitch_cannot_hold(mode):
    alternating = np.tile([100.0, -100.0], 50)[:, None]
    assert np.abs(resample_columns(alternating, 40, mode)[5:-5]).max() < 15


def test_any_axis_and_a_length_with_a_large_prime_factor():
    block = np.random.default_rng(2).normal(0, 100, (4, 127, 3))
    expected = signal.resample(block, 211, axis=1)
    np.testing.assert_allclose(resample_columns(block, 211, "plain", axis=1), expected, atol=1e-3)


def test_the_shared_matrix_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        resampling_matrix(10, 20)[0, 0] = 1


@pytest.mark.parametrize(("n_in", "n_out"), [(1, 5), (5, 1), (0, 5)])
def test_lengths_under_two_are_refused(n_in, n_out):
    with pytest.raises(ValueError, match="at least 2"):
        resampling_matrix(n_in, n_out)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="wrap"):
        resampling_matrix(5, 5, "wrap")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("n", "dz", "dy", "expected"), [(300, 1.0, 0.75, 400), (133, 2.5, 0.703125, 473), (2, 0.1, 5, 2)]
)
def test_resampled_length(n, dz, dy, expected):
    assert resampled_length(n, dz, dy) == expected

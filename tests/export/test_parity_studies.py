# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

for module in ("keras", "tritonclient", "onnxruntime", "openvino"):
    pytest.importorskip(module)

from vcf_export.parity_studies import widened  # noqa: E402
from vcf_preprocess.geometry import Volume  # noqa: E402


def test_air_around_a_small_volume_moves_nothing() -> None:
    hu = np.random.default_rng(0).integers(-100, 900, (4, 30, 21)).astype(np.int16)
    affine = np.array([[2.0, 0, 0, 10], [0, 2.0, 0, -5], [0, 0, 3, 7], [0, 0, 0, 1]])
    found = widened(Volume(hu, (3.0, 2.0, 2.0), affine), least_mm=80.0)
    assert found.hu.shape == (4, 40, 40)
    assert (found.hu == -1024).sum() == 4 * (40 * 40 - 30 * 21)
    inner = np.argwhere(found.hu[0] == hu[0].max())[0]
    outer = np.argwhere(hu[0] == hu[0].max())[0]
    there, here = (a @ [*index[::-1], 0, 1] for a, index in ((found.affine, inner), (affine, outer)))
    np.testing.assert_allclose(there, here)

# SPDX-License-Identifier: Apache-2.0
import numpy as np

from vcf_benchmarks.looks.canal import figures


def test_shares_by_hand():
    """Ten slices with cord: seven within 5 mm, one at 6 mm, two without a line; one slice without cord."""
    truth = np.zeros((11, 2))
    truth[10] = np.nan
    line = np.zeros((11, 2))
    line[:, 0] = [0, 1, 2, 3, 4, 5, 0, 6, np.nan, np.nan, 50]
    result = figures(line, truth)
    assert result["slices"] == 10
    assert result["missed"] == 2
    assert result["within_5_mm_share"] == 0.7
    assert result["max_mm"] == 6

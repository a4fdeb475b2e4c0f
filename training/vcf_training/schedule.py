# SPDX-License-Identifier: Apache-2.0
"""The learning rate over a training."""

import math


def learning_rate(step: int, steps: int, peak: float, *, constant: bool = False) -> float:
    """Linear rise over the first twentieth, then a cosine to a hundredth of the peak; or the peak throughout."""
    if constant:
        return peak
    warm_up = max(1, steps // 20)
    if step < warm_up:
        return peak * (step + 1) / warm_up
    done = (step - warm_up) / max(1, steps - warm_up)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))

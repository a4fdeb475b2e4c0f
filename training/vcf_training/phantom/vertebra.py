# SPDX-License-Identifier: Apache-2.0
"""The shape of a vertebral body between its endplates, in its own axes: u left, v back, w up, origin at its middle.

Heights are those of six-point morphometry: between the endplates in the mid-sagittal plane at the front, the middle
and the back. The front and back landmarks sit ``LANDMARK`` of the depth from the middle, on the flat rim inside the
rounded corners.
"""

import numpy as np
from numpy.typing import NDArray

from vcf_training.phantom.spec import VertebraSpec

Floats = NDArray[np.float32]
LANDMARK = 0.4


BACK_HOLLOW = 0.045
"""Depth of the hollow in the back of the body, a share of its depth; the canal lies in it."""


def canal_v(spec: VertebraSpec) -> float:
    """v of the canal's centre."""
    return (0.5 - BACK_HOLLOW) * spec.depth_mm + spec.canal_depth_mm / 2 + 0.4


def _ramp(spec: VertebraSpec) -> tuple[float, float]:
    """Height at the middle and its slope along v, before dish and fracture."""
    return (
        (spec.anterior_mm + spec.posterior_mm) / 2,
        (spec.posterior_mm - spec.anterior_mm) / (2 * LANDMARK * spec.depth_mm),
    )


def _bowl(spec: VertebraSpec, u: Floats, v: Floats, width: float, depth: float) -> Floats:
    """Paraboloid of height 1 in the middle, 0 outside an ellipse of these semi-axes (shares of width and depth)."""
    bowl: Floats = 1 - (u / np.float32(width * spec.width_mm)) ** 2 - (v / np.float32(depth * spec.depth_mm)) ** 2
    return np.maximum(bowl, 0, out=bowl)


def _loss(spec: VertebraSpec, u: Floats, v: Floats, dish: Floats) -> Floats | float:
    """Height lost to the fracture in mm."""
    fracture = spec.fracture
    if fracture is None:
        return 0.0
    middle, slope = _ramp(spec)
    s = v / np.float32(spec.depth_mm / 2)  # −1 front, 1 back
    lost: Floats
    if fracture.shape == "wedge":
        front = np.clip((1 - s) / np.float32(1 + 2 * LANDMARK), 0, 1.05) ** np.float32(fracture.power)
        lost = front * np.float32(spec.anterior_mm * fracture.loss)
    elif fracture.shape == "biconcave":
        bowl = _bowl(spec, u, v, 0.44, 0.44) ** np.float32(0.8)
        lost = bowl * np.float32((middle - 2 * spec.dish_mm) * fracture.loss)
    else:  # crush: the back a little less than the front
        share = 1 - 0.1 * (s + 2 * LANDMARK) / (1 + 2 * LANDMARK)
        lost = (middle + slope * v - 2 * np.float32(spec.dish_mm) * dish) * share * np.float32(fracture.loss)
    return lost


def endplates(spec: VertebraSpec, u: Floats, v: Floats, *, schmorl: bool = True) -> tuple[Floats, Floats]:
    """Heights w of the upper and the lower endplate over (u, v) in mm; Schmorl nodes are left out of morphometry."""
    middle, slope = _ramp(spec)
    half = (middle + np.float32(slope) * v) / 2
    dish = _bowl(spec, u, v, 0.4, LANDMARK)
    half = half - np.float32(spec.dish_mm) * dish
    lost = _loss(spec, u, v, dish)
    share = spec.fracture.upper_share if spec.fracture else 0.0
    upper, lower = half - share * lost, -half + (1 - share) * lost
    for node in spec.schmorl if schmorl else ():
        r2 = ((u - node.left_mm) ** 2 + (v - node.back_mm) ** 2) / np.float32(node.radius_mm**2)
        pit = np.float32(node.depth_mm) * np.exp(-(r2**2))
        if node.side > 0:
            upper = upper - pit
        else:
            lower = lower + pit
    return upper, lower


def landmarks(spec: VertebraSpec) -> tuple[Floats, Floats, Floats]:
    """v of the anterior, middle and posterior landmark, and w of the upper and lower endplate there."""
    v = np.array((-LANDMARK, 0, LANDMARK), np.float32) * np.float32(spec.depth_mm)
    upper, lower = endplates(spec, np.zeros_like(v), v, schmorl=False)
    return v, upper, lower


def heights_mm(spec: VertebraSpec) -> tuple[float, float, float]:
    """Anterior, middle and posterior height as it is now, fracture included."""
    _, upper, lower = landmarks(spec)
    anterior, middle, posterior = (upper - lower).tolist()
    return anterior, middle, posterior

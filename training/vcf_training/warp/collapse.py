# SPDX-License-Identifier: Apache-2.0
"""Tell what the loss of one body's height does to the space around it.

In the body's own axes two maps follow each other, both given from the deformed to the original space:

*squeeze*: along w only. The endplates approach each other, the discs fill what is left, all above comes down by the
height that the posterior wall lost. Within the bone and the disc the stretch is spread evenly, but a margin on both
sides of an endplate moves with it, so the cortex keeps its thickness.

*bend*: the spine above leans forward about the posterior wall by a part of the wedge's angle; the discs above take
some of that back, one by one.

Beyond the body's footprint the same motion is spread over a greater height the farther away it is, so ribs, vessels
and organs follow without a tear.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vcf_training.phantom.fracture import SHAPES
from vcf_training.phantom.vertebra import LANDMARK
from vcf_training.warp.body import Body

Array = NDArray[np.float64]

PLATE_MM = 1.2
"""Half thickness of an endplate as CT shows it; this much moves rigidly on both sides."""
FADE_MM = 7.0
"""The reach beyond the footprint over which the endplates' own shape is lost."""
SPREAD = 0.9
"""Growth of the half height of the transition per mm of distance from the footprint."""
MAX_SPREAD_MM = 50.0
LEAN_KEPT = 0.8
"""Share of the lean that each disc above hands on."""
MIN_DISC_MM = 1.6
MAX_STEPS, CLOSE_MM = 250, 0.01
"""Steps of the iteration that inverts the map for single points."""
MIN_LEFT = 0.2
"""Least share of its height that either half of the body keeps."""


class Deformity(Protocol):
    """Tell which loss of height; ``vcf_training.phantom.Fracture`` is one."""

    @property
    def shape(self) -> str: ...
    @property
    def loss(self) -> float: ...
    @property
    def upper_share(self) -> float: ...
    @property
    def power(self) -> float: ...
    @property
    def sclerosis_hu(self) -> float: ...
    @property
    def bulge_mm(self) -> float: ...
    @property
    def angulation(self) -> float: ...


@dataclass(frozen=True)
class Mild:
    """A loss of height below Genant's grade 1: no fracture, but warped all the same."""

    shape: str
    loss: float
    upper_share: float = 0.7
    power: float = 1.0
    sclerosis_hu: float = 0.0
    bulge_mm: float = 0.0
    angulation: float = 0.5

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise ValueError(f"shape {self.shape!r} is unknown, shapes are {', '.join(SHAPES)}")
        if not 0 <= self.loss <= 0.16:
            raise ValueError(f"loss is {self.loss}, accepted are shares of height from 0 to 0.16")


def _smooth(t: Array) -> Array:
    """0 to 1 with level ends."""
    t = np.clip(t, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


class Collapse:
    """The collapse of one body among its neighbours."""

    def __init__(self, body: Body, deformity: Deformity, neighbours: Sequence[Body] = ()) -> None:
        """``neighbours``: the other known bodies of the spine, before any collapse."""
        self.body, self.how = body, deformity
        ordered = sorted(neighbours, key=lambda b: float(body.to_local(b.origin)[2]))
        above = [b for b in ordered if body.to_local(b.origin)[2] > 0]
        below = [b for b in ordered if body.to_local(b.origin)[2] < 0]
        usual = 3.5 if body.level.startswith("T") else 6.0
        self._disc_above = self._gap(above[0], 1, usual) if above else usual
        self._disc_below = self._gap(below[-1], 0, usual) if below else usual
        back = np.array((-LANDMARK, 0.5, LANDMARK)) * body.depth_mm
        front_mm, hinge_mm, posterior_mm = self.loss_mm(np.zeros(3), back)
        self.hinge = 0.5 * body.depth_mm
        self.drop_mm = float(hinge_mm)
        self.lean = float(deformity.angulation * (front_mm - posterior_mm) / (2 * LANDMARK * body.depth_mm))
        self._lean_at, self._lean_share = self._lean_above(above)
        # How far the lean carries the spine forward at each height: its integral.
        self._shift_at = np.arange(body.lower.mean(), max(self._lean_at[-1], body.upper.mean()) + 400.0, 0.5)
        ramp = (self._shift_at - body.lower.mean()) / (body.upper.mean() - self.drop_mm - body.lower.mean())
        lean = self.lean * np.clip(ramp, 0, 1) * np.interp(self._shift_at, self._lean_at, self._lean_share)
        self._shift = np.concatenate([[0.0], np.cumsum(0.25 * (lean[1:] + lean[:-1]))])

    def _gap(self, other: Body, plate: int, usual: float) -> float:
        """Disc between this body and another; ``plate`` of the other faces this one (0 upper, 1 lower)."""
        facing = self.body.to_local(other.landmarks_mm[plate])[:, 2]
        gap = float(np.mean(facing - self.body.upper if plate else self.body.lower - facing))
        return gap if MIN_DISC_MM < gap < 3 * usual else usual

    def _lean_above(self, above: Sequence[Body]) -> tuple[Array, Array]:
        """Nodes of w and the share of the lean that is left there: constant in bodies, falling over discs.

        Every second node is the top of a disc; those alone describe an even fall over bodies and discs.
        """
        at, share = [0.0], [1.0]
        previous = self.body
        for body in above:
            floor, roof = (self.body.to_local(b.landmarks_mm[p])[:, 2].mean() for b, p in ((previous, 0), (body, 1)))
            if previous is not self.body and roof > floor > at[-1]:
                at += [float(floor), float(roof)]
                share += [share[-1], share[-1] * LEAN_KEPT]
            previous = body
        return np.array(at) - self.drop_mm, np.array(share)

    def loss_mm(self, u: Array, v: Array) -> Array:
        """Height lost over the footprint."""
        body, how = self.body, self.how
        s = v / (0.5 * body.depth_mm)  # −1 front, 1 back
        anterior, middle, _ = body.heights_mm
        if how.shape == "wedge":
            front = np.clip((1 - s) / (1 + 2 * LANDMARK), 0, 1.05) ** how.power
            return np.asarray(anterior * how.loss * front)
        if how.shape == "biconcave":
            bowl = 1 - (u / (0.44 * body.width_mm)) ** 2 - (v / (0.44 * body.depth_mm)) ** 2
            return np.asarray(middle * how.loss * np.maximum(bowl, 0) ** 0.8)
        upper, lower = body.endplates(u, v)  # crush: the back a little less than the front
        share = 1 - 0.1 * (np.clip(s, -1, 1) + 2 * LANDMARK) / (1 + 2 * LANDMARK)
        return np.asarray((upper - lower) * share * how.loss)

    def backward(self, points_mm: Array) -> tuple[Array, Array]:
        """Tell where the deformed space's points (…, 3) were before, and by which factor bone was compressed there
        (…)."""
        points = np.array(points_mm, np.float64)
        local = self.body.to_local(points)
        touched = local[..., 2] > self.body.lower.mean() - MAX_SPREAD_MM  # all below stays where it is
        u, v, w = local[touched].T
        v, w, bent = self._unbend(u, v, w)
        w, squeezed = self._unsqueeze(u, v, w)
        v = v + self._bulge(u, v, w)
        points[touched] = self.body.to_scan(np.stack((u, v, w), axis=-1))
        compression = np.ones(points.shape[:-1])
        compression[touched] = bent * squeezed
        return points, compression

    def forward(self, points_mm: Array) -> Array:
        """Tell where original points (n, 3) go; the inverse of ``backward`` by damped iteration."""
        target = np.asarray(points_mm, np.float64)
        found = target.copy()
        for _ in range(MAX_STEPS):
            missing = target - self.backward(found)[0]
            found += 0.3 * missing
            if np.abs(missing).max(initial=0) < CLOSE_MM:
                break
        return found

    def _nodes(self, u: Array, v: Array) -> tuple[list[Array], list[Array]]:
        """w of nodes from below the lower disc to above the upper one, before and after the squeeze."""
        body, share = self.body, self.how.upper_share
        upper, lower = body.endplates(u, v)
        near = 1 - _smooth(body.outside_mm(u, v) / FADE_MM)
        own = (self.loss_mm(u, v) - self.drop_mm - self.lean * (self.hinge - v)) * near
        # Where the lean alone takes more than the profile asks for, the disc must not be crushed.
        own = np.maximum(own, -0.5 * (self._disc_above - MIN_DISC_MM))
        upper_now, lower_now = upper - self.drop_mm - share * own, lower + (1 - share) * own
        thick = np.minimum(PLATE_MM, 0.12 * (upper - lower))
        rim_above, rim_below = (min(PLATE_MM, 0.25 * disc) for disc in (self._disc_above, self._disc_below))
        ceiling, floor = upper + self._disc_above - rim_above, lower - self._disc_below + rim_below
        middle = 0.5 * (upper + lower)
        half = middle - lower - thick
        lost = (upper - lower) - (upper_now - lower_now)
        # The half next to the plate that gave way is compressed more.
        part = np.clip((1 - (0.5 + 0.6 * (share - 0.5))) * lost, None, (1 - MIN_LEFT) * half)
        part = np.maximum(part, lost - (1 - MIN_LEFT) * half)
        before = [floor, lower - rim_below, lower + thick, middle, upper - thick, upper + rim_above, ceiling]
        after = [
            floor,
            lower_now - rim_below,
            lower_now + thick,
            lower_now + thick + half - part,
            upper_now - thick,
            upper_now + rim_above,
            ceiling - self.drop_mm,
        ]
        return before, after

    def _unsqueeze(self, u: Array, v: Array, w: Array) -> tuple[Array, Array]:
        before, after = self._nodes(u, v)
        old = np.where(w <= after[0], w, w + self.drop_mm)
        stretch = np.ones_like(w)
        for i in range(len(after) - 1):
            step = np.maximum(after[i + 1] - after[i], 1e-3)
            slope = (before[i + 1] - before[i]) / step
            here = (w > after[i]) & (w <= after[i + 1])
            old = np.where(here, before[i] + slope * (w - after[i]), old)
            if i in (2, 3):
                stretch = np.where(here, slope, stretch)
        outside = self.body.outside_mm(u, v)
        far = _smooth(outside / FADE_MM)
        if self.drop_mm:
            old = (1 - far) * old + far * (w + self.drop_mm * self._ramp(u, v, w, wide=True))
        return np.asarray(old), np.asarray(1 + (stretch - 1) * (1 - _smooth(outside / 2.5)))

    def _ramp(self, u: Array, v: Array, w: Array, *, wide: bool) -> Array:
        """0 below the body, 1 above it; linear between the endplates, wider and smooth away from the footprint."""
        _, after = self._nodes(u, v)
        lower, upper = after[2], after[4] - (0 if wide else self.lean * (self.hinge - v))
        upper = np.maximum(upper, lower + 1.0)
        near = np.clip((w - lower) / (upper - lower), 0, 1)
        outside = self.body.outside_mm(u, v)
        reach = np.minimum(0.5 * (upper - lower) + SPREAD * outside, MAX_SPREAD_MM)
        away = _smooth((w - 0.5 * (lower + upper)) / (2 * reach) + 0.5)
        far = _smooth(outside / FADE_MM)
        return np.asarray((1 - far) * near + far * away)

    def _unbend(self, u: Array, v: Array, w: Array) -> tuple[Array, Array, Array]:
        if not self.lean:
            return v, w, np.ones_like(w)
        ahead = self.hinge - v
        ramp = self._ramp(u, v, w, wide=False)
        along = w + self.lean * ramp * ahead
        far = _smooth(self.body.outside_mm(u, v) / FADE_MM)
        share = np.interp(along, self._lean_at, self._lean_share)
        share += far * (np.interp(along, self._lean_at[::2], self._lean_share[::2]) - share)
        _, after = self._nodes(u, v)
        height = np.maximum(after[4] - after[2] - self.lean * ahead, 1.0)
        inside = (ramp > 0) & (ramp < 1) & (self.body.outside_mm(u, v) < 1)
        stretch = np.where(inside, np.maximum(1 + self.lean * ahead / height, 0.5), 1.0)
        return v + np.interp(along, self._shift_at, self._shift), w + self.lean * ramp * share * ahead, stretch

    def _bulge(self, u: Array, v: Array, w: Array) -> Array:
        """Outward motion of the buckled anterior wall, in original coordinates."""
        if not self.how.bulge_mm:
            return np.zeros_like(v)
        upper, lower = self.body.endplates(u, v)
        t = np.clip((w - lower) / (upper - lower), 0, 1)
        wall = -0.5 * self.body.depth_mm
        ahead = np.clip(v / wall, 0, 1) ** 2 * np.clip(1 - (wall - v) / 12.0, 0, 1)
        side = np.clip(1 - (2 * u / (1.3 * self.body.width_mm)) ** 2, 0, 1)
        return np.asarray(self.how.bulge_mm * np.sin(np.pi * t) ** 2 * ahead * side)

    def scleroses(self, u: Array, v: Array, w: Array) -> Array:
        """Share (0 to 1) of the fracture's sclerosis at original local coordinates: a band below each endplate lost."""
        upper, lower = self.body.endplates(u, v)
        inside = 1 - _smooth(self.body.outside_mm(u, v) / 2.0)
        share = self.how.upper_share
        depth = np.maximum(0.22 * (upper - lower), 1.0)
        bands = sum(
            weight * np.exp(-((gap / depth) ** 2)) * (gap > -1.0)
            for weight, gap in ((share, upper - w), (1 - share, w - lower))
        )
        lost = np.maximum(self.loss_mm(u, v), 0) / (self.how.loss * (upper - lower))
        return np.asarray(inside * bands * np.clip(lost, 0, 1))

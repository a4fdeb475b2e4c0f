# SPDX-License-Identifier: Apache-2.0
"""Annotated studies as what is learnt from: patches with labels for members, slices with boxes for the detector."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vcf_contract.spec import PATCH, PatchSpec
from vcf_preprocess import slices
from vcf_preprocess.geometry import Volume
from vcf_preprocess.spine import locate
from vcf_training.canal_images import example
from vcf_training.data.annotated import AnnotatedStudy, AnnotatedVertebra, Scan
from vcf_training.data.canal_fit import fit_canal
from vcf_training.data.places import usual_height_mm
from vcf_training.detector import CanalImages
from vcf_training.phantom import Vertebra
from vcf_training.phantom.anatomy import level_size
from vcf_training.studies import Studies
from vcf_training.views import Crop, view
from vcf_training.warp.patients import complete_canal

Array = NDArray[np.float64]
CanalFinder = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Detector images in, raw heads out: the detector in its served form."""

END_MARGIN_MM = 12.0
"""Lies beyond the outermost listed vertebra: a disc, but little of the neighbour, which is cut off and has no label."""
UNLISTED_MM = 22.0
"""A gap of this height between listed vertebrae holds one that is not listed."""
DETECTOR_EVERY_MM = 10.0
_UNKNOWN = 1
"""Stands for "not graded" while a view is drawn; grades are one higher then. See ``_coded``."""


def member_studies(
    study: AnnotatedStudy,
    scan: Scan,
    rng: Generator,
    *,
    views: int = 1,
    crop: Crop = Crop(),  # noqa: B008 (immutable)
    finder: CanalFinder | None = None,
    spec: PatchSpec = PATCH,
) -> list[Studies]:
    """A study as patches with labels, seen ``views`` times with another field of view; empty where it is of no use.

    A patch that shows an ungraded vertebra has the weight 0. A view that shows one, and no fracture, is left out, for
    it might be positive. A study with a fracture nobody placed is shown whole, every patch positive with the weight 0:
    then only the study's label teaches. Anatomy is known where masks give the heights of all bodies.

    Parameters
    ----------
    finder
        Detector for studies whose canal is not annotated; without it they are left out.

    Raises
    ------
    StudyRefused
        The detector finds no spine.
    """
    canal = _known_canal(scan, finder)
    if study.fractured is None or canal is None:
        return []
    rows = _rows(study, scan, canal)
    dz = scan.volume.spacing_mm[0]
    truth, _ = complete_canal(canal)
    known = _coded(study, scan, (rows.start * dz, rows.stop * dz))
    below = rows.start * dz
    known = [_moved(v, -below) for v in known]
    placed = _all_placed(study, scan)
    if not placed:
        known, crop = [], replace(crop, whole_share=1.0)
    complete = study.complete and bool(known) and all(v.heights_mm is not None for v in scan.vertebrae)
    drawn = []
    for number in range(views):
        one = view(
            scan.volume.hu[rows],
            scan.volume.spacing_mm,
            truth[rows],
            known,
            f"{study.source}-{study.key}.{number}",
            rng,
            crop=crop,
            spec=spec,
            complete=complete,
        )
        if one is not None and (decoded := _decoded(one, study, placed)) is not None:
            drawn.append(decoded)
    return drawn


def _known_canal(scan: Scan, finder: CanalFinder | None) -> Array | None:
    """Canal centres (z, 2), NaN beyond the spine; by the detector where there is no annotation."""
    if scan.canal_mm is not None or finder is None:
        return scan.canal_mm
    volume = scan.volume
    indices = slices.pick_body(volume.hu, volume.spacing_mm, volume.slice_location_mm)
    grid = finder(slices.detector_images(volume.hu, volume.spacing_mm, indices))
    line = locate(volume.hu.shape, volume.spacing_mm, indices, grid)
    centres = np.full((len(volume.hu), 2), np.nan)
    centres[line.first_slice : line.first_slice + len(line.points_mm)] = line.points_mm[:, :2]
    return centres


def _rows(study: AnnotatedStudy, scan: Scan, canal: Array) -> slice:
    """Slices from which patches may come: where the canal is known and, if they are all listed, the vertebrae."""
    dz, count = scan.volume.spacing_mm[0], len(scan.volume.hu)
    seen = np.flatnonzero(np.isfinite(canal).all(axis=1))
    first, last = int(seen[0]), int(seen[-1])
    reach = round(END_MARGIN_MM / dz)
    if scan.labels is not None or study.synthetic:
        first, last = first - reach, last + reach
    if study.complete and scan.vertebrae and len(scan.vertebrae) >= len(study.grades) and scan.labels is not None:
        first = max(first, int(scan.vertebrae[-1].z_mm[0] / dz) - reach)
        last = min(last, int(np.ceil(scan.vertebrae[0].z_mm[1] / dz)) + reach)
    return slice(max(0, first), min(count, last + 1))


def _coded(study: AnnotatedStudy, scan: Scan, extent_mm: tuple[float, float]) -> list[Vertebra]:
    """Vertebrae as ``view`` takes them, with those of unknown grade marked.

    ``view`` calls a patch fractured that shows a vertebra of grade 1 or more, and notes the highest grade. Known
    fractures come in as grade + 1 and unknown ones as 1, so that an unknown vertebra alone gives 1, and ``_decoded``
    turns that into weight 0.
    """
    coded = []
    for v in scan.vertebrae:
        grade = _UNKNOWN if v.verdict.grade is None else v.verdict.grade and v.verdict.grade + _UNKNOWN
        height = v.z_mm[1] - v.z_mm[0]
        heights = v.heights_mm or (height, height, height)
        coded.append(Vertebra(v.level, v.centre_mm, heights, *v.z_mm, grade, v.verdict.shape))
    return coded if study.complete else coded + list(_unlisted(scan.vertebrae, extent_mm))


def _unlisted(listed: Sequence[AnnotatedVertebra], extent_mm: tuple[float, float]) -> Iterator[Vertebra]:
    """Unknown vertebrae wherever the spine is not covered by listed ones."""
    edges = [extent_mm[0], *(z for v in reversed(listed) for z in v.z_mm), extent_mm[1]]
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        count = round((high - low) / usual_height_mm("T12")) if high - low >= UNLISTED_MM else 0
        for i in range(count):
            z0, z1 = (low + (high - low) * (i + end) / count for end in (0, 1))
            yield Vertebra("", (0.0, 0.0, (z0 + z1) / 2), (z1 - z0, z1 - z0, z1 - z0), z0, z1, _UNKNOWN, None)


def _moved(v: Vertebra, up_mm: float) -> Vertebra:
    x, y, z = v.centre_mm
    return replace(v, centre_mm=(x, y, z + up_mm), z0_mm=v.z0_mm + up_mm, z1_mm=v.z1_mm + up_mm)


def _all_placed(study: AnnotatedStudy, scan: Scan) -> bool:
    """Tell whether every fracture of the study, and every vertebra that may be one, has a place in the scan."""
    if not study.fractured:
        return True
    unsound = {level for level, verdict in study.grades.items() if verdict.grade != 0}
    return bool(unsound) and unsound <= {v.level for v in scan.vertebrae}


def _decoded(drawn: Studies, study: AnnotatedStudy, placed: bool) -> Studies | None:
    """Undo ``_coded``; None where the view may or may not be positive."""
    if not placed:
        ones = np.ones_like(drawn.label)
        return replace(drawn, label=ones, weight=np.zeros_like(ones), grade=ones * np.uint8(study.grade or 0))
    unknown = drawn.grade == _UNKNOWN
    label = np.where(unknown, 0, drawn.label).astype(np.uint8)
    weight = np.where(unknown, 0, drawn.weight).astype(np.uint8)
    grade = np.where(drawn.grade > 0, drawn.grade - _UNKNOWN, 0).astype(np.uint8)
    if not label.any() and not weight.all():
        return None
    anatomy = drawn.anatomy.copy()
    if any(g.grade is None for g in study.grades.values()):
        anatomy[..., 4] = np.nan
    return replace(drawn, label=label, weight=weight, grade=grade, anatomy=anatomy)


def detector_images(study: AnnotatedStudy, scan: Scan, every_mm: float = DETECTOR_EVERY_MM) -> CanalImages | None:
    """Slices with the canal's box; None where no canal is annotated.

    The box is that of the canal's label. Where only vertebrae are labelled, its centre comes from the gap between body
    and arch and its edges from the bone around it; failing those, its size is the usual one of the level.
    """
    if scan.canal_mm is None:
        return None
    volume = scan.volume
    seen = np.flatnonzero(np.isfinite(scan.canal_mm).all(axis=1))
    chosen = np.unique(seen[0] + np.round(np.arange(0, np.ptp(seen) + 1, every_mm / volume.spacing_mm[0])).astype(int))
    chosen = chosen[np.isin(chosen, seen)]
    centres, sizes = _boxes(scan, seen)
    images, boxes = [], []
    for z in chosen:
        centre, size = centres[z].tolist(), sizes[z].tolist()
        image, box = example(volume.hu[z], volume.spacing_mm[1:], (centre[0], centre[1]), (size[0], size[1]))
        images.append(image)
        boxes.append(box)
    return CanalImages(np.stack(images), np.stack(boxes), np.array([f"{study.source}-{study.key}"] * len(images)))


def _boxes(scan: Scan, seen: NDArray[np.intp]) -> tuple[Array, Array]:
    """Centres and sizes (z, 2) of the canal in mm on the slices ``seen``."""
    assert scan.canal_mm is not None
    if scan.canal_size_mm is not None:
        return scan.canal_mm, scan.canal_size_mm
    centres, sizes = scan.canal_mm.copy(), np.full_like(scan.canal_mm, np.nan)
    try:
        edges = fit_canal(scan.volume, seen, centres[seen])
        centres[seen], sizes[seen] = (edges[:, :2] + edges[:, 2:]) / 2, edges[:, 2:] - edges[:, :2]
    except ValueError:
        sizes[seen] = _usual_sizes(scan.volume, scan.vertebrae)[seen]
    return centres, sizes


def _usual_sizes(volume: Volume, vertebrae: Sequence[AnnotatedVertebra]) -> Array:
    """Width and height (z, 2) of the canal at the level of the nearest vertebra."""
    heights = np.arange(len(volume.hu)) * volume.spacing_mm[0]
    known = [(v.centre_mm[2], level_size({"T13": "T12", "L6": "L5"}.get(v.level, v.level))) for v in vertebrae]
    known = known or [(0.0, level_size("T12"))]
    nearest = np.abs(heights[:, None] - np.array([z for z, _ in known])).argmin(axis=1)
    table = np.array([(size.canal_width_mm, size.canal_depth_mm) for _, size in known])
    chosen: Array = table[nearest]
    return chosen


def joined(parts: Iterable[Studies]) -> Studies | None:
    """All studies; None where there are none."""
    found = list(parts)
    return Studies.joined(found) if found else None

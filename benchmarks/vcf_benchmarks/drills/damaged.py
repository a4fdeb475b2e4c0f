# SPDX-License-Identifier: Apache-2.0
"""Files of a series, damaged at random: each is read or refused, and nothing else happens."""

import random
import resource
import time
from collections import Counter
from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pydicom

from vcf_benchmarks.drills.figures import Line
from vcf_benchmarks.harness.studies import demo_series
from vcf_client.acceptance import MAX_VOLUME_BYTES
from vcf_client.reader import read_files
from vcf_contract.errors import StudyRefused

SLICES, SIDE = 52, 64
"""130 mm of body."""
FILES_AT_ONCE = (1, 1, 2, 3)
"""Damaged files among those of a study, by chance one of these."""
HANGS_AFTER_S = 30.0
STUDY, REFUSED = "read all the same", "refused with a code"


def run(count: int, seed: int = 0) -> list[Line]:
    """Damage so many files and read them among those of their series."""
    rng = random.Random(seed)
    good = series()
    read_files(good, workers=1)  # refused whole, they would say nothing
    outcomes: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    tracebacks: Counter[str] = Counter()
    slowest_s = 0.0
    damaged = 0
    while damaged < count:
        files = list(good)
        for at in rng.sample(range(len(files)), min(rng.choice(FILES_AT_ONCE), count - damaged)):
            files[at] = damage(files[at], rng)
            damaged += 1
        started = time.thread_time()
        try:
            read_files(files, workers=1)
            outcomes[STUDY] += 1
        except StudyRefused as refused:
            outcomes[REFUSED] += 1
            codes[str(refused.code)] += 1
        except Exception as error:
            tracebacks[f"{type(error).__name__}: {error}"[:200]] += 1
        slowest_s = max(slowest_s, time.thread_time() - started)
    for text, times in tracebacks.most_common(10):
        print(f"damaged: {times} × {text}")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return [
        Line("damaged", f"damaged files, up to three of the {SLICES} of a study", damaged, unit="files"),
        *(Line("damaged", f"studies {what}", outcomes[what], unit="studies") for what in (STUDY, REFUSED)),
        Line("damaged", "kinds of refusals", len(codes), unit="codes"),
        Line("damaged", "tracebacks", tracebacks.total(), goal=0),
        Line("damaged", "processor time of the slowest study", round(slowest_s, 2), HANGS_AFTER_S, "s"),
        Line("damaged", "peak memory", peak_mib, 3 * MAX_VOLUME_BYTES >> 20, "MiB"),
    ]


def series() -> list[bytes]:
    """A small series of a public CT: its headers, and every eighth row and column."""
    files = []
    images = [pydicom.dcmread(path) for path in sorted(demo_series().glob("*.dcm"))]
    images.sort(key=lambda image: float(image.ImagePositionPatient[2]))
    for image in images[:SLICES]:
        step = image.Rows // SIDE
        image.PixelData = np.ascontiguousarray(image.pixel_array[::step, ::step]).tobytes()
        image.Rows = image.Columns = SIDE
        image.PixelSpacing = [float(mm) * step for mm in image.PixelSpacing]
        stream = BytesIO()
        image.save_as(stream, enforce_file_format=True)
        files.append(stream.getvalue())
    return files


def damage(content: bytes, rng: random.Random) -> bytes:
    """One file with one to four kinds of damage; most of it in the header, where it does most harm."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        rng.choice(_KINDS)(data, rng)
    return bytes(data)


def _at(data: Sequence[int], rng: random.Random) -> int:
    return rng.randrange(max(1, min(len(data), 3000) if rng.random() < 0.8 else len(data)))


def _flip(data: bytearray, rng: random.Random) -> None:
    if data:
        data[_at(data, rng) % len(data)] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, rng: random.Random) -> None:
    at = _at(data, rng)
    data[at : at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", rng.randbytes(4)))


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[_at(data, rng) :]


def _remove(data: bytearray, rng: random.Random) -> None:
    at = _at(data, rng)
    del data[at : at + rng.randint(1, 200)]


def _insert(data: bytearray, rng: random.Random) -> None:
    at = _at(data, rng)
    data[at:at] = rng.choice((bytes(64), b"\xfe\xff\x00\xe0" * 8, rng.randbytes(33)))


def _repeat(data: bytearray, rng: random.Random) -> None:
    at = _at(data, rng)
    data[at:at] = data[at : at + rng.randint(1, 500)]


_KINDS = (_flip, _flip, _overwrite, _overwrite, _cut, _remove, _insert, _repeat)

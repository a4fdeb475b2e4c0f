# SPDX-License-Identifier: Apache-2.0
"""The budget against copies added up by hand, and the counter against copies that are known."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vcf_benchmarks.copies.budget import GROW, TENSORS, Copy, StudySize, Who, budget, total
from vcf_benchmarks.copies.count import Counts, between, build, count, environment, median, snapshot
from vcf_client.message import prepare
from vcf_contract.contract import CENTRE_LINE_MM, CROP, DICOM_FILES, FLAGS, PATCHES, SLICE_IMAGES, VOLUME

needs_compiler = pytest.mark.skipif(
    shutil.which("cc") is None and shutil.which("gcc") is None, reason="no C compiler to make the counter with"
)
SIZE = StudySize((60, 256, 256), (60, 40, 30), 5, 4, (100, 90), dicom_bytes=8_000_000, dicom_files=60)


def voxels(copies: list[Copy], who: Who) -> int:
    return sum(copy.nbytes for copy in copies if copy.who is who and copy.of_voxels)


@pytest.mark.parametrize(
    ("tensor", "array"),
    [
        (VOLUME, np.zeros(SIZE.volume, np.int16)),
        (CROP, np.zeros(SIZE.crop, np.int16)),
        (SLICE_IMAGES, np.zeros((5, 256, 256, 1), np.float32)),
        (PATCHES, np.zeros((4, 32, 32, 32, 1), np.float32)),
        (CENTRE_LINE_MM, np.zeros((60, 3), np.float32)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_bytes_of_a_tensor_are_those_of_its_array(tensor, array) -> None:
    assert SIZE.nbytes(tensor) == array.nbytes


def test_files_travel_with_their_lengths_and_short_texts_weigh_nothing() -> None:
    files = [b"x" * 1000] * 60
    size = StudySize((60, 256, 256), (60, 40, 30), 5, 4, (100, 90), dicom_bytes=60_000, dicom_files=60)
    overhead = len(prepare("m", "", [(DICOM_FILES, [])]))
    assert size.nbytes(DICOM_FILES) == pytest.approx(len(prepare("m", "", [(DICOM_FILES, files)])) - overhead, abs=8)
    assert size.nbytes(FLAGS) == 0


def test_every_tensor_of_the_contract_has_a_size() -> None:
    for tensor in TENSORS.values():
        assert tensor.dtype == "BYTES" or SIZE.nbytes(tensor) > 0, tensor.name


def test_voxels_of_the_whole_volume_by_hand() -> None:
    volume, copies = SIZE.nbytes(VOLUME), budget("volume", SIZE)
    assert voxels(copies, Who.CLIENT) == 2 * volume
    assert voxels(copies, Who.KERNEL) == 2 * volume
    # Parsed once, then to the stubs of axial_slices and spine_patches, each of which makes an array of its own.
    assert voxels(copies, Who.SERVER) == 3 * volume
    assert voxels(copies, Who.STUB) == 2 * volume


def test_a_crop_in_shared_memory_is_in_no_message() -> None:
    crop = SIZE.nbytes(CROP)
    by_message, by_memory = budget("crop", SIZE), budget("shm", SIZE)
    assert voxels(by_memory, Who.KERNEL) == 0
    assert voxels(by_memory, Who.CLIENT) == crop
    assert total(by_message) - total(by_memory) == 2 * crop + 2 * crop + crop


def test_a_long_tensor_moves_as_it_grows() -> None:
    long = StudySize((300, 512, 512), SIZE.crop, 12, 7, (260, 250))  # 157 MB: full at 50 and at 100
    moved = [copy.nbytes for copy in budget("volume", long) if copy.what == GROW]
    assert moved == [150_000_000]
    assert not [copy for copy in budget("volume", SIZE) if copy.what == GROW]


def test_a_transport_that_is_not_known() -> None:
    with pytest.raises(KeyError, match="pigeon"):
        budget("pigeon", SIZE)


def test_medians_and_differences_of_counters() -> None:
    names = {1: "client", 2: "stub a"}
    one = between({1: (10, 0, 0)}, {1: (15, 3, 4), 2: (7, 0, 0), 99: (1000, 0, 0)}, names)
    assert one == Counts({"client": 5, "stub a": 7}, {"client": 3, "stub a": 0}, {"client": 4, "stub a": 0})
    assert one.of(Who.STUB) == 7 and one.of(Who.KERNEL) == 7
    late = Counts({"client": 900, "stub a": 900}, {}, {})
    assert median([one, late, one]).copied == {"client": 5, "stub a": 7}


@needs_compiler
def test_the_counter_counts_what_is_copied_and_sent(tmp_path: Path) -> None:
    """A megabyte joined, copied by NumPy and sent through a socket; small copies are left out."""
    program = """
import os, socket, struct
import numpy as np
from pathlib import Path
own = Path(os.environ["VCF_COPIES"], str(os.getpid()))
read = lambda: struct.unpack("3Q", own.read_bytes())
part, array = b"x" * 500_000, np.zeros(1_000_000, np.uint8)
here, there = socket.socketpair()
before = read()
joined = b"".join([part, part])
between = read()
other = array.copy()
copied = read()
for _ in range(1000):
    array[:1000].copy()
small = read()
here.sendmsg([part[:3000]])
there.recvmsg(3000)
print([b - a for a, b in zip(before, between)][0], copied[0] - between[0], small[0] - copied[0])
print(*(b - a for a, b in zip(small, read())))
"""
    counters = tmp_path / "counters"
    counters.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(build(tmp_path), counters),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    first, second = done.stdout.splitlines()
    joined, array, small = map(int, first.split())
    assert joined == array == 1_000_000 and small == 0
    copied, sent, received = map(int, second.split())
    assert (sent, received) == (3000, 3000) and copied == 0
    assert any(values[0] >= 2_000_000 for values in snapshot(counters).values())


@pytest.mark.slow
@pytest.mark.server
@needs_compiler
def test_client_server_and_stubs_copy_what_the_budget_says(tiny_repository, tmp_path) -> None:
    if importlib.util.find_spec("pytriton") is None:
        pytest.skip("the Triton server is not installed (nvidia-pytriton)")
    from vcf_cli import main

    options = ["--seed", "3", "--levels", "T6-L3", "--spacing", "3x1.0", "--grades", "none"]
    assert main(["phantom", str(tmp_path / "study"), *options]) == 0
    size, calls = count(tmp_path / "study", ["crop", "volume"], 1, tiny_repository)
    for transport, of_transport in calls.items():
        copies = budget(transport, size)
        for who in Who:
            planned = total(copies, who, counted_only=True)
            assert median(of_transport).of(who) == pytest.approx(planned, abs=max(2e6, 0.05 * total(copies))), (
                transport,
                who,
            )
    assert size.volume[0] > 50 and size.nbytes_of_volume > 10e6

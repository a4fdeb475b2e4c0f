# SPDX-License-Identifier: Apache-2.0
"""Test files that other projects publish with their packages: each is read, or refused for what it is."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from vcf_client.reader import read_study
from vcf_contract.errors import Code, StudyRefused

CORPORA = {
    "pydicom": "data/test_files",
    "pynetdicom": "tests/dicom_files",
    "nibabel": "nicom/tests/data",
    "nibabel ": "tests/data",
}
ONE_SLICE = "the scan covers {} mm"
CT: dict[str, tuple[Code, str]] = {
    "693_J2KI.dcm": (Code.TOO_SHORT, ONE_SLICE.format(5)),
    "CT_small.dcm": (Code.TOO_SHORT, ONE_SLICE.format(5)),
    "CTImageStorage.dcm": (Code.TOO_SHORT, ONE_SLICE.format(5)),
    "CTImageStorage_bad_meta.dcm": (Code.TOO_SHORT, ONE_SLICE.format(5)),
    "J2K_pixelrep_mismatch.dcm": (Code.OBLIQUE, "22 degrees off"),
    "dicomdirtests/DICOMDIR": (Code.TOO_SHORT, ONE_SLICE.format(12)),
    "77654033/CT2": (Code.MISSING_SLICES, "161 slices are missing"),
    "98892001/CT2N": (Code.LOCALIZER, "localizer"),
    "98892001/CT5N": (Code.TOO_SHORT, ONE_SLICE.format(12)),
    "TINY_ALPHA": (Code.TRUNCATED, "hold none"),  # CT without pixels
}
"""What is CT among pydicom's and pynetdicom's; there is no whole series."""


def files(package: str) -> list[Path]:
    spec = find_spec(package.strip())
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    folder = Path(spec.submodule_search_locations[0]) / CORPORA[package]
    if not folder.is_dir():
        pytest.skip(f"this build of {package} comes without its test files")
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize("package", CORPORA)
def test_each_is_refused_for_what_it_is(package: str) -> None:
    """No other error, whatever it is; and none of them is called damaged CT that is something else."""
    seen = 0
    for path in files(package):
        with pytest.raises(StudyRefused) as caught:
            read_study(path)
        seen += 1
        found = caught.value
        assert found.sentence and path.name not in found.sentence
        expected = next((e for name, e in CT.items() if path.as_posix().endswith(f"/{name}")), None)
        if expected:
            assert (found.code, expected[1] in found.sentence) == (expected[0], True), path.name
        assert found.code not in (Code.DAMAGED, Code.BAD_HU, Code.SPINE_NOT_FOUND), path.name
    assert seen > 5

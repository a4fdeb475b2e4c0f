# SPDX-License-Identifier: Apache-2.0
"""What cannot be written is said before the work, with the option and the path; the rest is written all the same."""

import argparse
from pathlib import Path

import pytest

from vcf_cli import main
from vcf_cli.outputs import kept, refuse_unwritable, writing
from vcf_contract.errors import SetupError
from vcf_server.ports import free_port


def arguments(**outputs: Path | bool | None) -> argparse.Namespace:
    return argparse.Namespace(**outputs)


@pytest.mark.parametrize("option", ["json", "sr", "sc", "log_file"])
def test_file_that_is_a_folder(tmp_path: Path, option: str) -> None:
    with pytest.raises(SetupError, match=f"--{option.replace('_', '-')} .*{tmp_path.name} .*it is a folder"):
        refuse_unwritable(arguments(**{option: tmp_path}))


@pytest.mark.parametrize("option", ["report", "out"])
def test_folder_that_is_a_file(tmp_path: Path, option: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="it is a file"):
        refuse_unwritable(arguments(**{option: tmp_path / "file"}))
    with pytest.raises(SetupError, match="file is no folder"):
        refuse_unwritable(arguments(**{option: tmp_path / "file" / "below"}))


def test_place_that_may_not_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked of the system, which says yes to root nearly everywhere: hence not with a folder of other rights."""
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    with pytest.raises(SetupError, match=f"{tmp_path.name} may not be written to"):
        refuse_unwritable(arguments(json=tmp_path / "new" / "f.json"))


def test_what_can_be_written_is_left_alone(tmp_path: Path) -> None:
    refuse_unwritable(arguments(json=tmp_path / "a" / "b" / "f.json", report=tmp_path / "new", sr=None, out=None))
    refuse_unwritable(arguments(json=Path("-"), log_file=tmp_path / "log"))
    refuse_unwritable(arguments(json=True))
    assert not list(tmp_path.iterdir())


def test_failure_while_writing_names_the_file(tmp_path: Path) -> None:
    said = r"--json .*f.json could not be written: No space left"
    with pytest.raises(SetupError, match=said), writing("json", tmp_path / "new" / "f.json"):
        raise OSError(28, "No space left on device")
    assert (tmp_path / "new").is_dir()


def test_one_failure_does_not_cost_the_others() -> None:
    failed: list[SetupError] = []
    for _ in range(2):
        with kept(failed):
            raise SetupError("no")
    assert len(failed) == 2
    with pytest.raises(ValueError), kept(failed):
        raise ValueError


@pytest.mark.parametrize("option", ["--json", "--sr", "--sc"])
@pytest.mark.parametrize("studies", [1, 2])
def test_analyze_does_not_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, studies: int) -> None:
    """No server is asked and no study read: neither is there."""
    code = main(["analyze", *["nothing"] * studies, "--server", f"127.0.0.1:{free_port()}", option, str(tmp_path)])
    assert code == 1
    error = capsys.readouterr().err
    assert f"{option} {tmp_path} cannot be written: it is a folder" in error and error.count("\n") == 1


def test_dicom_results_of_nifti_are_refused_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ct.nii.gz").touch()
    words = ["analyze", str(tmp_path / "ct.nii.gz"), "--server", f"127.0.0.1:{free_port()}"]
    assert main([*words, "--sc", str(tmp_path / "x.dcm")]) == 2
    assert "NOT_DICOM: --sr and --sc belong to a DICOM study" in capsys.readouterr().err

# SPDX-License-Identifier: Apache-2.0
"""Studies in folders and in a bucket: found, grouped by their UID, and read as the reader reads a folder."""

import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.clients.ct_series import CtSeries
from vcf_client.reader import read_files, read_study
from vcf_contract.errors import SetupError
from vcf_screening import file_studies
from vcf_screening.failures import PassingError
from vcf_server.ports import free_port


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An archive as they grow: a study in one folder, one with another below it, one in two places, a ZIP, and more."""
    root = tmp_path / "archive"
    CtSeries(study_uid="1.2.1").write(root / "a")
    CtSeries(study_uid="1.2.2").write(root / "b")
    CtSeries(study_uid="1.2.3").write(root / "b" / "prior")
    CtSeries(study_uid="1.2.4", slices=3).write(root / "c" / "series1")
    CtSeries(study_uid="1.2.4").write(root / "d" / "series2")
    with zipfile.ZipFile(root / "e.zip", "w") as archive:
        for path in (root / "a").iterdir():
            archive.write(path, path.name)
    (root / "notes").mkdir()
    (root / "notes" / "readme.txt").write_text("no DICOM")
    (root / "a" / ".hidden").write_text("x")
    (root / "a" / "DICOMDIR").write_bytes(b"x")
    return root


def test_what_is_in_a_tree(tree: Path) -> None:
    found = {entry.id: entry.location for entry in file_studies.entries(str(tree), {})}
    assert found == {
        "1.2.1": f"{tree}/a/*",
        "1.2.2": f"{tree}/b/*",
        "1.2.3": f"{tree}/b/prior/*",
        "1.2.4": f"{tree}/c/series1/*\n{tree}/d/series2/*",
        "e.zip": f"{tree}/e.zip",
    }


def test_the_files_of_a_folder_without_those_below_are_read_as_a_study(tree: Path) -> None:
    study, uid = read_files(file_studies.local_files(f"{tree}/b/*"))
    assert study.volume.hu.shape[0] == 40 and uid
    alone = read_study(tree / "a")
    again, _ = read_files(file_studies.local_files(f"{tree}/a/*"))
    assert (again.volume.hu == alone.volume.hu).all() and again.flags == alone.flags


def test_series_that_lie_apart_are_one_study(tree: Path) -> None:
    found = {entry.id: entry.location for entry in file_studies.entries(str(tree), {})}
    study, _ = read_files(file_studies.local_files(found["1.2.4"]))
    assert len(study.selection) == 2 and study.volume.hu.shape[0] == 40


def test_a_disk_that_is_not_mounted_is_no_answer_about_its_studies(tree: Path) -> None:
    with pytest.raises(PassingError, match="NOT_THERE"):
        file_studies.local_files(f"{tree}/gone/*")
    with pytest.raises(SetupError, match="nothing at the source"):
        list(file_studies.entries(str(tree / "gone"), {}))


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, Any]]:
    """Options for fsspec of an S3 of this machine, with a bucket ``archive``."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline_s = time.monotonic() + 60
        while server.poll() is None and time.monotonic() < deadline_s:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1")
        boto3.client("s3", endpoint_url=url).create_bucket(Bucket="archive")
        yield {"endpoint_url": url}
    finally:
        server.kill()
        server.wait()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            os.environ.pop(name, None)


@pytest.mark.slow
def test_a_bucket_is_like_a_tree(bucket: dict[str, Any], tree: Path, tmp_path: Path) -> None:
    store = boto3.client("s3", **bucket)
    for path in tree.rglob("*"):
        if path.is_file():
            store.upload_file(str(path), "archive", f"ct/{path.relative_to(tree)}")
    here = {entry.id: entry.location for entry in file_studies.entries(str(tree), {})}
    there = {entry.id: entry.location for entry in file_studies.entries("s3://archive/ct", bucket)}
    assert {uid: place.replace("s3://archive/ct", str(tree)) for uid, place in there.items()} == here
    for uid in ("1.2.2", "1.2.4"):
        files, _ = file_studies.fetch(there[uid], bucket, tmp_path)
        assert isinstance(files, list)
        study, series = read_files(files)
        same, same_series = read_files(file_studies.local_files(here[uid]))
        assert series == same_series and (study.volume.hu == same.volume.hu).all()
    alone, _ = file_studies.fetch(there["e.zip"], bucket, tmp_path)
    assert isinstance(alone, Path) and alone.parent == tmp_path
    assert (read_study(alone).volume.hu == read_study(tree / "e.zip").volume.hu).all()
    with pytest.raises(PassingError, match="NOT_THERE"):
        file_studies.fetch("s3://archive/ct/gone/*", bucket, tmp_path)


@pytest.mark.slow
def test_a_bucket_that_is_not_there(bucket: dict[str, Any]) -> None:
    with pytest.raises(SetupError, match="nothing at the source"):
        list(file_studies.entries("s3://nothing/ct", bucket))

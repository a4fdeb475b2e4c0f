# SPDX-License-Identifier: Apache-2.0
"""Images that came and results that are to go, as files that survive a crash, within a bound of disk space.

File names are made by ``key.Key``; only the contents are DICOM.
"""

import fcntl
import os
import shutil
import threading
from pathlib import Path

from vcf_contract.errors import SetupError, VcfError

INCOMING, OUTBOX, DRAFTS = "incoming", "outbox", "drafts"
JOURNAL_FILE, KEY_FILE, LOCK_FILE = "journal.sqlite", "key", "lock"

RESERVE_BYTES = 16 << 20
"""Stays free whatever the settings say: the journal is written before anything is answered, and results want to go."""


class SpoolFull(VcfError):
    """No room for another file."""


class Spool:
    """The folders of one gateway; a second process is kept out.

    Parameters
    ----------
    max_bytes
        Bound of all DICOM files together.
    keep_free_bytes
        Left to others on the file system.

    Raises
    ------
    SetupError
        If another gateway uses the folder.
    """

    def __init__(self, folder: Path, *, max_bytes: int, keep_free_bytes: int) -> None:
        self._folder = folder
        self._max_bytes, self._keep_free_bytes = max_bytes, max(keep_free_bytes, RESERVE_BYTES)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock_file = (folder / LOCK_FILE).open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock_file.close()
            raise SetupError("another gateway uses the spool folder; stop it, or give this one its own") from None
        shutil.rmtree(folder / DRAFTS, ignore_errors=True)
        for name in (INCOMING, OUTBOX, DRAFTS):
            (folder / name).mkdir(exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._drafts = 0
        self._used_bytes = sum(path.stat().st_size for path in folder.glob("*/**/*.dcm"))

    def close(self) -> None:
        """Let another process have the folder."""
        self._lock_file.close()

    @property
    def journal_path(self) -> Path:
        """Tell where the journal lies."""
        return self._folder / JOURNAL_FILE

    @property
    def key_path(self) -> Path:
        """Tell where the key lies."""
        return self._folder / KEY_FILE

    @property
    def used_bytes(self) -> int:
        """Size of all DICOM files."""
        return self._used_bytes

    def study_folder(self, study: str) -> Path:
        """Tell where the images of a study lie."""
        return self._folder / INCOMING / study

    def images(self, study: str) -> set[str]:
        """Names of the images of a study."""
        return {path.stem for path in self.study_folder(study).glob("*.dcm")}

    def studies(self) -> set[str]:
        """Names of the studies that have images here."""
        return {path.name for path in (self._folder / INCOMING).iterdir()}

    def put_image(self, study: str, image: str, content: bytes) -> None:
        """Store an image; it is on disk when the call returns. The same again replaces it.

        Raises
        ------
        SpoolFull
            If it does not fit in.
        OSError
            If the disk fails.
        """
        self._put(self.study_folder(study) / f"{image}.dcm", content)

    def put_result(self, result: str, content: bytes) -> None:
        """Store a result to be sent, as ``put_image`` does. Room for it is never refused: it makes room in the end."""
        self._put(self.result_path(result), content, bounded=False)

    def result_path(self, result: str) -> Path:
        """Tell where a result lies."""
        return self._folder / OUTBOX / f"{result}.dcm"

    def results(self) -> set[str]:
        """Names of the results here."""
        return {path.stem for path in (self._folder / OUTBOX).glob("*.dcm")}

    def drop_result(self, result: str) -> None:
        """Remove a result."""
        self._remove(self.result_path(result))

    def drop_study(self, study: str) -> None:
        """Remove the images of a study."""
        folder = self.study_folder(study)
        for path in folder.glob("*"):
            self._remove(path)
        if folder.is_dir():
            folder.rmdir()

    def is_full(self, more_bytes: int = 0) -> bool:
        """Tell whether that much more would break a bound."""
        return (
            self._used_bytes + more_bytes > self._max_bytes
            or shutil.disk_usage(self._folder).free - more_bytes < self._keep_free_bytes
        )

    def _put(self, path: Path, content: bytes, *, bounded: bool = True) -> None:
        with self._lock:
            if bounded and self.is_full(len(content)):
                raise SpoolFull(
                    f"the spool holds {self._used_bytes} of {self._max_bytes} bytes, no room for {len(content)}"
                )
            self._used_bytes += len(content)  # reserved before the write, so that parallel ones stay within the bound
            self._drafts += 1
            draft = self._folder / DRAFTS / f"{self._drafts}"
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if not path.parent.is_dir():
                path.parent.mkdir(exist_ok=True, mode=0o700)
                _sync_folder(path.parent.parent)
            replaced = path.stat().st_size if path.exists() else 0
            draft.replace(path)
            _sync_folder(path.parent)
        except OSError:
            draft.unlink(missing_ok=True)
            self._add(-len(content))
            raise
        self._add(-replaced)

    def _remove(self, path: Path) -> None:
        size = path.stat().st_size if path.exists() else 0
        path.unlink(missing_ok=True)
        self._add(-size)

    def _add(self, size: int) -> None:
        with self._lock:
            self._used_bytes += size


def _sync_folder(folder: Path) -> None:
    """A new name in a folder is only safe when the folder is on disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

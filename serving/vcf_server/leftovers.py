# SPDX-License-Identifier: Apache-2.0
"""Tell what a server left behind that was killed together with its guard and its owner: found at the next start.

Each server holds a lock on a small file beside its shared memory, which names its private folder. The kernel drops a
lock with the last process that holds it, so what nobody locks belongs to nobody, whatever its process ids mean by now.
"""

import fcntl
import os
import secrets
import tempfile
from pathlib import Path

from vcf_server import guard, processes

_LOCK = "lock"
_FOLDER_PREFIX = "vcf-serve-"


class Belongings:
    """Name and private folder of one server, locked until `close` or until the last process that inherited it ends.

    Raises
    ------
    OSError
        If there is no room for them.
    """

    def __init__(self) -> None:
        self.shm_prefix = f"vcf-{os.getpid()}-{secrets.token_hex(4)}-"
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-"))
        path = guard.SHARED_MEMORY / f"{self.shm_prefix}{_LOCK}"
        # Locked before it has the name by which others find it.
        unfinished = path.with_name(f"{path.name}-new")
        self.lock = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        os.write(self.lock, os.fsencode(self.folder))
        unfinished.rename(path)

    def remove(self) -> None:
        """End what still runs of the server and remove all that it had."""
        processes.kill_stubs(self.shm_prefix)
        guard.clean(self.shm_prefix, self.folder)
        self.close()

    def close(self) -> None:
        """Let go of the lock."""
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1


def sweep() -> int:
    """Remove what servers of this user left behind whose processes are all gone; how many these were."""
    return sum(_removed(lock) for lock in guard.SHARED_MEMORY.glob(f"vcf-*-{_LOCK}"))


def _removed(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:  # gone, or another user's
        return False
    try:
        if os.fstat(handle).st_uid != os.geteuid():  # anybody may put a file here
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # its server runs
            return False
        folder = Path(os.fsdecode(os.read(handle, 4096)))
        shm_prefix = path.name.removesuffix(_LOCK)
        processes.kill_stubs(shm_prefix)
        if folder.name.startswith(_FOLDER_PREFIX):
            guard.clean(shm_prefix, folder)
        return True
    finally:
        os.close(handle)

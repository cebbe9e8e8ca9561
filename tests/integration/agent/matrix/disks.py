"""Small disks of their own for the agent's files: they can be filled, and they can lose power.

A disk is an ext4 filesystem in a file, mounted through a loop device. The file has what the filesystem has sent to its device;
what only the page cache has is not in it. A copy of the file, taken while nothing is sent, is therefore what a disk holds at the
moment of a power cut: everything that was fsynced, and of the rest whatever the kernel happened to have written already.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from pathlib import Path

SIZE = 3 * 1024**3
"""Room for the preflight's floor; the file is sparse."""

QUIET_SECONDS = 30
COMMIT_SECONDS = 600
"""ext4 writes its journal on its own every 5 s by default: so seldom, only what the agent asks for gets to the disk."""

BALLAST = "ballast"
SMALLEST = 4096


def can_mount() -> bool:
    """Say whether this process may mount (root, with loop devices)."""
    return os.geteuid() == 0 and Path("/dev/loop-control").exists()


class Disk:
    """One filesystem, mounted from its making to `unmount`."""

    def __init__(self, image: Path, where: Path) -> None:
        """Make an empty filesystem in the file `image` and mount it on `where`."""
        self.image, self.where = image, where
        image.parent.mkdir(parents=True, exist_ok=True)
        with open(image, "wb") as file:
            file.truncate(SIZE)
        _run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", str(image))
        self._mount()
        (where / "lost+found").rmdir()

    def _mount(self) -> None:
        self.where.mkdir(parents=True, exist_ok=True)
        _run("mount", "-o", f"loop,noatime,commit={COMMIT_SECONDS}", str(self.image), str(self.where))

    def sync(self) -> None:
        """Send everything to the disk (what was there before the test began must not be lost by its power cut)."""
        descriptor = os.open(self.where, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _run("sync", "--file-system", str(self.where))

    # A disk that is full ----------------------------------------------------------------------------------------------

    def fill(self) -> None:
        """Take every free block."""
        descriptor = os.open(self.where / BALLAST, os.O_WRONLY | os.O_CREAT, 0o600)
        offset, size = 0, 1024**3
        try:
            while size >= SMALLEST:
                if not _allocate(descriptor, offset, size):
                    size //= 2
                offset = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def give_room(self) -> None:
        """Give the blocks back."""
        (self.where / BALLAST).unlink(missing_ok=True)

    # A disk that loses power ------------------------------------------------------------------------------------------

    def photograph(self, to: Path) -> None:
        """Copy what the disk has now. Its writers must have been stopped: a write in between makes it start over."""
        deadline = time.monotonic() + QUIET_SECONDS
        while True:
            before = self._writes()
            _run("cp", "--sparse=always", str(self.image), str(to))
            if before == self._writes():
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"expected a quiet disk, {self.image} was written to for {QUIET_SECONDS} s")

    def _writes(self) -> tuple[str, str]:
        """Return the device's counter of writes, and what is under way."""
        statistics = Path("/sys/block", Path(self._device()).name)
        written = (statistics / "stat").read_text().split()[4]
        return written, (statistics / "inflight").read_text().strip()

    def _device(self) -> str:
        for line in Path("/proc/mounts").read_text().splitlines():
            device, where = line.split()[:2]
            if where == str(self.where):
                return device
        raise AssertionError(f"expected {self.where} to be mounted")

    def come_back(self, photograph: Path) -> None:
        """Be the disk that the photograph shows; nobody may use it now."""
        self.unmount()
        photograph.replace(self.image)
        self._mount()

    def unmount(self) -> None:
        """Unmount it; the file stays. The threads of a process that was killed may need a moment to let go of it."""
        deadline = time.monotonic() + QUIET_SECONDS
        while subprocess.run(["umount", str(self.where)], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, f"expected {self.where} to be let go of in {QUIET_SECONDS} s"
            time.sleep(0.1)

    def remove(self) -> None:
        """Unmount it, if it is mounted, and delete it."""
        if os.path.ismount(self.where):
            self.unmount()
        self.image.unlink(missing_ok=True)


def _allocate(descriptor: int, offset: int, size: int) -> bool:
    try:
        os.posix_fallocate(descriptor, offset, size)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


def copy_tree(source: Path, target: Path) -> None:
    """Copy a directory's content, sparse files as such."""
    target.mkdir(parents=True, exist_ok=True)
    _run("cp", "-a", "--sparse=always", f"{source}/.", str(target))


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"


def remove_tree(directory: Path) -> None:
    """Delete a directory of a finished cell."""
    shutil.rmtree(directory, ignore_errors=True)

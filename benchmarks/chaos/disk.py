"""A small disk of its own for one process, so that it can be filled."""

import contextlib
import os
import subprocess
from pathlib import Path

SIZE_MB = 512
FILLER = "filler"


class Disk:
    """A tmpfs mounted at ``folder``; without root a plain folder, which cannot be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.why_not = folder, ""
        folder.mkdir(parents=True)
        if os.geteuid() != 0:
            self.why_not = "a disk of its own needs root"
            return
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "none", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            self.why_not = f"no tmpfs can be mounted: {done.stderr.strip()}"

    def fill(self, spare: int) -> None:
        """Takes all but ``spare`` bytes."""
        free = os.statvfs(self.folder)
        size = free.f_bavail * free.f_frsize - spare
        if size > 0:
            with contextlib.suppress(OSError), (self.folder / FILLER).open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)

    def free(self) -> None:
        """Gives it back."""
        (self.folder / FILLER).unlink(missing_ok=True)

    def close(self) -> None:
        """Unmounts; what was on it is gone."""
        if not self.why_not:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)

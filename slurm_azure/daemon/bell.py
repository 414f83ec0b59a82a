"""What wakes the loop: a hook, a signal, or a call that has ended. All of them ring the same FIFO."""

from __future__ import annotations

import contextlib
import os
import select
import stat
from pathlib import Path


class Bell:
    """A FIFO that hooks write a byte to (intake.py), and that the daemon's own threads and signals ring too."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISFIFO(path.lstat().st_mode):
                path.unlink()
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o620)
        # Read and write: with no writer left a FIFO that is only read would be readable (end of file) for ever.
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def ring(self) -> None:
        """Wake the loop. From any thread; a full FIFO has rung already."""
        with contextlib.suppress(OSError):  # full, or closed under a call that ended late
            os.write(self.fd, b"\n")

    def wait(self, seconds: float) -> None:
        """Return when it rings, or after `seconds`."""
        ready, _, _ = select.select([self.fd], [], [], max(0.0, seconds))
        if ready:
            with contextlib.suppress(BlockingIOError):
                while len(os.read(self.fd, 65536)) == 65536:
                    pass

    def close(self) -> None:
        """Stop listening; the FIFO stays for the next daemon."""
        os.close(self.fd)

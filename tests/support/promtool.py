"""Where promtool is: unpacked from Debian's `prometheus` package into the cache, because installing that starts a service.

`python -m tests.support.promtool` gets it beforehand and prints its path.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("SLURM_AZURE_CACHE") or Path(__file__).parents[2] / ".cache")


class Unavailable(Exception):
    """promtool can be had neither from Debian nor on this machine; the message says why, in one line."""


def promtool(cache: Path = CACHE) -> Path:
    """The program's path; gets it (8 MB) when it is not in the cache. Raises Unavailable."""
    folder = cache / "tools"
    program = folder / "promtool"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "promtool.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests may run in several processes
        if not program.exists():
            try:
                _get(program)
            except (OSError, subprocess.SubprocessError) as error:
                installed = shutil.which("promtool")
                if installed is None:
                    raise Unavailable(f"promtool cannot be got from Debian's prometheus package: {_why(error)}") from None
                return Path(installed)
    return program


def _get(program: Path) -> None:
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        try:
            _download(folder)
        except subprocess.CalledProcessError:  # no package lists on a fresh machine: use some of our own
            os.makedirs(f"{folder}/lists/partial")
            own = ["-o", f"Dir::State::Lists={folder}/lists", "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
            _run(["apt-get", *own, "update"], folder)
            _download(folder, *own)
        package = next(Path(folder).glob("prometheus_*.deb"))
        _run(["dpkg-deb", "-x", package.name, "unpacked"], folder)
        (Path(folder) / "unpacked/usr/bin/promtool").rename(program)


def _download(folder: str, *options: str) -> None:
    _run(["apt-get", *options, "-o", "APT::Sandbox::User=root", "download", "prometheus"], folder)


def _run(command: list[str], folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=240)


def _why(error: Exception) -> str:
    text = getattr(error, "stderr", None) or str(error)
    return text.strip().splitlines()[-1]


if __name__ == "__main__":
    try:
        print(promtool())
    except Unavailable as error:
        sys.exit(str(error))

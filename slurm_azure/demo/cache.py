"""What is built once and used by every later site: folders named after what went into them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from slurm_azure.errors import PreflightError

CHECKOUT = Path(__file__).resolve().parents[2]
_KEPT = 3  # builds of one kind


def cache_folder() -> Path:
    """SLURM_AZURE_CACHE, or .cache of the checkout."""
    return Path(os.environ.get("SLURM_AZURE_CACHE") or CHECKOUT / ".cache").resolve()


def digest(parts: Iterable[str | bytes]) -> str:
    """A short name for what `parts` say, other for other parts."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(b"%d:" % len(data) + data)
    return total.hexdigest()[:16]


def build_once(kind: str, key: str, build: Callable[[Path], None], folder: Path | None = None) -> Path:
    """The folder KIND-KEY of the cache, made by `build(draft)` if it is not there yet.

    It comes into being whole or not at all; two that want the same at once build it once.
    """
    cache = folder or cache_folder()
    done = cache / f"{kind}-{key}"
    if done.is_dir():
        os.utime(done)
        return done
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{kind}.lock"):
        if not done.is_dir():
            draft = cache / f"{kind}.draft"
            shutil.rmtree(draft, ignore_errors=True)  # of a build that was killed
            try:
                build(draft)
                draft.rename(done)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
            _forget_oldest(cache, kind)
    return done


def hold(build: Path) -> int:
    """A descriptor; until it and all its copies are closed, those of children that inherit it too, the build stays.

    So what a running site consists of is there as long as one of its processes is, whoever builds anew and however it ends.
    Raises PreflightError if the build is gone.
    """
    try:
        descriptor = os.open(build, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        raise _gone(build) from None
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    if not build.is_dir():  # its remover was here first
        os.close(descriptor)
        raise _gone(build)
    return descriptor


def claim(name: str) -> int:
    """A descriptor; until it and all its copies are closed nobody else has a claim to that file of the cache.

    Raises PreflightError if somebody has.
    """
    cache_folder().mkdir(parents=True, exist_ok=True)
    descriptor = os.open(cache_folder() / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise PreflightError(
            f"a site was left running with {cache_folder()}: end it with `make demo-stop`, or set SLURM_AZURE_CACHE to "
            "another folder"
        ) from None
    return descriptor


def _gone(build: Path) -> PreflightError:
    return PreflightError(f"{build} has just been removed, as three newer ones were built: start again")


def _forget_oldest(cache: Path, kind: str) -> None:
    """Those that were used last are kept, and those that a site holds."""
    builds = sorted(cache.glob(f"{kind}-*"), key=lambda build: build.stat().st_mtime, reverse=True)
    for old in builds[_KEPT:]:
        descriptor = os.open(old, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

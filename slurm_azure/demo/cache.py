"""What is built once and used by every later site: folders named after what went into them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

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


def _forget_oldest(cache: Path, kind: str) -> None:
    builds = sorted(cache.glob(f"{kind}-*"), key=lambda build: build.stat().st_mtime, reverse=True)
    for old in builds[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

"""What is built once: whole or not at all, by one at a time."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from slurm_azure.demo.cache import build_once, digest, hold
from slurm_azure.errors import PreflightError


def write(draft: Path) -> None:
    draft.mkdir()
    (draft / "file").write_text("content")


def test_it_is_built_only_once(tmp_path: Path) -> None:
    """A second wish for the same is met by what is there; another key is built anew."""
    built: list[Path] = []

    def build(draft: Path) -> None:
        built.append(draft)
        write(draft)

    first = build_once("root", "aa", build, tmp_path)
    assert build_once("root", "aa", build, tmp_path) == first
    assert build_once("root", "bb", build, tmp_path) != first
    assert len(built) == 2
    assert (first / "file").read_text() == "content"


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    """What could not be finished is not taken for finished, and its draft is gone."""

    def fail(draft: Path) -> None:
        write(draft)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        build_once("root", "aa", fail, tmp_path)
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == []
    assert (build_once("root", "aa", write, tmp_path) / "file").is_file()


def test_the_draft_of_a_killed_build_is_no_hindrance(tmp_path: Path) -> None:
    """kill -9 leaves a draft; the next build begins anew."""
    (tmp_path / "root.draft").mkdir()
    (tmp_path / "root.draft" / "half").touch()
    assert [file.name for file in build_once("root", "aa", write, tmp_path).iterdir()] == ["file"]


def test_two_at_once_build_one(tmp_path: Path) -> None:
    """The second of two simultaneous wishes waits for the first and builds nothing."""
    built: list[float] = []
    begun = threading.Event()
    go_on = threading.Event()

    def build(draft: Path) -> None:
        built.append(time.monotonic())
        begun.set()
        assert go_on.wait(10)
        write(draft)

    threads = [threading.Thread(target=build_once, args=("root", "aa", build, tmp_path)) for _ in range(2)]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(built) == 1


def test_old_builds_are_forgotten(tmp_path: Path) -> None:
    """Edited sources would else fill the disk with one build each."""
    for number in range(6):
        build_once("wheel", str(number), write, tmp_path)
    assert len(list(tmp_path.glob("wheel-*"))) == 3
    assert (tmp_path / "wheel-5").is_dir()


def test_a_digest_knows_where_a_part_ends() -> None:
    """Parts are not just strung together."""
    assert digest(["ab", "c"]) != digest(["a", "bc"])
    assert digest(["ab", b"c"]) == digest([b"ab", "c"])


def test_what_a_site_holds_is_kept_for_its_life(tmp_path: Path) -> None:
    """A build stays, however many newer ones there are, while a process that inherited it lives, and not after its kill -9."""
    layer = build_once("product", "layer", write, tmp_path)
    descriptor = hold(layer)
    with subprocess.Popen(["sleep", "600"], pass_fds=[descriptor]) as site:
        os.close(descriptor)
        for key in "abcd":
            build_once("product", key, write, tmp_path)
        assert layer.is_dir()
        site.kill()
    build_once("product", "e", write, tmp_path)
    assert not layer.exists()
    with pytest.raises(PreflightError, match="has just been removed"):
        hold(layer)


def test_what_is_used_again_is_not_the_oldest(tmp_path: Path) -> None:
    """Of builds that nobody holds those used last are kept, not those built last."""
    first = build_once("product", "first", write, tmp_path)
    os.utime(first, (1, 1))
    build_once("product", "first", write, tmp_path)
    second = build_once("product", "second", write, tmp_path)
    os.utime(second, (1, 1))
    for key in "ab":
        build_once("product", key, write, tmp_path)
    assert first.is_dir()
    assert not second.exists()

"""Step `mounts`: the site's NFS shares, each mounted and proven to answer."""

import os
import re
import sys
from typing import List, NamedTuple

from slurm_node.node import Mount, Node
from slurm_node.outcome import Outcome, Patience, StepFailed
from slurm_node.system import TIMED_OUT, run, say

MOUNT_PATIENCE = 90.0
MOUNT_TIMEOUT = 60.0
ANSWER_TIMEOUT = 15.0
PAUSE = 2.0
PROBE = "import os, sys; os.statvfs(sys.argv[1]); next(iter(os.scandir(sys.argv[1])), None)"
"""Run as a process of its own: on a dead NFS server it hangs in the kernel."""

_PASSING = re.compile("timed out|refused|unreachable|no route|resol|temporar|reset by peer|busy|not respond|in progress", re.I)


def mount_shares(node: Node, patience: Patience, outcome: Outcome) -> None:
    """Mount every share, outer folders first. A required one that fails ends it, another one is a warning."""
    for mount in sorted(node.mounts, key=lambda mount: mount.path.rstrip("/").count("/")):
        try:
            mount_share(mount, patience.part(MOUNT_PATIENCE))
            prove_answer(mount)
        except StepFailed as failure:
            if mount.required:
                raise
            outcome.warnings.append(str(failure))
            say(f"warning: {failure} (not required, going on)")


def mount_share(mount: Mount, patience: Patience) -> None:
    """Mount one share; what may pass by itself is tried again as long as patience lasts. Raises StepFailed."""
    os.makedirs(mount.path, exist_ok=True)
    while not is_mounted(mount):
        before = len(mounted_at(mount.path))
        code, output = run(mount_command(mount), max(1.0, min(MOUNT_TIMEOUT, patience.left())))
        if code == 0 and len(mounted_at(mount.path)) > before:
            return
        passing = code == TIMED_OUT or (code != 0 and _PASSING.search(output) is not None)
        if not passing or not patience.pause(PAUSE):
            if code == TIMED_OUT:  # of the last of several: what counts is how long the server has said nothing in all
                output = f"no answer for {patience.spent():.0f} s: is the NFS server up, and may this subnet reach it?"
            cause = output or ("mount said yes, but nothing is mounted" if code == 0 else f"mount ended with code {code}")
            raise StepFailed(f"{mount.source} on {mount.path}: {cause}")


def prove_answer(mount: Mount) -> None:
    """The share must answer a statvfs and the reading of its folder in time. Raises StepFailed."""
    code, output = run([sys.executable, "-c", PROBE, mount.path], ANSWER_TIMEOUT)
    if code != 0:
        last = output if code == TIMED_OUT else output.rpartition("Error: ")[2]
        raise StepFailed(f"{mount.source} on {mount.path} is mounted but does not answer: {last}")


def mount_command(mount: Mount) -> List[str]:
    """mount(8)'s command line: type nfs4, or nfs where the options ask for version 3 (man nfs, nfsvers)."""
    kind = "nfs" if {"vers=3", "nfsvers=3"} & set(mount.options.split(",")) else "nfs4"
    options = ["-o", mount.options] if mount.options else []
    return ["mount", "-t", kind, *options, mount.source, mount.path]


class Mounted(NamedTuple):
    """A line of /proc/self/mountinfo: file system type and source."""

    kind: str
    source: str


def is_mounted(mount: Mount) -> bool:
    """Whether this very share is on top there already, by the image's fstab or an earlier run."""
    there = mounted_at(mount.path)
    return bool(there) and there[-1].kind.startswith("nfs") and there[-1].source == mount.source


def mounted_at(path: str, file: str = "/proc/self/mountinfo") -> List[Mounted]:
    """What is mounted at `path`, the topmost last (man 5 proc, /proc/[pid]/mountinfo)."""
    wanted = os.path.realpath(path)
    found = []
    with open(file, encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            where, _, what = line.partition(" - ")
            if unescape(where.split()[4]) == wanted:
                kind, source = what.split(" ")[:2]
                found.append(Mounted(kind, unescape(source.rstrip("\n"))))
    return found


def unescape(field: str) -> str:
    """A field of mountinfo: blank, tab, line break and backslash are written as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), field)

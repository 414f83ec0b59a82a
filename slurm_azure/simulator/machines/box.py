"""A box: a root file system of its own in namespaces of its own, plugged into a bridge. VMs and the head node are boxes.

`box.sh` does the work in the box's pid 1; here is what it is told. Everything of a box (processes, mounts, interface)
goes with its pid 1: man pid_namespaces(7), "The namespace init process".
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = Path(__file__).with_name("box.sh")
_TIMES = Path("/proc/uptime")


@dataclass(frozen=True, slots=True)
class Bind:
    """A folder of the outside (`source`) seen in the box at `target`."""

    source: Path
    target: str


@dataclass(frozen=True, slots=True)
class Box:
    """What a box is made of. `layers` are root file systems, the top one first; `disk` is the size of its writable side
    (as tmpfs takes it); `init` is its first program and `environment` all it gets; `own_clock` gives it a boot time of
    its own; `uuid` and `asset_tag` are its firmware's strings."""

    name: str
    folder: Path
    layers: tuple[Path, ...]
    bridge: str
    mac: str
    init: str
    environment: Mapping[str, str] = field(default_factory=dict)
    binds: tuple[Bind, ...] = ()
    disk: str = "1g"
    own_clock: bool = False
    uuid: str = ""
    asset_tag: str = ""

    @property
    def port(self) -> str:
        """Name of the bridge's side of the box's cable: at most 15 characters (IFNAMSIZ of linux/if.h)."""
        return "v" + self.mac.replace(":", "")


def command(box: Box) -> list[str]:
    """The argv that starts `box`; run it with `variables(box)`. When it dies the box dies with it."""
    clock = ["--time", "--boottime", f"-{_seconds_up()}"] if box.own_clock else []
    spaces = ["--mount", "--net", "--uts", "--ipc", "--pid"]
    return ["unshare", *spaces, *clock, "--fork", "--kill-child=KILL", "--propagation", "private", "/bin/sh", str(SCRIPT)]


def variables(box: Box) -> dict[str, str]:
    """The environment of `command(box)`, as box.sh documents it."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "BOX_NAME": box.name,
        "BOX_FOLDER": str(box.folder),
        "BOX_LAYERS": ":".join(map(str, box.layers)),
        "BOX_DISK": box.disk,
        "BOX_BRIDGE": box.bridge,
        "BOX_OUTSIDE": f"/proc/{os.getpid()}/ns/net",
        "BOX_PORT": box.port,
        "BOX_MAC": box.mac,
        "BOX_BINDS": "\n".join(f"{bind.source} {bind.target}" for bind in box.binds),
        "BOX_ENV": "\n".join(f"{name}={value}" for name, value in box.environment.items()),
        "BOX_INIT": box.init,
        "BOX_UUID": box.uuid,
        "BOX_ASSET_TAG": box.asset_tag,
    }


def first_process(folder: Path) -> int | None:
    """The pid of the box's pid 1 as seen from outside, or None while it has not come that far."""
    try:
        return int((folder / "pid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def enter(pid: int) -> list[str]:
    """The argv in front of a command that is to run inside the box whose pid 1 is `pid`."""
    return ["nsenter", f"--target={pid}", "--mount", "--net", "--uts", "--ipc", "--pid", "--root", "--wd"]


def signal_all(pid: int, name: str) -> list[str]:
    """The argv that sends the signal `name` to every process of the box whose pid 1 is `pid`, but for that one: kill(2) with
    pid -1 leaves out pid 1 and the caller."""
    return ["nsenter", f"--target={pid}", "--pid", "/bin/sh", "-c", f"kill -{name} -1"]


def _seconds_up() -> int:
    """Whole seconds this machine has been up: a box whose clock is set back by these has just booted."""
    return math.floor(float(_TIMES.read_text(encoding="ascii").split()[0]))

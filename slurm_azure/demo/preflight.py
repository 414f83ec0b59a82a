"""Whether this machine can hold a site, said in one line before anything is done."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from slurm_azure.demo.cache import cache_folder
from slurm_azure.demo.rootfs import os_release
from slurm_azure.errors import PreflightError

# What a site needs of the host: the program, and the package that has it.
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "mount": "mount",
}
_TRY = (
    "ip link set lo up && ip link add try0 type bridge && ip link add try1 master try0 type veth peer name try2 && "
    "mount -t tmpfs try /mnt && mkdir /mnt/a /mnt/b /mnt/c && "
    "mount -t overlay -o lowerdir=/,upperdir=/mnt/a,workdir=/mnt/b try /mnt/c && mount -t proc proc /mnt/c/proc"
)


def check_machine() -> None:
    """Raises PreflightError with the one thing that is missing; installs the few host tools that are not there."""
    if os.geteuid() != 0:
        raise PreflightError("this needs root (namespaces, mounts): run it with sudo")
    _check_distribution()
    if any(character in str(cache_folder()) for character in ":, "):
        raise PreflightError(
            f"{cache_folder()} has a colon, comma or blank in its name: set SLURM_AZURE_CACHE to another folder"
        )
    _install_tools()
    _check_namespaces()


def _check_distribution() -> None:
    try:
        release = os_release()
    except OSError:
        release = {}
    if not {"debian", "ubuntu"} & {release.get("ID", ""), *release.get("ID_LIKE", "").split()} or not shutil.which("apt-get"):
        name = release.get("PRETTY_NAME", "another system")
        raise PreflightError(f"this needs Debian or Ubuntu, whose packages the site is made of; here is {name}")


def _install_tools() -> None:
    missing = sorted({package for program, package in TOOLS.items() if shutil.which(program) is None})
    if not missing:
        return
    print(f"Installing {', '.join(missing)} with apt-get ...", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
        argv = ["apt-get", "--quiet=2", *command]
        done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise PreflightError(f"apt-get {command[0]} failed; are Debian's packages reachable? {last}")


def _check_namespaces() -> None:
    spaces = ["--mount", "--net", "--pid", "--ipc", "--uts", "--time"]
    done = subprocess.run(
        ["unshare", *spaces, "--fork", "--propagation=private", "sh", "-c", _TRY],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        inside = " (in a container it has to be a privileged one)" if Path("/.dockerenv").exists() else ""
        raise PreflightError(f"this machine cannot make namespaces with a bridge and an overlay{inside}: {last}")

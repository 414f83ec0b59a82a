"""The site's head node: a box over the root file system and the product's installation, with a pid 1 that starts munged,
the NFS server, slurmctld and slurm-azured, each as the user it has on a real head node."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from slurm_azure.demo.fabric import BRIDGE, HEAD_ADDRESS, HEAD_GATEWAY, HEAD_MAC
from slurm_azure.simulator.machines.box import Bind, Box

FILES = Path(__file__).with_name("head")
INIT = "/usr/local/sbin/head-init"
SHARE = "share"  # the subfolder of the exports that the head node serves as /share


def head_box(folder: Path, layers: tuple[Path, ...], exports: Path) -> Box:
    """The head node as a box with its work below `folder`; `exports` is the folder whose `share` it exports by NFS."""
    return Box(
        name="head",
        folder=folder,
        layers=layers,
        bridge=BRIDGE,
        mac=HEAD_MAC,
        init=INIT,
        environment={"HEAD_ADDRESS": HEAD_ADDRESS, "HEAD_GATEWAY": HEAD_GATEWAY},
        # What it serves, and where it has that itself as every node has it.
        binds=(Bind(exports / SHARE, "/srv/share"), Bind(exports / SHARE, "/shared")),
        disk="2g",
    )


def put_files(box: Box, secrets: Mapping[str, bytes], public: Mapping[str, bytes]) -> None:
    """Lay out what the head node finds in its root file system; `secrets` (mode 0600) and `public` are further files."""
    files = box.folder / "files"
    shutil.copytree(FILES, files)
    for further, mode in ((secrets, 0o600), (public, 0o644)):
        for path, content in further.items():
            file = files / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(mode)
    for folder in (files, *(place for place in files.rglob("*") if place.is_dir())):
        folder.chmod(0o755)
    for program in (files / "usr/local/sbin").iterdir():
        program.chmod(0o755)

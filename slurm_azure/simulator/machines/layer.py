"""The layer that makes a Debian root file system an image for the simulated Azure: stand-ins for what only real
hardware or a real kernel has, and trust in the simulator's certificates. Nothing in it knows Slurm or the product."""

from __future__ import annotations

import shutil
from pathlib import Path

FILES = Path(__file__).with_name("image")
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
INIT = "/usr/lib/simulated-vm/init"
_PROGRAMS = ("usr/sbin", "usr/bin", "usr/lib/simulated-vm")
_ALIASES = {
    "usr/sbin/mount.nfs4": "mount.nfs",
    "usr/sbin/halt": "poweroff",
    "usr/sbin/shutdown": "poweroff",
    "usr/sbin/reboot": "poweroff",
}


def build_layer(folder: Path, root: Path, ca: Path) -> Path:
    """Write the layer for the root file system `root` into `folder` (anew) and return it.

    `ca` is a PEM file; it is appended to what `root` trusts, as update-ca-certificates(8) would.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(FILES, folder)
    for part in (folder, *folder.rglob("*")):  # whatever the modes of the checkout are
        part.chmod(0o755 if part.is_dir() else 0o644)
    for place in _PROGRAMS:
        for program in (folder / place).iterdir():
            program.chmod(0o755)
    for alias, program_name in _ALIASES.items():
        (folder / alias).symlink_to(program_name)
    bundle = folder / BUNDLE
    bundle.parent.mkdir(parents=True)
    bundle.write_bytes((root / BUNDLE).read_bytes() + ca.read_bytes())
    return folder

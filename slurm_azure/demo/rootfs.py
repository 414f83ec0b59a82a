"""The root file system of the head node and the VMs: Debian packages of this machine's own release, from its own mirror."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slurm_azure.demo import sandbox
from slurm_azure.demo.cache import build_once, digest
from slurm_azure.errors import PreflightError

PACKAGES = (
    # Slurm and what it authenticates with
    "slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "munge",
    # a cloud image
    "cloud-init", "ifupdown", "iproute2", "procps", "hostname", "netbase", "ca-certificates", "python3",
    # the site's NFS server, and the network of the simulated Azure
    "nfs-ganesha", "nfs-ganesha-vfs", "dnsmasq-base",
    # the demonstration's work
    "povray", "povray-includes", "python3-pil",
)  # fmt: skip
# cloud-init before 23.3 asks for its address with dhclient only; later releases bring the client they want.
_OLD_CLOUD_INIT = {"bookworm": "isc-dhcp-client", "jammy": "isc-dhcp-client"}
_LEFT_OUT = ("man", "doc", "locale", "info", "lintian")
_RECIPE = "2"  # count on when _mmdebstrap or _finish do something else
_KEYRING = "/usr/share/keyrings/{origin}-archive-keyring.gpg"
_ARCHIVES = {"Debian": "debian", "Ubuntu": "ubuntu"}


@dataclass(frozen=True, slots=True)
class Release:
    """A release (`bookworm`) and the one-line apt sources to get it from."""

    codename: str
    sources: tuple[str, ...]


def os_release(file: Path = Path("/etc/os-release")) -> Mapping[str, str]:
    """The fields of os-release(5), without their quotes."""
    pairs = (line.partition("=") for line in file.read_text(encoding="utf-8").splitlines() if "=" in line)
    return {name: value.strip("\"'") for name, _, value in pairs}


def parse_targets(text: str, codename: str) -> tuple[str, ...]:
    """One-line sources of the distribution's own archives, out of what `apt-get indextargets` prints (deb822 stanzas)."""
    found: dict[tuple[str, str], list[str]] = {}
    for stanza in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line)
        mine = fields.get("Release", "").partition("-")[0] == codename and fields.get("Origin") in _ARCHIVES
        if mine and fields.get("Created-By") == "Packages":
            components = found.setdefault((fields["Repo-URI"], fields["Release"]), [])
            if fields["Component"] not in components:
                components.append(fields["Component"])
    return tuple(f"{uri} {release} {' '.join(components)}" for (uri, release), components in found.items())


def this_release() -> Release:
    """The release this machine runs, with the sources its apt is configured with. Raises PreflightError."""
    codename = os_release().get("VERSION_CODENAME", "")
    sources = parse_targets(_index_targets(), codename)
    if not sources:
        subprocess.run(["apt-get", "--quiet=2", "update"], check=True)
        sources = parse_targets(_index_targets(), codename)
    if not sources:
        raise PreflightError(
            f"apt has no source for {codename or 'this release'}: see /etc/apt/sources.list and sources.list.d"
        )
    return Release(codename, sources)


def packages(codename: str) -> tuple[str, ...]:
    """What is installed in the root file system of that release."""
    extra = _OLD_CLOUD_INIT.get(codename)
    return (*PACKAGES, extra) if extra else PACKAGES


def root_file_system() -> Path:
    """The folder of the root file system; made with mmdebstrap(1) if the cache has none (under a minute)."""
    codename = os_release().get("VERSION_CODENAME", "")
    return build_once("root", digest([codename, *packages(codename), *_LEFT_OUT, _RECIPE]), _build)


def _index_targets() -> str:
    return subprocess.run(["apt-get", "indextargets"], check=True, capture_output=True, text=True).stdout


def _build(folder: Path) -> None:
    release = this_release()
    print(
        f"Building the root file system of {release.codename} (once; {len(packages(release.codename))} packages) ...",
        flush=True,
    )
    log = folder.with_suffix(".log")
    with log.open("wb") as output:
        done = subprocess.run(sandbox.guarded(_mmdebstrap(release, folder)), stdout=output, stderr=output, check=False)
    if done.returncode != 0:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
        raise PreflightError(f"mmdebstrap failed ({log}): {' | '.join(last)}")
    _finish(folder)


def _mmdebstrap(release: Release, folder: Path) -> list[str]:
    fetching = subprocess.run(
        ["apt-config", "dump", "Acquire::http", "Acquire::https"], check=True, capture_output=True, text=True
    )
    apt = ['Acquire::Languages "none"', *(line.rstrip(";") for line in fetching.stdout.splitlines())]
    dpkg = ["force-unsafe-io", *(f"path-exclude=/usr/share/{place}/*" for place in _LEFT_OUT)]
    keyring = Path(_KEYRING.format(origin=_ARCHIVES[_origin()]))
    signed = f"[signed-by={keyring}] " if keyring.is_file() else ""
    return [
        "mmdebstrap", "--variant=minbase", "--mode=root", f"--include={','.join(packages(release.codename))}",
        *(f"--aptopt={option}" for option in apt), *(f"--dpkgopt={option}" for option in dpkg),
        release.codename, str(folder), *(f"deb {signed}{source}" for source in release.sources),
    ]  # fmt: skip


def _origin() -> str:
    return "Ubuntu" if os_release().get("ID") == "ubuntu" else "Debian"


def _finish(folder: Path) -> None:
    """Take out what is one machine's own, so that every box must come by it: the key that munge's package made, names,
    a name server. A daemon is started by nobody but the box's own init."""
    for own in ("etc/munge/munge.key", "etc/hostname", "etc/resolv.conf", "etc/mtab"):
        (folder / own).unlink(missing_ok=True)
    (folder / "etc/resolv.conf").touch()
    (folder / "etc/mtab").symlink_to("../proc/self/mounts")  # systemd-tmpfiles would; the NFS server reads it
    (folder / "etc/machine-id").write_text("", encoding="ascii")
    policy = folder / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    policy.chmod(0o755)

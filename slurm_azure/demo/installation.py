"""The product on the head node, installed as an administrator would: a virtual environment at /opt/slurm-azure made with
the head's own Python, filled with pip. Two layers over the root file system: the dependencies, and the product itself."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from slurm_azure.demo import sandbox
from slurm_azure.demo.cache import CHECKOUT, build_once, digest
from slurm_azure.errors import PreflightError

PREFIX = "/opt/slurm-azure"
_SOURCES = (
    "slurm_azure",
    "hooks",
    "cloud-init",
    "etc",
    "docs",
    "setup.cfg",
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
)
_WHEELS = "/mnt"
# Runs in a mount namespace of its own: an overlay on the lower layers, in which pip works without a network.
_INSTALL = """
set -eu
lower=$1 wheels=$2 draft=$3; shift 3
mkdir -p "$draft/opt" "$draft/build"
mount -t tmpfs -o mode=755 install "$draft/build"
cd "$draft/build"
mkdir upper work root
mount -t overlay -o "lowerdir=$lower,upperdir=upper,workdir=work" install root
mount --bind "$wheels" root/mnt
mount --bind /dev root/dev
mount -t proc proc root/proc
python=/opt/slurm-azure/bin/python pip="-m pip"
if [ ! -x root$python ]; then
    chroot root /usr/bin/python3 -m venv --without-pip /opt/slurm-azure
    pip=/mnt/pip.whl/pip
fi
chroot root $python $pip --quiet --no-cache-dir --disable-pip-version-check \\
    install --no-index --find-links /mnt --root-user-action=ignore "$@"
cp -a --no-preserve=xattr upper/opt/slurm-azure "$draft/opt/"
"""


def layers(root: Path) -> tuple[Path, ...]:
    """The product's layers over `root`, the top one first; made if the cache has not got them."""
    wheels = _wheelhouse(root)
    needed = build_once(
        "dependencies",
        digest([root.name, wheels.name, _INSTALL]),
        lambda draft: _install((root,), wheels, draft, ["--ignore-installed", "pip", *_requirements()]),
    )
    wheel = build_once("wheel", digest(_source_parts()), _build_wheel)
    product = build_once(
        "product",
        digest([needed.name, wheel.name]),
        lambda draft: _install((needed, root), wheel, draft, ["--no-deps", "slurm-azure"]),
    )
    return product, needed


def _requirements() -> list[str]:
    """What setup.cfg says the product needs."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    return setup["options"]["install_requires"].split()


def _wheelhouse(root: Path) -> Path:
    """Wheels of all dependencies for the Python of `root`, fetched with this environment's pip and its configuration."""
    version = subprocess.run(
        ["chroot", str(root), "/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    constraints = CHECKOUT / "constraints.txt"

    def fetch(draft: Path) -> None:
        print("Fetching the product's dependencies (once) ...", flush=True)
        draft.mkdir()
        options = ["--only-binary=:all:", "--python-version", version, "--constraint", str(constraints), "--dest", str(draft)]
        _pip("download", *options, *_requirements(), "pip")
        (draft / "pip.whl").symlink_to(next(draft.glob("pip-*.whl")).name)

    return build_once("wheelhouse", digest([version, constraints.read_bytes(), *_requirements()]), fetch)


def _build_wheel(draft: Path) -> None:
    """The product's own wheel, built from a copy so that the checkout stays as it is."""
    draft.mkdir()
    with tempfile.TemporaryDirectory(prefix="slurm-azure-wheel-") as copy:
        for name in _SOURCES:
            source, target = CHECKOUT / name, Path(copy) / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, target)
        _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(draft), copy)


def _source_parts() -> list[bytes]:
    """Names and contents of all files the wheel is made of."""
    parts: list[bytes] = []
    for name in _SOURCES:
        place = CHECKOUT / name
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                parts += [str(file.relative_to(CHECKOUT)).encode(), file.read_bytes()]
    return parts


def _install(below: Sequence[Path], wheels: Path, draft: Path, what: list[str]) -> None:
    script = ["sh", "-c", _INSTALL, "sh", ":".join(map(str, below)), str(wheels), str(draft), *what]
    clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(sandbox.guarded(script), capture_output=True, text=True, check=False, env=clean)
    if done.returncode != 0:
        raise PreflightError(f"the product cannot be installed for the head node: {done.stderr.strip()[-800:]}")
    (draft / "build").rmdir()


def _pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=False,
                          capture_output=True, text=True)  # fmt: skip
    if done.returncode != 0:
        raise PreflightError(f"pip {arguments[0]} failed; is the package index reachable? {done.stderr.strip()[-800:]}")

"""The layer of stand-ins."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from slurm_azure.simulator.machines.layer import BUNDLE, build_layer


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    root, ca = tmp_path / "root", tmp_path / "ca.pem"
    (root / BUNDLE).parent.mkdir(parents=True)
    (root / BUNDLE).write_text("the world's\n")
    ca.write_text("the simulator's\n")
    return build_layer(tmp_path / "layer", root, ca)


def test_the_simulators_authority_is_trusted_besides_the_worlds(layer: Path) -> None:
    """Appended, not in place of the others."""
    assert (layer / BUNDLE).read_text() == "the world's\nthe simulator's\n"


def test_nothing_in_it_is_of_slurm(layer: Path) -> None:
    """What makes a node of the VM has to come by user data: the image has no key and no configuration for it."""
    names = [str(path.relative_to(layer)) for path in layer.rglob("*")]
    assert not [name for name in names if "slurm" in name or "munge" in name]


def test_stand_ins_can_be_run_and_go_by_all_their_names(layer: Path) -> None:
    """Executable whatever the modes of the checkout are."""
    for name in ("mount.nfs", "mount.nfs4", "poweroff", "halt", "shutdown", "dmidecode"):
        assert os.access(layer / "usr/sbin" / name, os.X_OK), name
    assert os.access(layer / "usr/lib/simulated-vm/init", os.X_OK)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [(["--quiet", "--container"], 1, ""), (["--container"], 1, "none\n"), ([], 0, "microsoft\n"), (["-q"], 0, "")],
)
def test_the_vm_is_no_container(layer: Path, words: list[str], code: int, says: str) -> None:
    """cloud-init would else not look at the firmware, where Azure's mark is."""
    done = subprocess.run([layer / "usr/bin/systemd-detect-virt", *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, says)


def test_a_reboot_is_refused(layer: Path) -> None:
    """The stand-in cannot do it and says so; it does not power off in its place."""
    for words in (["shutdown", "-r", "now"], ["reboot"]):
        done = subprocess.run([layer / "usr/sbin" / words[0], *words[1:]], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "cannot reboot" in done.stderr

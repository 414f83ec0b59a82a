"""The real cloud-init has nothing against user data, and reads it as it was meant."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from slurm_azure.boot.user_data import UserData
from tests.boot.test_user_data import HOSTILE, node_json
from tests.support.configs import a_config

# A bind mount in a mount namespace of its own shows the file inside, and leaves no trace in the root file system.
ENTER = [
    "unshare",
    "--mount",
    "--propagation=private",
    "sh",
    "-c",
    'mount --bind "$1" "$2/mnt" && shift && exec chroot "$@"',
    "sh",
]
READ = "import json, yaml; print(json.dumps(yaml.safe_load(open('/mnt/user-data'))))"


def inside(root: Path, folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the root file system, where `folder` is /mnt."""
    return subprocess.run([*ENTER, str(folder), str(root), *argv], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("options", ["rw,vers=4.1", HOSTILE.replace("\x85", "")])
def test_schema(root: Path, tmp_path: Path, options: str) -> None:
    """`cloud-init schema` calls user data valid, with plain and with hostile values in it."""
    config = a_config(mounts=[{"source": "f:/e", "path": "/x", "options": options}])
    (tmp_path / "user-data").write_text(UserData(config).render("az-1", "hb"), encoding="utf-8")
    done = inside(root, tmp_path, "cloud-init", "schema", "--config-file", "/mnt/user-data")
    assert (done.returncode, done.stdout.split()[0]) == (0, "Valid"), done.stdout + done.stderr


def test_schema_can_say_no(root: Path, tmp_path: Path) -> None:
    """The same command refuses user data with a mistake in it: the test above can fail."""
    text = UserData(a_config()).render("az-1", "hb").replace("ssh_pwauth: false", "ssh_pwauth: [5]")
    (tmp_path / "user-data").write_text(text, encoding="utf-8")
    assert inside(root, tmp_path, "cloud-init", "schema", "--config-file", "/mnt/user-data").returncode == 1


def test_cloud_inits_own_yaml(root: Path, tmp_path: Path) -> None:
    """The YAML library of cloud-init reads hostile values as they are in the configuration."""
    config = a_config(mounts=[{"source": "f:/e", "path": "/x", "options": HOSTILE.replace("\x85", "")}])
    text = UserData(config).render("az-1", "hb")
    (tmp_path / "user-data").write_text(text, encoding="utf-8")
    value = json.loads(inside(root, tmp_path, "/usr/bin/python3", "-c", READ).stdout)
    files = {file["path"]: file["content"] for file in value["write_files"]}
    assert json.loads(files["/etc/slurm-azure/node.json"]) == node_json(text)
    assert node_json(text)["settings"]["mounts"][0]["options"] == HOSTILE.replace("\x85", "")

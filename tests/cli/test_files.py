"""Checks of files: credentials, hooks, the state folder."""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path
from typing import Any

import pytest

from slurm_azure.cli.files import HOOKS, check_credential, check_hooks, check_state, hooks_folder, slurm_user
from slurm_azure.cli.findings import Finding, Level
from slurm_azure.config import Config
from tests.support.configs import a_config, a_document

ME = pwd.getpwuid(os.geteuid()).pw_name


def with_secret(file: Path, **azure: Any) -> Config:
    """A configuration with a service principal whose secret is in `file`."""
    principal = {"kind": "secret", "tenant": "t", "client": "c", "secret_file": str(file)}
    return a_config(azure={**a_document()["azure"], "credential": principal, **azure})


def secret(folder: Path, mode: int = 0o600, text: str = "x") -> Path:
    """A secret file."""
    file = folder / "secret"
    file.write_text(text)
    file.chmod(mode)
    return file


def one(findings: Any) -> Finding:
    """The only finding."""
    (finding,) = findings
    assert isinstance(finding, Finding)
    return finding


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_secret_is_well(tmp_path: Path, mode: int) -> None:
    """Mode 0600 and 0400 are what the documentation asks for."""
    assert one(check_credential(with_secret(secret(tmp_path, mode)), tmp_path)).level is Level.OK


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_secret_that_others_can_get_at_fails(tmp_path: Path, mode: int) -> None:
    """Any right of group or others fails, with the command that mends it; the secret itself is not shown."""
    found = one(check_credential(with_secret(secret(tmp_path, mode, "hunter2")), tmp_path))
    assert (found.level, found.remedy) == (Level.FAIL, f"chmod 600 {tmp_path}/secret")
    assert f"{mode:04o}" in found.text
    assert "hunter2" not in str(found)


def test_a_secret_that_is_missing_or_empty_fails(tmp_path: Path) -> None:
    """Each with its own words."""
    assert "No such file" in one(check_credential(with_secret(tmp_path / "nope"), tmp_path)).text
    assert "is empty" in one(check_credential(with_secret(secret(tmp_path, text="")), tmp_path)).text
    assert "no regular file" in one(check_credential(with_secret(tmp_path), tmp_path)).text


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files to another user")
def test_a_secret_the_daemon_cannot_read_fails(tmp_path: Path) -> None:
    """The daemon runs as the owner of the state folder; a private file of root's is not for it."""
    file = secret(tmp_path)
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, pwd.getpwnam("daemon").pw_uid, -1)
    found = one(check_credential(with_secret(file), state))
    assert (found.level, found.remedy) == (Level.FAIL, f"chown daemon {file}")


def test_a_ca_file_need_not_be_private(tmp_path: Path) -> None:
    """It is public; it must only be there."""
    file = secret(tmp_path, 0o644)
    config = a_config(azure={**a_document()["azure"], "ca_file": str(file)})
    assert one(check_credential(config, tmp_path)).level is Level.OK


def test_no_file_no_finding(tmp_path: Path) -> None:
    """A managed identity has nothing to check here."""
    assert list(check_credential(a_config(), tmp_path)) == []


def hooks(folder: Path, text: str = "#!/bin/sh\nexit 0\n", mode: int = 0o755) -> Path:
    """Three hooks that all do `text`."""
    folder.mkdir(exist_ok=True)
    for name in HOOKS:
        (folder / name).write_text(text)
        (folder / name).chmod(mode)
    return folder


def test_our_own_hooks_work(tmp_path: Path) -> None:
    """The real hooks pass, and leave nothing in the spool."""
    spool = tmp_path / "spool"
    spool.mkdir()
    found = list(check_hooks(hooks_folder(), spool))
    assert [finding.level for finding in found] == [Level.OK] * 3
    assert list(spool.iterdir()) == []


def test_hooks_run_with_an_empty_environment(tmp_path: Path) -> None:
    """slurmctld's environment is not the administrator's: nothing of it may be needed."""
    (tmp_path / "spool").mkdir()
    script = '#!/bin/sh\n[ -z "$HOME$VIRTUAL_ENV$SLURM_AZURE_CONFIG" ] || { echo "environment" >&2; exit 1; }\n'
    found = list(check_hooks(hooks(tmp_path / "hooks", script), tmp_path / "spool"))
    assert [finding.level for finding in found] == [Level.OK] * 3


@pytest.mark.parametrize(
    ("text", "mode", "level", "said"),
    [
        ("#!/bin/sh\nexit 0\n", 0o644, Level.FAIL, "cannot be executed"),
        ("#!/bin/sh\nexit 0\n", 0o775, Level.WARN, "can be changed by others"),
        ("#!/nowhere/python3\n", 0o755, Level.FAIL, "No such file"),
        ("#!/bin/sh\necho one; echo 'cannot write' >&2; exit 1\n", 0o755, Level.FAIL, "cannot write"),
        ("#!/bin/sh\nexit 3\n", 0o755, Level.FAIL, "exit code 3"),
    ],
)
def test_hooks_that_do_not_work(tmp_path: Path, text: str, mode: int, level: Level, said: str) -> None:
    """Each fault with its words and a remedy."""
    (tmp_path / "spool").mkdir()
    found = next(check_hooks(hooks(tmp_path / "hooks", text, mode), tmp_path / "spool"))
    assert found.level is level
    assert said in found.text
    assert found.remedy


def test_hooks_are_not_run_where_they_would_make_the_spool(tmp_path: Path) -> None:
    """`check` by root before the daemon ever ran must not leave a spool that belongs to root."""
    found = list(check_hooks(hooks(tmp_path / "hooks"), tmp_path / "spool"))
    assert [finding.level for finding in found] == [Level.WARN] * 3
    assert not (tmp_path / "spool").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_a_state_folder_that_is_closed_to_this_user(tmp_path: Path) -> None:
    """`check` by a mere user goes on, and says what it could not try."""
    state, folder = tmp_path / "state", hooks(tmp_path / "hooks")
    (state / "spool").mkdir(parents=True)
    state.chmod(0o700)
    for path in (tmp_path, *tmp_path.parents[:-1]):  # the way there is open to all
        path.chmod(path.stat().st_mode | 0o011)
    os.seteuid(1)
    try:
        found = list(check_hooks(folder, state / "spool"))
    finally:
        os.seteuid(0)
    assert {(one.level, one.text, one.remedy) for one in found} == {
        (Level.WARN, f"was not run: {state} is not for this user", "run this as root")
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to run hooks as another user")
def test_hooks_run_as_the_spools_owner() -> None:
    """Root may write anywhere; what counts is whether SlurmUser may."""
    with tempfile.TemporaryDirectory() as folder:  # tmp_path lies in a folder that only root may enter
        Path(folder).chmod(0o755)
        spool = Path(folder) / "spool"
        spool.mkdir()
        os.chown(spool, pwd.getpwnam("daemon").pw_uid, pwd.getpwnam("daemon").pw_gid)
        script = '#!/bin/sh\n[ "$(id -un)" = daemon ] && [ "$(id -G)" = "$(id -g)" ]\n'
        found = list(check_hooks(hooks(Path(folder) / "hooks", script), spool))
    assert [finding.level for finding in found] == [Level.OK] * 3


@pytest.mark.parametrize(
    ("text", "user"),
    [("SlurmUser=slurm\n", "slurm"), ("  slurmuser = hpc # us\n", "hpc"), ("#SlurmUser=slurm\n", "root"), ("", "root")],
)
def test_slurm_user(tmp_path: Path, text: str, user: str) -> None:
    """As slurmctld reads it: any case, blanks, comments; root unless said otherwise."""
    (tmp_path / "slurm.conf").write_text("ClusterName=c\n" + text)
    assert slurm_user(tmp_path / "slurm.conf") == user


def test_state_folder_of_the_right_user(tmp_path: Path) -> None:
    """Hooks and daemon run as SlurmUser, who must own the folder."""
    conf = tmp_path / "slurm.conf"
    conf.write_text(f"SlurmUser={ME}\n")
    assert one(check_state(tmp_path, conf)).level is Level.OK
    conf.write_text(f"SlurmUser={'daemon' if ME != 'daemon' else 'bin'}\n")
    found = one(check_state(tmp_path, conf))
    assert (found.level, found.remedy.split()[:2]) == (Level.FAIL, ["chown", "-R"])


@pytest.mark.parametrize(
    ("text", "said"), [(None, "cannot be read"), ("SlurmUser=nobody-of-that-name\n", "is no user of this machine")]
)
def test_state_folder_when_slurm_user_is_not_known(tmp_path: Path, text: str | None, said: str) -> None:
    """Off the head node, that is worth a warning and no more."""
    if text is not None:
        (tmp_path / "slurm.conf").write_text(text)
    found = one(check_state(tmp_path, tmp_path / "slurm.conf"))
    assert found.level is Level.WARN
    assert said in found.text


def test_no_state_folder(tmp_path: Path) -> None:
    """The remedy is the command of the administration guide; grave only where slurm.conf says this is the head node."""
    conf = tmp_path / "slurm.conf"
    found = one(check_state(tmp_path / "nope", conf))
    assert (found.level, found.remedy) == (Level.WARN, f"install -d -m 0750 -o SLURMUSER {tmp_path}/nope")
    conf.write_text("SlurmUser=slurm\n")
    found = one(check_state(tmp_path / "nope", conf))
    assert (found.level, found.remedy) == (Level.FAIL, f"install -d -m 0750 -o slurm {tmp_path}/nope")

"""Checks of files: secrets that others can read, hooks that cannot be run, a state folder of the wrong user."""

from __future__ import annotations

import os
import pwd
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slurm_azure.cli.findings import Finding, Level, fail, ok, warn
from slurm_azure.config import Config

HOOKS = ("resume", "suspend", "resume-fail")
_SLOW = 5.0  # seconds; a hook takes some 15 ms


def check_credential(config: Config, state: Path) -> Iterator[Finding]:
    """Credential files: there, the daemon's (it runs as the owner of `state`), for nobody else's eyes. The CA file: there."""
    credential = config.azure.credential
    for key, name in (("certificate_file", credential.certificate_file), ("secret_file", credential.secret_file)):
        if name is not None:
            yield _secret(f"azure.credential.{key}", Path(name), _owner(state))
    if config.azure.ca_file is not None:
        yield _readable("azure.ca_file", Path(config.azure.ca_file))


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except OSError:
        return None


def _secret(about: str, file: Path, daemon: int | None) -> Finding:
    found = _readable(about, file)
    if found.level is not Level.OK:
        return found
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        return fail(about, f"{file} has mode {mode:04o}: others than its owner can get at it", f"chmod 600 {file}")
    if daemon not in (None, 0, file.stat().st_uid):
        return fail(about, f"{file} cannot be read by the daemon's user", f"chown {_user_name(daemon)} {file}")
    return ok(about, f"{file} is for its owner alone")


def _readable(about: str, file: Path) -> Finding:
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return fail(about, f"{file} is no regular file", "name the file itself")
        with file.open("rb") as stream:
            if not stream.read(1):
                return fail(about, f"{file} is empty", "put the credential into it")
    except OSError as error:
        return fail(about, f"{file}: {error.strerror}", "correct the path, or its owner")
    return ok(about, f"{file} can be read")


def hooks_folder() -> Path:
    """Where this installation has its hooks: libexec/ of the Python prefix, else the checkout's hooks/."""
    installed = Path(sys.prefix) / "libexec/slurm-azure"
    return installed if (installed / HOOKS[0]).exists() else Path(__file__).resolve().parents[2] / "hooks"


def check_hooks(folder: Path, spool: Path) -> Iterator[Finding]:
    """Each hook is there, can be executed, may be changed by nobody but its owner, and works with an empty environment."""
    for name in HOOKS:
        yield _hook(f"hook {name}", folder / name, spool)


def _hook(about: str, file: Path, spool: Path) -> Finding:
    if not file.is_file():
        return fail(about, f"{file} is not there", "reinstall slurm-azure")
    if not os.access(file, os.X_OK):
        return fail(about, f"{file} cannot be executed", f"chmod 755 {file}")
    if stat.S_IMODE(file.stat().st_mode) & 0o022:
        return warn(about, f"{file} can be changed by others than its owner", f"chmod go-w {file}")
    try:
        owner = spool.stat()
    except PermissionError:
        return warn(about, f"was not run: {spool.parent} is not for this user", "run this as root")
    except OSError:
        return warn(about, "was not run: there is no spool yet", "start slurm-azured once, as SlurmUser")
    if os.geteuid() not in (0, owner.st_uid):
        return warn(about, "was not run: it works for SlurmUser, and you are neither that nor root", "run this as root")
    try:
        done = _run(file, spool, owner)
    except (OSError, subprocess.TimeoutExpired) as error:
        return fail(about, f"{file}: {error}", "does its first line name a Python that is there?")
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
        return fail(about, lines[-1], f"correct that, then try: env -i {file} --spool {spool} --check")
    return ok(about, f"{file} works")


def _run(file: Path, spool: Path, owner: os.stat_result) -> subprocess.CompletedProcess[bytes]:
    """As slurmctld does: an empty environment, and as the spool's owner, since root may do what SlurmUser may not."""
    become: dict[str, Any] = {}
    if os.geteuid() == 0:
        become = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    argv = [str(file), "--spool", str(spool), "--check"]
    return subprocess.run(argv, env={}, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=_SLOW, **become)


def check_state(state: Path, conf: Path) -> Iterator[Finding]:
    """The state folder belongs to the user slurmctld runs as: hooks run as that user, and so must the daemon."""
    user = slurm_user(conf)
    try:
        owner = state.stat().st_uid
    except OSError as error:
        grave = warn if user is None else fail  # without a slurm.conf this is hardly the head node
        yield grave("state folder", f"{state}: {error.strerror}", f"install -d -m 0750 -o {user or 'SLURMUSER'} {state}")
        return
    if user is None:
        yield warn("state folder", f"{conf} cannot be read, so SlurmUser is not known", "set slurm.conf_dir")
        return
    try:
        expected = int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
    except KeyError:
        yield warn("state folder", f"SlurmUser={user} is no user of this machine", "run this on the head node")
        return
    if owner == expected:
        yield ok("state folder", f"{state} belongs to SlurmUser, {user}")
    else:
        yield fail("state folder", f"{state} does not belong to SlurmUser, {user}", f"chown -R {user} {state}")


def slurm_user(conf: Path) -> str | None:
    """SlurmUser of slurm.conf; root if it has none (man slurm.conf); None = the file cannot be read."""
    try:
        text = conf.read_text("utf-8", "replace")
    except OSError:
        return None
    match = re.search(r"^\s*SlurmUser\s*=\s*([^\s#]+)", text, re.IGNORECASE | re.MULTILINE)
    return match[1] if match else "root"


def _user_name(uid: int | None) -> str:
    try:
        return pwd.getpwuid(uid).pw_name if uid is not None else "SLURMUSER"
    except KeyError:
        return str(uid)

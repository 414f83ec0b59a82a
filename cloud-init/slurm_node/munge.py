"""Steps `munge key` and `munged`: the cluster's key in place, and munged running with it."""

import os
import pwd
from typing import Tuple

from slurm_node.node import Node
from slurm_node.outcome import Outcome, Patience, StepFailed
from slurm_node.system import has_unit, run, write_file
from slurm_node.vault import fetch_key

KEY = "/etc/munge/munge.key"
FOLDERS = (("/etc/munge", 0o700), ("/var/log/munge", 0o700), ("/var/lib/munge", 0o711), ("/run/munge", 0o755))
MUNGED_PATIENCE = 20.0


def put_key(node: Node, patience: Patience, outcome: Outcome) -> None:
    """The cluster's munge key, from the vault or already in the image, for munged's eyes only."""
    owner = munge_owner()
    for folder, mode in FOLDERS:
        # munged refuses to start when one of these is missing or somebody else could write there.
        os.makedirs(folder, exist_ok=True)
        os.chown(folder, *owner)
        os.chmod(folder, mode)
    if node.munge.source == "key-vault":
        write_file(KEY, fetch_key(node, patience), 0o400, owner)
    elif not os.path.isfile(KEY):
        raise StepFailed(f"the image has no {KEY}, but munge.source is image")
    else:
        os.chown(KEY, *owner)
        os.chmod(KEY, 0o400)


def start_munged(node: Node, patience: Patience, outcome: Outcome) -> None:
    """munged with this key; done when it gives out a credential."""
    if has_unit("munge.service"):
        code, output = run(["systemctl", "restart", "munge.service"], max(1.0, patience.left()))
    else:
        user, group = munge_owner()
        code, output = run(["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "munged"], MUNGED_PATIENCE)
    if code != 0:
        raise StepFailed(f"munged does not start: {output}")
    _wait_for_credential(patience.part(MUNGED_PATIENCE))


def munge_owner() -> Tuple[int, int]:
    """User and group munged runs as: munge, or root where there is no such user."""
    try:
        user = pwd.getpwnam("munge")
    except KeyError:
        return 0, 0
    return user.pw_uid, user.pw_gid


def _wait_for_credential(patience: Patience) -> None:
    while True:
        code, output = run(["munge", "--no-input", "--output", "/dev/null"])
        if code == 0:
            return
        if not patience.pause(0.1):
            raise StepFailed(f"munged does not answer: {output}")

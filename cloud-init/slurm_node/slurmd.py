"""Step `slurmd`, the last one: slurmd with slurmctld's configuration, running."""

import os
import shlex
import subprocess
from typing import Callable, List

from slurm_node.node import Node
from slurm_node.outcome import Outcome, Patience, StepFailed, one_line
from slurm_node.scontrol import EVICTED, EVICTED_CAUSE, JOINING, RUN
from slurm_node.system import has_unit, run, write_file

FOLDERS = ("/var/spool/slurmd", "/var/spool/slurm", "/var/log/slurm", "/run/slurm")
LOG = "/var/log/slurm/slurmd.out"
OWN_CONFIGS = ("/etc/slurm/slurm.conf", "/etc/slurm-llnl/slurm.conf", "/usr/local/etc/slurm.conf")
FETCHED_CONFIG = "/run/slurm/conf/slurm.conf"
SLURMD_PATIENCE = 90.0
SETTLES = 1.0


def start_slurmd(node: Node, patience: Patience, outcome: Outcome) -> None:
    """Start slurmd, by systemd where it knows slurmd.service; done when it has slurmctld's configuration and lives on.

    The first start says -b, "report node rebooted": slurmctld takes no registration whose boot time lies before the
    resume request, and a clock some seconds behind could make it so. A later start must not say it, because a reboot that
    slurmctld did not ask for ends the node's jobs.
    """
    open_to_jobs()
    prepare_folders(outcome)
    options = ["-N", node.name, "--conf-server", ",".join(str(controller) for controller in node.controllers)]
    if has_unit("slurmd.service"):
        start_unit(options, patience.part(SLURMD_PATIENCE))
    else:
        _start_process(options, patience.part(SLURMD_PATIENCE))


def open_to_jobs(joining: str = JOINING, evicted: str = EVICTED) -> None:
    """From here on jobs may come, and an eviction has to do with them. The watcher makes its file before it looks for ours, we
    do it the other way round: one of us sees the other's. Raises StepFailed."""
    write_file(joining, b"", 0o644)
    if os.path.exists(evicted):
        raise StepFailed(EVICTED_CAUSE)


def prepare_folders(outcome: Outcome) -> None:
    """Folders slurmd may be told to use, and no slurm.conf but the one from slurmctld (man slurmd, --conf-server)."""
    for folder in FOLDERS:
        os.makedirs(folder, mode=0o755, exist_ok=True)
    for file in OWN_CONFIGS:
        if os.path.lexists(file):
            os.rename(file, file + ".from-image")
            outcome.warnings.append(f"{file} of the image is set aside: this cluster's comes from slurmctld")
    if os.path.exists(FETCHED_CONFIG):
        os.unlink(FETCHED_CONFIG)


def start_unit(options: List[str], patience: Patience, run_folder: str = RUN, config: str = FETCHED_CONFIG) -> None:
    """slurmd.service with our options, by files that the next boot forgets: a node that boots again is not proven anew.

    Raises StepFailed with the end of slurmd's journal.
    """
    folder = os.path.join(os.path.dirname(run_folder), "systemd/system/slurmd.service.d")
    os.makedirs(folder, exist_ok=True)
    # Debian's unit has ConditionPathExists=/etc/slurm/slurm.conf, which must not be there. The unit's own EnvironmentFile
    # is read before this one, so what we say of SLURMD_OPTIONS holds.
    drop_in = f"[Unit]\nConditionPathExists=\n[Service]\nEnvironmentFile={run_folder}/slurmd.env\n"
    write_file(folder + "/slurm-azure.conf", drop_in.encode("ascii"), 0o644)
    _write_environment(run_folder, ["-b", *options])
    run(["systemctl", "daemon-reload"])
    code, output = run(["systemctl", "restart", "slurmd.service"], max(1.0, patience.left()))
    _write_environment(run_folder, options)
    if code != 0:
        raise StepFailed(f"slurmd does not start: {_words_of_unit() or output}")
    settle(_unit_is_active, _words_of_unit, patience, config)


def _write_environment(folder: str, options: List[str]) -> None:
    text = "SLURMD_OPTIONS=" + shlex.quote(" ".join(options)) + "\n"
    write_file(folder + "/slurmd.env", text.encode("ascii"), 0o644)


def _unit_is_active() -> bool:
    return run(["systemctl", "is-active", "--quiet", "slurmd.service"])[0] == 0


def _words_of_unit() -> str:
    return run(["journalctl", "--unit=slurmd.service", "--output=cat", "--lines=2", "--no-pager"])[1]


def _start_process(options: List[str], patience: Patience) -> None:
    """slurmd as a process of its own, which outlives us."""
    with open(LOG, "wb") as log:
        try:
            child = subprocess.Popen(
                ["slurmd", "-D", "-b", *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        except OSError as error:
            raise StepFailed(f"slurmd does not start: {error.strerror}") from error
    settle(lambda: child.poll() is None, lambda: last_words(LOG), patience)


def last_words(log: str) -> str:
    """The last fatal line of a log of slurmd's, else its last line."""
    with open(log, encoding="utf-8", errors="replace") as stream:
        lines = stream.read().splitlines()
    return one_line(([line for line in lines if "fatal" in line] or lines or [""])[-1])


def settle(lives: Callable[[], bool], words: Callable[[], str], patience: Patience, config: str = FETCHED_CONFIG) -> None:
    """Until slurmd has got its configuration and lived a moment more. Raises StepFailed with its last words."""
    while lives() and not os.path.exists(config):
        if not patience.pause(0.1):
            raise StepFailed(f"slurmd got no configuration from slurmctld in time: {words()}")
    patience.pause(SETTLES)
    if not lives():
        raise StepFailed(f"slurmd ended: {words()}")

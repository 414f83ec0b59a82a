"""Step `scontrol`: a slurm.conf for scontrol alone; and what is told to slurmctld with it."""

import os
import time
from typing import List, Sequence, Tuple

from slurm_node.node import Node
from slurm_node.outcome import Outcome, Patience
from slurm_node.system import run, say, write_file

RUN = "/run/slurm-azure"
CONFIG = RUN + "/slurm.conf"
EVICTED = RUN + "/evicted"
"""There when Azure takes this VM back before it has joined: the watcher made it, and join.py ends."""
EVICTED_CAUSE = "evicted while booting"
JOINING = RUN + "/joining"
"""There from the moment before slurmd starts: jobs may come."""
TELL_TIMEOUT = 20.0
TELL_PAUSES = (2.0, 5.0, 0.0)


def configure_scontrol(node: Node, patience: Patience, outcome: Outcome) -> None:
    """In a place of its own, where slurmd does not look: slurmd's comes from slurmctld."""
    os.makedirs(RUN, exist_ok=True)
    write_file(CONFIG, slurm_conf(node).encode("ascii"), 0o644)


def slurm_conf(node: Node) -> str:
    """The least that scontrol needs to reach slurmctld (man slurm.conf)."""
    lines = [f"ClusterName={node.cluster}", "AuthType=auth/munge", f"SlurmctldPort={node.controllers[0].port}"]
    lines += [f"SlurmctldHost={controller.host}({controller.host})" for controller in node.controllers]
    if any(":" in controller.host for controller in node.controllers):
        lines.append("CommunicationParameters=EnableIPv6")
    return "\n".join(lines) + "\n"


def slurm(argv: List[str], timeout: float = TELL_TIMEOUT, limit: int = 300) -> Tuple[int, str]:
    """Run a command of Slurm's against this cluster's slurmctld; its exit code and its output, up to `limit` characters."""
    return run(argv, timeout, dict(os.environ, SLURM_CONF=CONFIG), limit)


def update_node(node: Node, *changes: str, timeout: float = TELL_TIMEOUT) -> Tuple[int, str]:
    """`scontrol update` of this node; exit code and output."""
    return slurm(["scontrol", "update", f"nodename={node.name}", *changes], timeout)


def tell(node: Node, *changes: str, config: str = CONFIG, pauses: Sequence[float] = TELL_PAUSES) -> bool:
    """Change what slurmctld has of this node, with some patience. False = slurmctld could not be told."""
    if not os.path.exists(config):
        say("slurmctld cannot be told: munge does not run yet")
        return False
    for pause in pauses:
        code, output = update_node(node, *changes)
        if code == 0:
            return True
        say(f"slurmctld could not be told: {output}")
        time.sleep(pause)
    return False

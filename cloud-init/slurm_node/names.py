"""Steps `host name` and `hosts`: the VM is called as its node is, and knows itself without DNS."""

import socket

from slurm_node.node import Controller, Node
from slurm_node.outcome import Outcome, Patience, StepFailed


def set_host_name(node: Node, patience: Patience, outcome: Outcome) -> None:
    """The host name is the node's name: Slurm learns NodeHostName from it, and an FQDN would be another node."""
    if socket.gethostname() != node.name:
        _overwrite("/etc/hostname", node.name + "\n")
        socket.sethostname(node.name)


def add_to_hosts(node: Node, patience: Patience, outcome: Outcome) -> None:
    """A line for the node itself, so that nothing waits for a DNS that does not know it (munged does, 20 s long)."""
    with open("/etc/hosts", "a+", encoding="utf-8") as stream:
        stream.seek(0)
        text = stream.read()
    _overwrite("/etc/hosts", hosts_text(text, own_address(node.controllers[0]), node.name))


def hosts_text(text: str, address: str, name: str) -> str:
    """/etc/hosts with `name` at `address` and nowhere else; all other names as they were."""
    kept = []
    for line in text.splitlines():
        fields = line.split("#", 1)[0].split()
        if name not in fields[1:]:
            kept.append(line)
        elif len(fields) > 2:
            kept.append(" ".join(field for field in fields if field != name))
    return "\n".join([*kept, f"{address} {name}", ""])


def own_address(controller: Controller) -> str:
    """The address this VM has towards slurmctld; nothing is sent for it. Raises StepFailed."""
    try:
        family, kind, protocol, _, there = socket.getaddrinfo(controller.host, controller.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(there)
            return str(probe.getsockname()[0])
    except OSError as error:
        raise StepFailed(f"no way to slurmctld at {controller}: {error.strerror or error}") from error


def _overwrite(path: str, text: str) -> None:
    # In place, not by rename: the file keeps its SELinux label.
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)

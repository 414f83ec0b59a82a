"""The site's network: a bridge in the sandbox's own network namespace, and the addresses Azure's platform has on it."""

from __future__ import annotations

import subprocess
from pathlib import Path

BRIDGE = "br0"
HEAD_SUBNET = "10.77.0.0/24"
BURST_SUBNET = "10.77.64.0/18"
# The gateways of the two subnets, the metadata service and the wire server; the first is where the simulator is found.
ADDRESSES = ("10.77.0.1/24", "10.77.64.1/18", "169.254.169.254/32", "168.63.129.16/32")
HEAD_ADDRESS, HEAD_GATEWAY = "10.77.0.4/24", "10.77.0.1"
HEAD_MAC = "52:54:0a:4d:00:04"
# Without an address of its own a bridge takes the lowest of its ports' and changes it when such a port comes or goes; the
# VMs then send to an address that nobody has, up to a minute and more (net/bridge/br_stp_if.c, br_stp_recalculate_bridge_id).
BRIDGE_MAC = "52:54:0a:4d:00:01"


def build_fabric() -> None:
    """Make the bridge in the network namespace of the caller, which forwards between the subnets as Azure's network does."""
    _ip("link", "set", "lo", "up")
    _ip("link", "add", BRIDGE, "address", BRIDGE_MAC, "type", "bridge")
    for address in ADDRESSES:
        _ip("address", "add", address, "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")
    settings = Path("/proc/sys/net/ipv4")
    (settings / "ip_forward").write_text("1", encoding="ascii")
    for interface in ("all", BRIDGE):
        (settings / "conf" / interface / "send_redirects").write_text("0", encoding="ascii")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)

"""What the demonstration's site has in the simulated Azure."""

from __future__ import annotations

from slurm_azure.demo import estate
from slurm_azure.demo.fabric import HEAD_ADDRESS
from tests.simulator.faulty import put
from tests.simulator.raw import arm
from tests.support.simulated_azure import SUBSCRIPTION, ManualClock, simulated_azure


def test_nobody_gets_the_head_nodes_address() -> None:
    """VMs and interfaces that appear in the first subnet there is, the head node's, begin behind its address."""
    subscription = estate.estate()["subscriptions"][0] | {"id": SUBSCRIPTION}
    with simulated_azure(clock=ManualClock(), offering={"subscriptions": [subscription]}) as azure:
        put(azure, *({"what": {"kind": "stranger", "resource": kind, "name": kind}} for kind in ("vm", "nic")))
        azure.advance(60)
        shown = arm(azure, "GET", f"{azure.group_path}/providers/Microsoft.Network/networkInterfaces").body["value"]
    addresses = [
        one["properties"]["privateIPAddress"] for interface in shown for one in interface["properties"]["ipConfigurations"]
    ]
    assert HEAD_ADDRESS == "10.77.0.4/24"
    assert sorted(addresses) == ["10.77.0.5", "10.77.0.6"]

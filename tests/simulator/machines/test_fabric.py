"""DHCP and names of the simulated network."""

from __future__ import annotations

import ipaddress

from slurm_azure.simulator.machines.fabric import arguments

ADDRESSES = [ipaddress.IPv4Interface("10.77.0.1/24"), ipaddress.IPv4Interface("10.77.64.1/18")]


def test_each_subnet_has_its_own_gateway() -> None:
    """A VM's routes lead over the gateway of its own subnet, to the metadata service and the wire server too."""
    options = arguments("br0", ADDRESSES)
    assert "--dhcp-range=set:subnet0,10.77.0.0,static,255.255.255.0" in options
    assert "--dhcp-range=set:subnet1,10.77.64.0,static,255.255.192.0" in options
    routes = "0.0.0.0/0,10.77.64.1,168.63.129.16/32,10.77.64.1,169.254.169.254/32,10.77.64.1"
    assert f"--dhcp-option=tag:subnet1,121,{routes}" in options


def test_azures_names_lead_to_the_first_address() -> None:
    """And every other name is refused here, not asked for elsewhere."""
    options = arguments("br0", ADDRESSES)
    assert "--address=/management.azure.com/10.77.0.1" in options
    assert "--address=/vault.azure.net/10.77.0.1" in options
    assert "--no-resolv" in options
    assert "--server=/#/" in options

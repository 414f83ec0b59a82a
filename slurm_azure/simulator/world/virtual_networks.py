"""Virtual networks, and the neighbours of Microsoft.Network that are no more than written down: network security groups and
public IP addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slurm_azure.simulator.world.network import Subnet


@dataclass(slots=True, eq=False)
class VirtualNetwork:
    """A virtual network; `settings` are further properties as sent. Subnets are found by their names in lower case."""

    id: str
    name: str
    location: str
    guid: str
    prefixes: tuple[ipaddress.IPv4Network, ...]
    tags: dict[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    subnets: dict[str, Subnet] = field(default_factory=dict)
    sequence: int = 0
    version: int = 1


@dataclass(slots=True, eq=False)
class NetworkRecord:
    """A network security group or public IP address: `properties` as sent, cleaned; `top` what stands beside them."""

    id: str
    name: str
    location: str
    guid: str
    properties: dict[str, Any]
    top: dict[str, Any]
    sequence: int
    version: int = 1

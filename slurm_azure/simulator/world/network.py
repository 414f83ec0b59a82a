"""Virtual networks: subnets with their addresses, and the network interfaces that hold them."""

from __future__ import annotations

import heapq
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slurm_azure.simulator.refusal import Refusal


class Addresses:
    """The addresses of a subnet; the lowest free one is handed out first, unless a certain one is asked for.

    Azure keeps five for itself: the first four and the last ("Azure Virtual Network FAQ").
    """

    def __init__(self, prefix: ipaddress.IPv4Network) -> None:
        self._first = int(prefix.network_address) + 4
        self._end = int(prefix.broadcast_address)
        self._next = self._first
        self._returned: list[int] = []
        self._ahead: set[int] = set()  # asked for by number, and not yet come to

    def take(self) -> str | None:
        """An address, or None if there is none left."""
        if self._returned:
            return str(ipaddress.IPv4Address(heapq.heappop(self._returned)))
        while self._next in self._ahead:
            self._ahead.discard(self._next)
            self._next += 1
        if self._next >= self._end:
            return None
        self._next += 1
        return str(ipaddress.IPv4Address(self._next - 1))

    def usable(self, address: ipaddress.IPv4Address) -> bool:
        """Whether it is one that Azure does not keep for itself."""
        return self._first <= int(address) < self._end

    def reserve(self, address: ipaddress.IPv4Address) -> bool:
        """Take this very address, which has to be usable; False if it is taken."""
        number = int(address)
        if number >= self._next:
            if number in self._ahead:
                return False
            self._ahead.add(number)
            return True
        if number not in self._returned:
            return False
        self._returned.remove(number)
        heapq.heapify(self._returned)
        return True

    def take_block(self, length: int) -> str | None:
        """The first block of that prefix length of which nothing is taken, such as 10.0.0.16/28; None if there is none."""
        size, returned = 1 << (32 - length), set(self._returned)
        for start in range(-(-self._first // size) * size, self._end - size + 1, size):
            numbers = range(start, start + size)
            if all(number in returned if number < self._next else number not in self._ahead for number in numbers):
                for number in numbers:
                    self.reserve(ipaddress.IPv4Address(number))
                return f"{ipaddress.IPv4Address(start)}/{length}"
        return None

    def give_back(self, address: str) -> None:
        """An address, or each one of a block, is free again."""
        if "/" not in address:
            self._give_back(int(ipaddress.IPv4Address(address)))
            return
        for one in ipaddress.IPv4Network(address):
            self._give_back(int(one))

    def _give_back(self, number: int) -> None:
        if number in self._ahead:
            self._ahead.discard(number)
        else:
            heapq.heappush(self._returned, number)

    def free(self) -> int:
        """How many are left."""
        return max(0, self._end - self._next) - len(self._ahead) + len(self._returned)


@dataclass(slots=True, eq=False)
class Subnet:
    """A subnet; `gateway` is its first address, `settings` are further properties as sent."""

    id: str
    name: str
    location: str
    prefix: ipaddress.IPv4Network
    addresses: Addresses
    gateway: str
    interfaces: dict[str, NetworkInterface] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def take_address(self) -> str:
        """An address for an interface; raises Refusal (400 SubnetIsFull, text as the Network resource provider gives it)."""
        return self._taken(self.addresses.take(), 1)

    def take_block(self, length: int) -> str:
        """A block of addresses with a prefix of that length; raises Refusal as `take_address`."""
        return self._taken(self.addresses.take_block(length), 1 << (32 - length))

    def _taken(self, address: str | None, wanted: int) -> str:
        if address is None:
            lacks = f"does not have enough capacity for {wanted} IP addresses."
            raise Refusal(400, "SubnetIsFull", f"Subnet {self.name} with address prefix {self.prefix} {lacks}")
        return address


def new_subnet(identity: str, name: str, location: str, prefix: ipaddress.IPv4Network) -> Subnet:
    """A subnet of which nothing is used."""
    return Subnet(identity, name, location, prefix, Addresses(prefix), str(prefix.network_address + 1))


@dataclass(frozen=True, slots=True)
class IpConfiguration:
    """An address of an interface, or a block of them (10.0.0.16/28); `settings` are further properties that it shows (pools,
    security groups)."""

    name: str
    subnet: Subnet
    ip: str
    settings: Mapping[str, Any]


@dataclass(slots=True, eq=False)
class NetworkInterface:
    """A network interface. `vm` is the id of the VM that has it (None if none has), `configuration` the name of its primary ip
    configuration, `settings` what that one shows further, `secondary` the others. `delete_with_vm` is None where nothing was
    said of it: it stays, then."""

    id: str
    name: str
    location: str
    guid: str
    subnet: Subnet
    ip: str
    configuration: str
    tags: dict[str, str]
    primary: bool = True
    delete_with_vm: bool | None = None
    accelerated: bool = False
    forwarding: bool = False
    security_group: str | None = None
    dns_servers: tuple[str, ...] = ()
    vm: str | None = None

    sequence: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    secondary: tuple[IpConfiguration, ...] = ()

    @property
    def mac(self) -> str:
        """The MAC address, made of the IP address: unique in its network, 52:54:.. in lower case."""
        return "52:54:" + ":".join(f"{part:02x}" for part in ipaddress.IPv4Address(self.ip).packed)

    def release(self) -> None:
        """Give the address back to the subnet."""
        if self.subnet.interfaces.pop(self.id.lower(), None) is not None:
            self.subnet.addresses.give_back(self.ip)
            for other in self.secondary:
                other.subnet.interfaces.pop(self.id.lower(), None)
                other.subnet.addresses.give_back(other.ip)

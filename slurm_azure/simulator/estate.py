"""What exists in the simulated Azure before anyone calls: tenant, subscriptions, networks, principals, vaults."""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slurm_azure.errors import ConfigError
from slurm_azure.simulator import credentials
from slurm_azure.simulator.resource_id import MANAGED_IDENTITY, location_name, resource_id

DEFAULT: dict[str, Any] = {
    "tenant": "5e1fca5e-0000-4000-8000-00000000a001",
    "location": "westeurope",
    "subscriptions": [
        {
            "id": "5e1fca5e-0000-4000-8000-00000000b001",
            "name": "simulated",
            "resource_groups": ["slurm-burst", "net"],
            "virtual_networks": [
                {"name": "vnet", "resource_group": "net", "subnets": {"burst": "10.66.0.0/16"}},
            ],
            "identities": [
                {
                    "name": "slurm-nodes",
                    "resource_group": "slurm-burst",
                    "client_id": "5e1fca5e-0000-4000-8000-00000000c001",
                    "principal_id": "5e1fca5e-0000-4000-8000-00000000c002",
                },
            ],
        },
    ],
    "service_principals": [
        {
            "name": "slurm-azured",
            "client_id": "5e1fca5e-0000-4000-8000-00000000d001",
            "object_id": "5e1fca5e-0000-4000-8000-00000000d002",
            "secret_file": "daemon.secret",
            "certificate_file": "daemon.pem",
            "generate": True,
        },
    ],
    "vaults": [
        {
            "name": "mycluster",
            "secrets": {"munge-key": {"file": "munge.key", "encoding": "base64", "generate": 1024}},
            "readers": ["slurm-nodes"],
        },
    ],
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Someone who can have a token: a service principal or a managed identity.

    `actions` are patterns of role definitions (`Microsoft.Compute/virtualMachines/*`) that hold in every subscription.
    """

    name: str
    client_id: str
    object_id: str
    actions: tuple[str, ...]
    resource_id: str | None = None  # of a managed identity
    secret: str | None = None
    certificate: bytes | None = None  # PEM


@dataclass(frozen=True, slots=True)
class SubnetPlan:
    """A subnet: its name and prefix."""

    name: str
    prefix: ipaddress.IPv4Network


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """A virtual network."""

    name: str
    resource_group: str
    subnets: tuple[SubnetPlan, ...]


@dataclass(frozen=True, slots=True)
class SubscriptionPlan:
    """A subscription; `resource_groups` maps each group's name to its location."""

    id: str
    name: str
    resource_groups: Mapping[str, str]
    networks: tuple[NetworkPlan, ...]
    identities: tuple[Principal, ...]


@dataclass(frozen=True, slots=True)
class VaultPlan:
    """A key vault: secrets by name, and the client ids that may read them."""

    name: str
    secrets: Mapping[str, str]
    readers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Estate:
    """Everything that exists before the first call."""

    tenant: str
    location: str
    subscriptions: tuple[SubscriptionPlan, ...]
    service_principals: tuple[Principal, ...]
    vaults: tuple[VaultPlan, ...]

    def principals(self) -> tuple[Principal, ...]:
        """All who can have a token."""
        return self.service_principals + tuple(i for s in self.subscriptions for i in s.identities)


def load(file: Path | None, folder: Path) -> Estate:
    """Read an estate file, or take the built-in default; paths in it are relative to the file, or to `folder` for the default.

    A principal or secret with `generate` gets its file made if there is none. Raises ConfigError.
    """
    if file is None:
        return _Reader("default estate", folder).estate(DEFAULT)
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(str(file), [f"cannot be read: {error}"]) from None
    return _Reader(str(file), file.parent).estate(written)


class _Reader:
    """Turns the JSON into an Estate; `where` names the place of a mistake."""

    def __init__(self, source: str, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._location = ""

    def estate(self, written: Any) -> Estate:
        where = "estate"
        top = self._object(written, where, {"tenant", "location", "subscriptions", "service_principals", "vaults"})
        self._location = location_name(self._text(top, "location", where))
        subscriptions = tuple(
            self._subscription(item, f"subscriptions[{i}]") for i, item in enumerate(self._list(top, "subscriptions", where))
        )
        principals = tuple(
            self._service_principal(item, f"service_principals[{i}]")
            for i, item in enumerate(self._list(top, "service_principals", where))
        )
        self._check_apart([subnet for item in subscriptions for network in item.networks for subnet in network.subnets])
        known = principals + tuple(identity for item in subscriptions for identity in item.identities)
        vaults = tuple(self._vault(item, f"vaults[{i}]", known) for i, item in enumerate(self._list(top, "vaults", where)))
        return Estate(self._text(top, "tenant", where), self._location, subscriptions, principals, vaults)

    def _subscription(self, item: Any, where: str) -> SubscriptionPlan:
        fields = self._object(item, where, {"id", "name", "resource_groups", "virtual_networks", "identities"})
        name = self._text(fields, "id", where)
        groups = fields.get("resource_groups", [])
        if isinstance(groups, list):
            groups = dict.fromkeys(groups, self._location)
        networks = tuple(
            self._network(network, f"{where}.virtual_networks[{i}]", groups)
            for i, network in enumerate(self._list(fields, "virtual_networks", where))
        )
        identities = tuple(
            self._identity(identity, f"{where}.identities[{i}]", name)
            for i, identity in enumerate(self._list(fields, "identities", where))
        )
        return SubscriptionPlan(name, str(fields.get("name", name)), groups, networks, identities)

    def _network(self, item: Any, where: str, groups: Mapping[str, str]) -> NetworkPlan:
        fields = self._object(item, where, {"name", "resource_group", "subnets"})
        group = self._text(fields, "resource_group", where)
        if group not in groups:
            raise self._mistake(f"{where}.resource_group", f"{group!r} is not among resource_groups")
        subnets = []
        for name, prefix in dict(fields.get("subnets", {})).items():
            try:
                subnets.append(SubnetPlan(name, ipaddress.IPv4Network(prefix)))
            except ValueError as error:
                raise self._mistake(f"{where}.subnets.{name}", str(error)) from None
        return NetworkPlan(self._text(fields, "name", where), group, tuple(subnets))

    def _check_apart(self, subnets: list[SubnetPlan]) -> None:
        """A VM that calls its metadata service is known by its address alone."""
        for number, subnet in enumerate(subnets):
            for other in subnets[:number]:
                if subnet.prefix.overlaps(other.prefix):
                    what = f"{subnet.prefix} of {subnet.name} overlaps {other.prefix} of {other.name}"
                    raise self._mistake("subscriptions", f"{what}; VMs are told apart by their addresses")

    def _identity(self, item: Any, where: str, subscription: str) -> Principal:
        fields = self._object(item, where, {"name", "resource_group", "client_id", "principal_id", "actions"})
        name = self._text(fields, "name", where)
        group = self._text(fields, "resource_group", where)
        return Principal(
            name=name,
            client_id=self._text(fields, "client_id", where),
            object_id=self._text(fields, "principal_id", where),
            actions=tuple(fields.get("actions", ())),
            resource_id=resource_id(subscription, group, MANAGED_IDENTITY, "userAssignedIdentities", name),
        )

    def _service_principal(self, item: Any, where: str) -> Principal:
        keys = {"name", "client_id", "object_id", "secret", "secret_file", "certificate_file", "generate", "actions"}
        fields = self._object(item, where, keys)
        name = str(fields.get("name", fields.get("client_id")))
        generate = bool(fields.get("generate", False))
        secret = fields.get("secret")
        if "secret_file" in fields:
            file = self._file(fields["secret_file"], f"{where}.secret_file", generate, credentials.new_secret)
            secret = file.decode().strip()
        certificate = None
        if "certificate_file" in fields:
            place = f"{where}.certificate_file"
            certificate = self._file(fields["certificate_file"], place, generate, lambda: credentials.new_certificate(name))
            if not credentials.is_rsa_certificate(certificate):
                raise self._mistake(place, f"{fields['certificate_file']} holds no certificate with an RSA key (PEM)")
        client = self._text(fields, "client_id", where)
        actions = tuple(fields.get("actions", ("*",)))
        return Principal(name, client, str(fields.get("object_id", client)), actions, None, secret, certificate)

    def _vault(self, item: Any, where: str, known: tuple[Principal, ...]) -> VaultPlan:
        fields = self._object(item, where, {"name", "secrets", "readers"})
        written = dict(fields.get("secrets", {}))
        secrets = {name: self._secret(value, f"{where}.secrets.{name}") for name, value in written.items()}
        readers = set()
        for reader in self._list(fields, "readers", where):
            found = [p.client_id for p in known if reader in (p.name, p.client_id, p.object_id, p.resource_id)]
            if not found:
                raise self._mistake(f"{where}.readers", f"nobody is called {reader!r}")
            readers.update(found)
        return VaultPlan(self._text(fields, "name", where), secrets, frozenset(readers))

    def _secret(self, value: Any, where: str) -> str:
        if isinstance(value, str):
            return value
        fields = self._object(value, where, {"file", "encoding", "generate"})
        size = int(fields.get("generate", 0))
        content = self._file(fields.get("file"), where, size > 0, lambda: credentials.random_bytes(size))
        return base64.b64encode(content).decode() if fields.get("encoding") == "base64" else content.decode()

    def _file(self, name: Any, where: str, generate: bool, make: credentials.Maker) -> bytes:
        if not isinstance(name, str):
            raise self._mistake(where, "has to be the path of a file")
        try:
            return credentials.read_or_make(self._folder / name, make if generate else None)
        except OSError as error:
            raise self._mistake(where, f"cannot read {name}: {error.strerror}") from None

    def _object(self, item: Any, where: str, keys: set[str]) -> dict[str, Any]:
        if not isinstance(item, dict):
            raise self._mistake(where, "has to be an object")
        for key in item:
            if key not in keys:
                raise self._mistake(f"{where}.{key}", f"is not known here (known: {', '.join(sorted(keys))})")
        return item

    def _list(self, fields: Mapping[str, Any], key: str, where: str) -> list[Any]:
        value = fields.get(key, [])
        if not isinstance(value, list):
            raise self._mistake(f"{where}.{key}", "has to be a list")
        return value

    def _text(self, fields: Mapping[str, Any], key: str, where: str) -> str:
        value = fields.get(key)
        if not isinstance(value, str) or not value:
            raise self._mistake(f"{where}.{key}", "has to be given, as text")
        return value

    def _mistake(self, where: str, what: str) -> ConfigError:
        return ConfigError(self._source, [f"{where}: {what}"])

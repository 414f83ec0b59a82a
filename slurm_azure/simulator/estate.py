"""What exists in the simulated Azure before anyone calls: tenant, subscriptions, networks, principals, vaults."""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from slurm_azure.errors import ConfigError
from slurm_azure.simulator import credentials, offering, role_definitions
from slurm_azure.simulator.builtin_roles import BUILT_IN_ROLES
from slurm_azure.simulator.offering import EVERYTHING, Offering
from slurm_azure.simulator.resource_id import KEY_VAULT, MANAGED_IDENTITY, location_name, resource_id
from slurm_azure.simulator.role_definitions import RoleDefinition

SMALLEST_SUBNET = 29  # "Azure Virtual Network FAQ"
LARGEST_SECRET = 18_750  # bytes, 25,000 in base64: a secret of a vault has 25k bytes at most ("About Azure Key Vault secrets")

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
class FederatedCredential:
    """Whose assertions are taken in place of a secret ("Workload identity federation"): `keys` are the issuer's public keys
    with their ids."""

    issuer: str
    subject: str
    audiences: tuple[str, ...]
    keys: tuple[tuple[str, RSAPublicKey], ...]


@dataclass(frozen=True, slots=True)
class Principal:
    """Someone who can have a token: a service principal or a managed identity.

    `actions` are patterns of role definitions (`Microsoft.Compute/virtualMachines/*`) that hold everywhere, without a role.
    """

    name: str
    client_id: str
    object_id: str
    actions: tuple[str, ...]
    resource_id: str | None = None  # of a managed identity
    secret: str | None = None
    certificate: bytes | None = None  # PEM
    federated: tuple[FederatedCredential, ...] = ()


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A role (the guid of its definition) for a principal (its object id) at a scope (a resource id)."""

    role: str
    principal_id: str
    scope: str


@dataclass(frozen=True, slots=True)
class SubnetPlan:
    """A subnet: its name and prefix, and the addresses that somebody has whom the simulator does not know."""

    name: str
    prefix: ipaddress.IPv4Network
    taken: tuple[ipaddress.IPv4Address, ...] = ()


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
    """A key vault: secrets by name, and the client ids that its access policy lets read them. Roles are looked for at `id`."""

    name: str
    secrets: Mapping[str, str]
    readers: frozenset[str]
    id: str


@dataclass(frozen=True, slots=True)
class Estate:
    """Everything that exists before the first call."""

    tenant: str
    location: str
    subscriptions: tuple[SubscriptionPlan, ...]
    service_principals: tuple[Principal, ...]
    vaults: tuple[VaultPlan, ...]
    role_definitions: tuple[RoleDefinition, ...] = ()
    role_assignments: tuple[RoleGrant, ...] = ()
    offering: Offering = EVERYTHING

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
    except OSError as error:
        raise ConfigError(str(file), [f"cannot be read: {error.strerror}; --estate names the file"]) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(str(file), [f"cannot be read, since it is no JSON: {error}"]) from None
    return _Reader(str(file), file.parent).estate(written)


class _Reader:
    """Turns the JSON into an Estate; `where` names the place of a mistake."""

    def __init__(self, source: str, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._location = ""
        self._assigned: set[str] = set()

    def estate(self, written: Any) -> Estate:
        where = "estate"
        keys = {"tenant", "location", "subscriptions", "service_principals", "vaults", "role_definitions", "role_assignments"}
        top = self._object(written, where, keys | set(offering.KEYS))
        self._assigned = self._assignees(top)
        self._location = location_name(self._text(top, "location", where))
        subscriptions = tuple(
            self._subscription(item, f"subscriptions[{i}]") for i, item in enumerate(self._list(top, "subscriptions", where))
        )
        principals = tuple(
            self._service_principal(item, f"service_principals[{i}]")
            for i, item in enumerate(self._list(top, "service_principals", where))
        )
        self._check_once([item.id for item in subscriptions], "subscriptions")
        self._check_once([item.client_id for item in principals], "service_principals")
        self._check_apart([subnet for item in subscriptions for network in item.networks for subnet in network.subnets])
        known = principals + tuple(identity for item in subscriptions for identity in item.identities)
        vaults = tuple(
            self._vault(item, f"vaults[{i}]", known, subscriptions) for i, item in enumerate(self._list(top, "vaults", where))
        )
        roles = tuple(
            self._role(item, f"role_definitions[{i}]") for i, item in enumerate(self._list(top, "role_definitions", where))
        )
        grants = tuple(
            self._grant(item, f"role_assignments[{i}]", known, (*BUILT_IN_ROLES, *roles))
            for i, item in enumerate(self._list(top, "role_assignments", where))
        )
        found = offering.read(top, self._source)
        return Estate(self._text(top, "tenant", where), self._location, subscriptions, principals, vaults, roles, grants, found)

    def _role(self, item: Any, where: str) -> RoleDefinition:
        if isinstance(item, dict) and set(item) == {"file"}:
            try:
                item = json.loads(self._file(item["file"], where, False, bytes))
            except ValueError as error:
                raise self._mistake(where, f"cannot be read: {error}") from None
        try:
            return role_definitions.read(item)
        except role_definitions.Unreadable as error:
            raise self._mistake(where, str(error)) from None

    def _grant(self, item: Any, where: str, known: tuple[Principal, ...], roles: tuple[RoleDefinition, ...]) -> RoleGrant:
        fields = self._object(item, where, {"principal", "role", "scope"})
        wanted, scope = self._text(fields, "role", where), self._text(fields, "scope", where)
        (principal,) = self._known(fields.get("principal"), known, f"{where}.principal")[:1]
        role = next((role for role in roles if wanted.lower() in (role.guid.lower(), role.name.lower())), None)
        if role is None:
            raise self._mistake(f"{where}.role", f"no role is called {wanted!r}")
        if not role.assignable_at(scope):
            raise self._mistake(f"{where}.scope", f"{role.name} may not be assigned there: see its AssignableScopes")
        return RoleGrant(role.guid, principal.object_id, scope)

    def _assignees(self, top: Mapping[str, Any]) -> set[str]:
        """What the role assignments call their principals: who has a role gets no rights without one."""
        items = self._list(top, "role_assignments", "estate")
        return {str(item.get("principal")) for item in items if isinstance(item, dict)}

    def _known(self, name: Any, known: tuple[Principal, ...], where: str) -> list[Principal]:
        found = [p for p in known if name in (p.name, p.client_id, p.object_id, p.resource_id)]
        if not found:
            raise self._mistake(where, f"nobody is called {name!r}")
        return found

    def _subscription(self, item: Any, where: str) -> SubscriptionPlan:
        fields = self._object(item, where, {"id", "name", "resource_groups", "virtual_networks", "identities"})
        name = self._text(fields, "id", where)
        groups = self._groups(fields.get("resource_groups", []), f"{where}.resource_groups")
        networks = tuple(
            self._network(network, f"{where}.virtual_networks[{i}]", groups)
            for i, network in enumerate(self._list(fields, "virtual_networks", where))
        )
        identities = tuple(
            self._identity(identity, f"{where}.identities[{i}]", name, groups)
            for i, identity in enumerate(self._list(fields, "identities", where))
        )
        return SubscriptionPlan(name, str(fields.get("name", name)), groups, networks, identities)

    def _groups(self, written: Any, where: str) -> dict[str, str]:
        """Names with their locations; a list of names means the estate's location."""
        groups = dict.fromkeys(self._texts(written, where), self._location) if isinstance(written, list) else written
        if not isinstance(groups, dict):
            raise self._mistake(where, "has to be a list of names, or an object: name: location")
        for name, location in groups.items():
            if not isinstance(location, str) or not location:
                raise self._mistake(f"{where}.{name}", "has to be a location, as text")
            self._check_name(name, where)
        return {name: location_name(location) for name, location in groups.items()}

    def _network(self, item: Any, where: str, groups: Mapping[str, str]) -> NetworkPlan:
        fields = self._object(item, where, {"name", "resource_group", "subnets"})
        group = self._text(fields, "resource_group", where)
        if group not in groups:
            raise self._mistake(f"{where}.resource_group", f"{group!r} is not among resource_groups")
        subnets = [
            self._subnet(name, value, f"{where}.subnets.{name}")
            for name, value in self._mapping(fields, "subnets", where).items()
        ]
        return NetworkPlan(self._text(fields, "name", where), group, tuple(subnets))

    def _subnet(self, name: str, value: Any, where: str) -> SubnetPlan:
        fields = {"prefix": value} if isinstance(value, str) else self._object(value, where, {"prefix", "taken"})
        try:
            prefix = ipaddress.IPv4Network(self._text(fields, "prefix", where))
            taken = tuple(ipaddress.IPv4Address(one) for one in self._texts(fields.get("taken", []), f"{where}.taken"))
        except ValueError as error:
            raise self._mistake(where, str(error)) from None
        if prefix.prefixlen > SMALLEST_SUBNET:
            raise self._mistake(where, f"{prefix} is too small for a subnet: /{SMALLEST_SUBNET} is the smallest")
        for address in taken:
            if address not in prefix:
                raise self._mistake(f"{where}.taken", f"{address} is not in {prefix}")
        return SubnetPlan(name, prefix, taken)

    def _check_once(self, ids: list[str], where: str) -> None:
        for number, found in enumerate(ids):
            if found.lower() in (other.lower() for other in ids[:number]):
                raise self._mistake(f"{where}[{number}]", f"{found} is there twice")

    def _check_apart(self, subnets: list[SubnetPlan]) -> None:
        """A VM that calls its metadata service is known by its address alone."""
        for number, subnet in enumerate(subnets):
            for other in subnets[:number]:
                if subnet.prefix.overlaps(other.prefix):
                    what = f"{subnet.prefix} of {subnet.name} overlaps {other.prefix} of {other.name}"
                    raise self._mistake("subscriptions", f"{what}; VMs are told apart by their addresses")

    def _identity(self, item: Any, where: str, subscription: str, groups: Mapping[str, str]) -> Principal:
        fields = self._object(item, where, {"name", "resource_group", "client_id", "principal_id", "actions"})
        name = self._text(fields, "name", where)
        group = self._text(fields, "resource_group", where)
        if group not in groups:
            raise self._mistake(f"{where}.resource_group", f"{group!r} is not among resource_groups")
        return Principal(
            name=name,
            client_id=self._text(fields, "client_id", where),
            object_id=self._text(fields, "principal_id", where),
            actions=self._texts(fields.get("actions", []), f"{where}.actions"),
            resource_id=resource_id(subscription, group, MANAGED_IDENTITY, "userAssignedIdentities", name),
        )

    def _service_principal(self, item: Any, where: str) -> Principal:
        keys = {"name", "client_id", "object_id", "secret", "secret_file", "certificate_file", "generate", "actions"}
        fields = self._object(item, where, keys | {"federated_credentials"})
        name = str(fields.get("name", fields.get("client_id")))
        generate = bool(fields.get("generate", False))
        secret = self._text(fields, "secret", where) if "secret" in fields else None
        if "secret_file" in fields:
            place = f"{where}.secret_file"
            secret = self._decoded(self._file(fields["secret_file"], place, generate, credentials.new_secret), place).strip()
            if not secret:
                raise self._mistake(place, f"{fields['secret_file']} is empty")
        certificate = None
        if "certificate_file" in fields:
            place = f"{where}.certificate_file"
            certificate = self._file(fields["certificate_file"], place, generate, lambda: credentials.new_certificate(name))
            if not credentials.is_rsa_certificate(certificate):
                raise self._mistake(place, f"{fields['certificate_file']} holds no certificate with an RSA key (PEM)")
        client = self._text(fields, "client_id", where)
        own = str(fields.get("object_id", client))
        everything = [] if self._assigned & {name, client, own} else ["*"]
        actions = self._texts(fields.get("actions", everything), f"{where}.actions")
        federated = tuple(
            self._federated(one, f"{where}.federated_credentials[{i}]")
            for i, one in enumerate(self._list(fields, "federated_credentials", where))
        )
        return Principal(name, client, own, actions, None, secret, certificate, federated)

    def _federated(self, item: Any, where: str) -> FederatedCredential:
        fields = self._object(item, where, {"issuer", "subject", "audiences", "keys_file"})
        audiences = self._texts(fields.get("audiences", ["api://AzureADTokenExchange"]), f"{where}.audiences")
        try:
            keys = credentials.issuer_keys(self._file(fields.get("keys_file"), f"{where}.keys_file", False, bytes))
        except ValueError as error:
            mistake = f"{fields['keys_file']} is neither a JSON Web Key Set nor a public key (PEM): {error}"
            raise self._mistake(f"{where}.keys_file", mistake) from None
        return FederatedCredential(self._text(fields, "issuer", where), self._text(fields, "subject", where), audiences, keys)

    def _vault(
        self, item: Any, where: str, known: tuple[Principal, ...], subscriptions: tuple[SubscriptionPlan, ...]
    ) -> VaultPlan:
        fields = self._object(item, where, {"name", "secrets", "readers", "resource_group"})
        written = self._mapping(fields, "secrets", where)
        secrets = {name: self._secret(value, f"{where}.secrets.{name}") for name, value in written.items()}
        readers: set[str] = set()
        for reader in self._list(fields, "readers", where):
            readers.update(p.client_id for p in self._known(reader, known, f"{where}.readers"))
        name = self._text(fields, "name", where)
        identity = self._vault_id(name, fields.get("resource_group"), subscriptions, where)
        return VaultPlan(name, secrets, frozenset(readers), identity)

    def _vault_id(self, name: str, group: Any, subscriptions: tuple[SubscriptionPlan, ...], where: str) -> str:
        """In the resource group that is named, else in the first there is."""
        for plan in subscriptions:
            for known in plan.resource_groups:
                if group is None or known == group:
                    return resource_id(plan.id, known, KEY_VAULT, "vaults", name)
        if group is not None:
            raise self._mistake(f"{where}.resource_group", f"{group!r} is not among resource_groups")
        return f"/providers/{KEY_VAULT}/vaults/{name}"

    def _secret(self, value: Any, where: str) -> str:
        if isinstance(value, str):
            return value
        fields = self._object(value, where, {"file", "encoding", "generate"})
        size, encoding = fields.get("generate", 0), fields.get("encoding", "text")
        if type(size) is not int or not 0 <= size <= LARGEST_SECRET:
            raise self._mistake(f"{where}.generate", f"has to be a number of bytes, {LARGEST_SECRET} at most")
        if encoding not in ("text", "base64"):
            raise self._mistake(f"{where}.encoding", "has to be text or base64")
        content = self._file(fields.get("file"), where, size > 0, lambda: credentials.random_bytes(size))
        return base64.b64encode(content).decode() if encoding == "base64" else self._decoded(content, where)

    def _decoded(self, content: bytes, where: str) -> str:
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise self._mistake(where, "the file is not text (UTF-8); a secret of a vault may say encoding: base64") from None

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

    def _mapping(self, fields: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
        value = fields.get(key, {})
        if not isinstance(value, dict):
            raise self._mistake(f"{where}.{key}", "has to be an object")
        return value

    def _texts(self, value: Any, where: str) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self._mistake(where, "has to be a list of texts")
        return tuple(value)

    def _check_name(self, name: str, where: str) -> None:
        """It becomes a part of resource ids and of paths."""
        if not name or "/" in name:
            raise self._mistake(where, f"{name!r} cannot be a name")

    def _text(self, fields: Mapping[str, Any], key: str, where: str) -> str:
        value = fields.get(key)
        if not isinstance(value, str) or not value:
            raise self._mistake(f"{where}.{key}", "has to be given, as text")
        return value

    def _mistake(self, where: str, what: str) -> ConfigError:
        return ConfigError(self._source, [f"{where}: {what}"])

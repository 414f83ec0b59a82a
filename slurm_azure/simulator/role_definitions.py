"""Role definitions: what a role allows, and the two forms it is written in.

Sources: "Understand Azure role definitions" and "Azure custom roles" (Microsoft Learn); RoleDefinition and Permission of
Microsoft's authorization OpenAPI file (2022-04-01).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

BUILT_IN, CUSTOM = "BuiltInRole", "CustomRole"
_MEMBERS = ("actions", "notActions", "dataActions", "notDataActions")
_KNOWN = {"name", "id", "roleName", "isCustom", "roleType", "type", "description", "assignableScopes", "permissions", *_MEMBERS}


@dataclass(frozen=True, slots=True)
class Permission:
    """Patterns of actions. `not_actions` are taken out of `actions` of the same definition; they deny nothing that another
    role allows."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()

    def allows(self, action: str, data: bool = False) -> bool:
        """Whether the action (of the data plane, if `data`) is among what is allowed."""
        allowed, taken_out = (self.data_actions, self.not_data_actions) if data else (self.actions, self.not_actions)
        return matches(allowed, action) and not matches(taken_out, action)

    def as_json(self) -> dict[str, Any]:
        """As the REST interface shows it."""
        parts = (self.actions, self.not_actions, self.data_actions, self.not_data_actions)
        return {member: list(part) for member, part in zip(_MEMBERS, parts, strict=True)}


@dataclass(frozen=True, slots=True)
class RoleDefinition:
    """A role. `guid` is its name in paths, `created` and `updated` are seconds since 1970."""

    guid: str
    name: str
    description: str
    kind: str
    permissions: tuple[Permission, ...]
    assignable_scopes: tuple[str, ...]
    created: float = 0.0
    updated: float = 0.0
    created_by: str = ""

    def allows(self, action: str, data: bool = False) -> bool:
        """Whether the role allows an action."""
        return any(permission.allows(action, data) for permission in self.permissions)

    def assignable_at(self, scope: str) -> bool:
        """Whether it may be assigned at `scope`: its assignable scopes are this one or above it."""
        return any(covers(place, scope) for place in self.assignable_scopes)


@lru_cache(maxsize=10_000)
def _pattern(text: str) -> re.Pattern[str]:
    written = re.escape(text).replace(r"/\*/", "/(?:.*/)?").replace(r"\*", ".*")
    return re.compile(written, re.IGNORECASE)


def matches(patterns: Sequence[str], action: str) -> bool:
    """Whether one of the patterns fits: `*` stands for any text, `/` included, and may occur more than once; letters in
    either case ("Azure custom roles", wildcard permissions). `/*/` also stands for a single `/`: Managed Identity Operator
    has `userAssignedIdentities/*/assign/action`, and the documented use of it is `userAssignedIdentities/assign/action`."""
    return any(_pattern(pattern).fullmatch(action) for pattern in patterns)


def covers(scope: str, other: str) -> bool:
    """Whether `other` is `scope` or beneath it; "/" is above everything."""
    above, below = scope.rstrip("/").lower(), other.rstrip("/").lower()
    return below == above or below.startswith(above + "/")


class Unreadable(Exception):
    """What is written is no role definition; the text says why."""


def read(written: Any) -> RoleDefinition:
    """A custom role in the form of the Azure CLI (`Name`, `Actions`, .., `AssignableScopes`), its names in either case, or
    with `permissions` as the REST interface has them. Raises Unreadable."""
    if not isinstance(written, dict):
        raise Unreadable("has to be an object")
    fields = {key[:1].lower() + key[1:]: value for key, value in written.items()}
    for key in fields:
        if key not in _KNOWN:
            raise Unreadable(f"{key} is not known in a role definition")
    name = fields.get("roleName") or fields.get("name")
    if not isinstance(name, str):
        raise Unreadable("has no Name")
    parts = fields.get("permissions", [fields])
    permissions = tuple(permission(part) for part in parts)
    guid = str(fields.get("id") or uuid.uuid5(uuid.NAMESPACE_URL, f"role/{name}")).rsplit("/", 1)[-1]
    scopes = _texts(fields, "assignableScopes")
    return RoleDefinition(guid, name, str(fields.get("description", "")), CUSTOM, permissions, scopes)


def permission(fields: Mapping[str, Any]) -> Permission:
    """The permission that an object with `actions` and so on tells; raises Unreadable."""
    if not isinstance(fields, Mapping):
        raise Unreadable("a permission has to be an object")
    return Permission(*(_texts(fields, member) for member in _MEMBERS))


def _texts(fields: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = fields.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Unreadable(f"{key} has to be a list of texts")
    return tuple(value)

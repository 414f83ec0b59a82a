"""Who may do what: role assignments, and the question whether one allows an action at a scope.

Sources: "What is Azure role-based access control (Azure RBAC)?" (additive; a scope covers what is beneath it), "Understand
Azure role definitions", "Troubleshoot Azure RBAC" (error codes and texts; changes may take minutes to be noticed).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from slurm_azure.simulator.builtin_roles import BUILT_IN_ROLES
from slurm_azure.simulator.clock import Clock
from slurm_azure.simulator.estate import Estate, Principal
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.role_definitions import BUILT_IN, Permission, RoleDefinition, covers, matches

_REMEMBERED = 10_000  # answers by principal and action; more than that is more principals than this is made for


@dataclass(frozen=True, slots=True)
class RoleAssignment:
    """A role (the guid of its definition) for a principal (its object id) at a scope. Moments in seconds since 1970."""

    name: str
    scope: str
    role: str
    principal_id: str
    principal_type: str = "ServicePrincipal"
    description: str | None = None
    condition: str | None = None
    condition_version: str | None = None
    created: float = 0.0
    updated: float = 0.0
    created_by: str = ""

    @property
    def key(self) -> str:
        """What tells it apart: its scope and name, in lower case."""
        return f"{self.scope.rstrip('/')}/{self.name}".lower()


class Authorization:
    """Answers whether a principal may do an action at a scope. A change of assignments takes effect `lag` seconds later.

    A question costs one look-up per segment of the scope: for each principal and action it is worked out once, from all of
    the principal's roles, at which scopes they allow it.
    """

    def __init__(self, estate: Estate, clock: Clock, lag: float = 0.0) -> None:
        self._clock = clock
        self._lag = lag
        self._definitions = {role.guid: role for role in (*BUILT_IN_ROLES, *estate.role_definitions)}
        self._shorthand = {principal.object_id: principal.actions for principal in estate.principals() if principal.actions}
        self._assignments: dict[str, RoleAssignment] = {}
        for grant in estate.role_assignments:
            name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{grant.role}/{grant.principal_id}/{grant.scope}".lower()))
            made = RoleAssignment(name, grant.scope, grant.role, grant.principal_id, created=clock.now(), updated=clock.now())
            self._assignments[made.key] = made
        self._in_force = dict(self._assignments)
        self._granted: dict[tuple[str, str, bool], frozenset[str]] = {}

    def allows(self, principal: Principal, action: str, scope: str) -> bool:
        """Whether `principal` may do `action` (Microsoft.Compute/virtualMachines/write) at `scope` (a resource id)."""
        return self._allows(principal.object_id, action, scope, data=False)

    def allows_data(self, object_id: str, action: str, scope: str) -> bool:
        """Whether a principal may do an action of the data plane (Microsoft.KeyVault/vaults/secrets/getSecret/action)."""
        return self._allows(object_id, action, scope, data=True)

    def _allows(self, object_id: str, action: str, scope: str, data: bool) -> bool:
        key = (object_id, action, data)
        granted = self._granted.get(key)
        if granted is None:
            if len(self._granted) >= _REMEMBERED:
                self._granted.clear()
            granted = self._granted[key] = self._scopes(object_id, action, data)
        return bool(granted) and _reaches(granted, scope)

    def _scopes(self, object_id: str, action: str, data: bool) -> frozenset[str]:
        found = {
            assignment.scope.rstrip("/").lower()
            for assignment in self._in_force.values()
            if assignment.principal_id.lower() == object_id.lower() and self._definitions[assignment.role].allows(action, data)
        }
        if not data and matches(self._shorthand.get(object_id, ()), action):
            found.add("")
        return frozenset(found)

    def sees(self, principal: Principal, scope: str) -> bool:
        """Whether `principal` has any role at `scope`, above it or beneath it: who has shows up in lists of subscriptions and
        of resource groups. No page of Microsoft's says it in so many words."""
        if principal.object_id in self._shorthand:
            return True
        own = (a for a in self._in_force.values() if a.principal_id.lower() == principal.object_id.lower())
        return any(covers(a.scope, scope) or covers(scope, a.scope) for a in own)

    def permissions(self, principal: Principal, scope: str) -> list[Permission]:
        """What `principal` may do at `scope`, role by role."""
        shorthand = self._shorthand.get(principal.object_id)
        found = [Permission(shorthand)] if shorthand else []
        for assignment in self._in_force.values():
            if assignment.principal_id.lower() == principal.object_id.lower() and covers(assignment.scope, scope):
                found.extend(self._definitions[assignment.role].permissions)
        return found

    # Definitions

    def definitions(self) -> Iterator[RoleDefinition]:
        """All of them, the built-in ones first."""
        return iter(self._definitions.values())

    def definition(self, guid: str) -> RoleDefinition | None:
        """The role of that name in paths."""
        return self._definitions.get(guid.lower())

    def define(self, role: RoleDefinition) -> None:
        """Add a role, or change it; raises Refusal."""
        known = self._definitions.get(role.guid)
        if known is not None and known.kind == BUILT_IN:
            raise _built_in(known)
        if any(other.name.lower() == role.name.lower() and other.guid != role.guid for other in self.definitions()):
            message = f"A custom role definition with the name '{role.name}' exists already. Use a different name."
            raise Refusal(409, "RoleDefinitionWithSameNameExists", message)
        self._definitions[role.guid] = role
        self._granted.clear()

    def forget(self, role: RoleDefinition) -> None:
        """Take a role away; raises Refusal for a built-in one and for one that is assigned."""
        if role.kind == BUILT_IN:
            raise _built_in(role)
        users = [assignment for assignment in self._assignments.values() if assignment.role == role.guid]
        if users:
            message = f"There are existing role assignments referencing role '{role.guid}'."
            raise Refusal(400, "RoleDefinitionHasAssignments", message)
        # With a lag an assignment that is gone may still be in force, and has to end with its role.
        self._in_force = {key: a for key, a in self._in_force.items() if a.role != role.guid}
        del self._definitions[role.guid]
        self._granted.clear()

    # Assignments

    def assignments(self) -> list[RoleAssignment]:
        """All of them, in the order they were made."""
        return list(self._assignments.values())

    def assignment(self, scope: str, name: str) -> RoleAssignment | None:
        """The assignment of that name at that scope."""
        return self._assignments.get(f"{scope.rstrip('/')}/{name}".lower())

    def assign(self, wanted: RoleAssignment) -> None:
        """Add an assignment, or change the description and condition of one; raises Refusal (409 RoleAssignmentExists, 409
        RoleAssignmentUpdateNotPermitted)."""
        known = self._assignments.get(wanted.key)
        if known is not None:
            if _what(known) != _what(wanted):
                message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
                raise Refusal(409, "RoleAssignmentUpdateNotPermitted", message)
        elif any(_what(other) == _what(wanted) for other in self._assignments.values()):
            raise Refusal(409, "RoleAssignmentExists", "The role assignment already exists.")
        self._assignments[wanted.key] = wanted
        self._later(wanted.key)

    def revoke(self, assignment: RoleAssignment) -> None:
        """Take an assignment away."""
        self._assignments.pop(assignment.key, None)
        self._later(assignment.key)

    def revoke_beneath(self, scope: str) -> None:
        """A resource or group is gone, and the assignments at it and beneath it with it."""
        for assignment in self.assignments():
            if covers(scope, assignment.scope):
                self.revoke(assignment)

    def _later(self, key: str) -> None:
        if self._lag > 0:
            self._clock.call_later(self._lag, lambda: self._take_effect(key))
        else:
            self._take_effect(key)

    def _take_effect(self, key: str) -> None:
        now = self._assignments.get(key)
        if now is None:
            self._in_force.pop(key, None)
        elif now.role in self._definitions:
            self._in_force[key] = now
        self._granted.clear()


def _what(assignment: RoleAssignment) -> tuple[str, str, str]:
    return assignment.scope.rstrip("/").lower(), assignment.role, assignment.principal_id.lower()


def _built_in(role: RoleDefinition) -> Refusal:
    # That it is refused is documented, code and text are not.
    return Refusal(403, "BuiltInRoleUpdateNotPermitted", f"The built-in role '{role.name}' cannot be changed or deleted.")


def _reaches(granted: frozenset[str], scope: str) -> bool:
    """Whether the scope, or one above it, is among those `granted`."""
    place = scope.rstrip("/").lower()
    while place not in granted:
        if not place:
            return False
        place = place[: place.rfind("/")] if "/" in place else ""
    return True

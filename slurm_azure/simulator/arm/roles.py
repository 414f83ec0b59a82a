"""Microsoft.Authorization: role definitions, role assignments and permissions, as the OpenAPI files of 2022-04-01 have them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from slurm_azure.simulator import role_definitions
from slurm_azure.simulator.arm import filters
from slurm_azure.simulator.authorization import Authorization, RoleAssignment
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.clock import timestamp
from slurm_azure.simulator.refusal import Refusal, malformed
from slurm_azure.simulator.role_definitions import CUSTOM, RoleDefinition, covers
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world.members import member, text, without_nulls
from slurm_azure.simulator.world.world import World

_PROVIDER = "Microsoft.Authorization"
_ALL = "/{scope}/providers/Microsoft.Authorization/"
_DEFINITION = _ALL + "roleDefinitions/{roleDefinitionId}"
_ASSIGNMENT = _ALL + "roleAssignments/{roleAssignmentName}"


class Roles:
    """Answers the requests on role definitions and role assignments."""

    def __init__(self, world: World, authorization: Authorization) -> None:
        self._world = world
        self._authorization = authorization

    def routes(self) -> list[Route]:
        """The operations."""
        definitions, assignments = f"{_PROVIDER}/roleDefinitions", f"{_PROVIDER}/roleAssignments"
        return [
            Route("GET", _ALL + "roleDefinitions", "RoleDefinitions_List", f"{definitions}/read", self.list_definitions),
            Route("GET", _DEFINITION, "RoleDefinitions_Get", f"{definitions}/read", self.get_definition),
            Route("PUT", _DEFINITION, "RoleDefinitions_CreateOrUpdate", f"{definitions}/write", self.put_definition),
            Route("DELETE", _DEFINITION, "RoleDefinitions_Delete", f"{definitions}/delete", self.delete_definition),
            Route(
                "GET", _ALL + "roleAssignments", "RoleAssignments_ListForScope", f"{assignments}/read", self.list_assignments
            ),
            Route("GET", _ASSIGNMENT, "RoleAssignments_Get", f"{assignments}/read", self.get_assignment),
            Route("PUT", _ASSIGNMENT, "RoleAssignments_Create", f"{assignments}/write", self.put_assignment),
            Route("DELETE", _ASSIGNMENT, "RoleAssignments_Delete", f"{assignments}/delete", self.delete_assignment),
            Route("GET", _ALL + "permissions", "Permissions_ListForScope", "", self.list_permissions),
        ]

    # Definitions

    def list_definitions(self, call: Call) -> Reply:
        """The roles that may be assigned at a scope; `$filter`: roleName eq, type eq, atScopeAndBelow()."""
        scope = call.parameters["scope"]
        wanted = filters.parse(call.query.get("$filter"))

        def holds(role: RoleDefinition, clause: filters.Clause) -> bool:
            if clause.verb == "atscopeandbelow":
                return True
            if clause.verb == "eq" and clause.arguments[0] in ("rolename", "type"):
                value = role.name if clause.arguments[0] == "rolename" else role.kind
                return value.lower() == clause.arguments[1].lower()
            raise filters.unknown(clause)

        below = any(clause.verb == "atscopeandbelow" for clauses in wanted for clause in clauses)
        shown = [
            definition_json(role, scope)
            for role in self._authorization.definitions()
            if (role.assignable_at(scope) or (below and any(covers(scope, place) for place in role.assignable_scopes)))
            and filters.fits(wanted, lambda clause, role=role: holds(role, clause))  # type: ignore[misc]
        ]
        return Reply(200, {"value": shown})

    def get_definition(self, call: Call) -> Reply:
        """One role."""
        return Reply(200, definition_json(self._definition(call), call.parameters["scope"]))

    def put_definition(self, call: Call) -> Reply:
        """Add or change a custom role (201 in both cases, as the OpenAPI file says)."""
        guid = call.parameters["roleDefinitionId"].lower()
        _check_guid(guid, "InvalidRoleDefinitionId", "The role definition ID")
        wanted = member(without_nulls(call.json_object()), "properties", required=True)
        known = self._authorization.definition(guid)
        now = self._world.clock.now()
        role = RoleDefinition(
            guid=guid,
            name=_required(wanted, "roleName"),
            description=text(wanted, "description", "description") or "",
            kind=CUSTOM,
            permissions=_permissions(wanted),
            assignable_scopes=_scopes(wanted),
            created=known.created if known else now,
            updated=now,
            created_by=known.created_by if known else _caller(call),
        )
        self._authorization.define(role)
        return Reply(201, definition_json(role, call.parameters["scope"]))

    def delete_definition(self, call: Call) -> Reply:
        """Take a custom role away: 200 with what it was, 204 if there is none."""
        role = self._authorization.definition(call.parameters["roleDefinitionId"])
        if role is None:
            return Reply(204)
        self._authorization.forget(role)
        return Reply(200, definition_json(role, call.parameters["scope"]))

    def _definition(self, call: Call) -> RoleDefinition:
        guid = call.parameters["roleDefinitionId"]
        role = self._authorization.definition(guid)
        if role is None:
            raise _no_definition(guid)
        return role

    # Assignments

    def list_assignments(self, call: Call) -> Reply:
        """The assignments at a scope, above it and beneath it; `$filter`: atScope() leaves out those beneath, principalId eq
        and assignedTo() all but a principal's."""
        scope = call.parameters["scope"]
        wanted = filters.parse(call.query.get("$filter"))

        def holds(assignment: RoleAssignment, clause: filters.Clause) -> bool:
            if clause.verb == "atscope":
                return covers(assignment.scope, scope)
            if clause.verb == "assignedto" or (clause.verb == "eq" and clause.arguments[0] == "principalid"):
                return assignment.principal_id.lower() == clause.arguments[-1].lower()
            raise filters.unknown(clause)

        shown = [
            assignment_json(one)
            for one in self._authorization.assignments()
            if (covers(one.scope, scope) or covers(scope, one.scope))
            and filters.fits(wanted, lambda clause, one=one: holds(one, clause))  # type: ignore[misc]
        ]
        return Reply(200, {"value": shown})

    def get_assignment(self, call: Call) -> Reply:
        """One assignment."""
        found = self._authorization.assignment(call.parameters["scope"], call.parameters["roleAssignmentName"])
        if found is None:
            name = call.parameters["roleAssignmentName"]
            raise Refusal(404, "RoleAssignmentNotFound", f"The role assignment '{name}' is not found.")
        return Reply(200, assignment_json(found))

    def put_assignment(self, call: Call) -> Reply:
        """Assign a role (201), or change the description of an assignment (200)."""
        name, scope = call.parameters["roleAssignmentName"].lower(), call.parameters["scope"]
        _check_guid(name, "InvalidRoleAssignmentId", "The role assignment ID")
        wanted = member(without_nulls(call.json_object()), "properties", required=True)
        role = self._assignable(_required(wanted, "roleDefinitionId"), scope)
        now = self._world.clock.now()
        made = RoleAssignment(
            name=name,
            scope=scope,
            role=role.guid,
            principal_id=_required(wanted, "principalId"),
            principal_type=text(wanted, "principalType", "principalType") or "ServicePrincipal",
            description=text(wanted, "description", "description"),
            condition=text(wanted, "condition", "condition"),
            condition_version=text(wanted, "conditionVersion", "conditionVersion"),
            created=now,
            updated=now,
            created_by=_caller(call),
        )
        if made.condition is not None:
            raise Refusal(501, "NotImplemented", "Conditions of role assignments are not simulated.")
        known = self._authorization.assignment(scope, name)
        if known is not None:
            made = replace(made, created=known.created, created_by=known.created_by)
        self._authorization.assign(made)
        return Reply(201 if known is None else 200, assignment_json(made))

    def delete_assignment(self, call: Call) -> Reply:
        """Take an assignment away: 200 with what it was, 204 if there is none."""
        found = self._authorization.assignment(call.parameters["scope"], call.parameters["roleAssignmentName"])
        if found is None:
            return Reply(204)
        self._authorization.revoke(found)
        return Reply(200, assignment_json(found))

    def _assignable(self, identity: str, scope: str) -> RoleDefinition:
        guid = identity.rstrip("/").rsplit("/", 1)[-1]
        role = self._authorization.definition(guid)
        if role is None or not role.assignable_at(scope):
            raise Refusal(400, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{guid}' does not exist.")
        return role

    # Permissions

    def list_permissions(self, call: Call) -> Reply:
        """What the caller may do at a scope."""
        assert call.principal is not None
        found = self._authorization.permissions(call.principal, call.parameters["scope"])
        return Reply(200, {"value": [permission.as_json() for permission in found]})


def definition_json(role: RoleDefinition, scope: str) -> dict[str, Any]:
    """A role as it is shown to who asks at `scope`: its id begins with that scope's subscription."""
    parts = scope.strip("/").split("/")
    subscription = f"/subscriptions/{parts[1]}" if parts[0].lower() == "subscriptions" and len(parts) > 1 else ""
    return {
        "id": f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role.guid}",
        "type": "Microsoft.Authorization/roleDefinitions",
        "name": role.guid,
        "properties": {
            "roleName": role.name,
            "type": role.kind,
            "description": role.description,
            "assignableScopes": list(role.assignable_scopes),
            "permissions": [permission.as_json() for permission in role.permissions],
            "createdOn": timestamp(role.created),
            "updatedOn": timestamp(role.updated),
            "createdBy": role.created_by,
            "updatedBy": role.created_by,
        },
    }


def assignment_json(assignment: RoleAssignment) -> dict[str, Any]:
    """An assignment as the REST interface shows it."""
    parts = assignment.scope.strip("/").split("/")
    subscription = f"/subscriptions/{parts[1]}" if parts[0].lower() == "subscriptions" and len(parts) > 1 else ""
    properties: dict[str, Any] = {
        "roleDefinitionId": f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{assignment.role}",
        "principalId": assignment.principal_id,
        "principalType": assignment.principal_type,
        "scope": assignment.scope,
        "createdOn": timestamp(assignment.created),
        "updatedOn": timestamp(assignment.updated),
        "createdBy": assignment.created_by,
        "updatedBy": assignment.created_by,
    }
    if assignment.description is not None:
        properties["description"] = assignment.description
    return {
        "id": f"{assignment.scope.rstrip('/')}/providers/Microsoft.Authorization/roleAssignments/{assignment.name}",
        "type": "Microsoft.Authorization/roleAssignments",
        "name": assignment.name,
        "properties": properties,
    }


def _permissions(wanted: Mapping[str, Any]) -> tuple[role_definitions.Permission, ...]:
    written = wanted.get("permissions", [])
    try:
        return tuple(role_definitions.permission(item) for item in written)
    except (role_definitions.Unreadable, TypeError) as error:
        raise malformed(f"permissions: {error}") from None


def _scopes(wanted: Mapping[str, Any]) -> tuple[str, ...]:
    scopes = wanted.get("assignableScopes")
    if not isinstance(scopes, list) or not scopes or not all(isinstance(scope, str) for scope in scopes):
        raise Refusal(400, "InvalidAssignableScopes", "A custom role has to have at least one assignable scope.")
    return tuple(scopes)


def _required(wanted: Mapping[str, Any], key: str) -> str:
    value = text(wanted, key, key)
    if value is None:
        raise malformed(f"Required property '{key}' not found in JSON. Path 'properties'")
    return value


def _check_guid(value: str, code: str, what: str) -> None:
    try:
        uuid.UUID(value)
    except ValueError:
        raise Refusal(400, code, f"{what} '{value}' is not valid. {what} must be a GUID.") from None


def _caller(call: Call) -> str:
    assert call.principal is not None
    return call.principal.object_id


def _no_definition(guid: str) -> Refusal:
    return Refusal(404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{guid}' does not exist.")

"""Role definitions and assignments over the REST interface, by unmodified clients and by hand."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.simulator.raw import Answer, arm, ask, token, vm_path
from tests.support.simulated_azure import READER, SUBSCRIPTION, SimulatedAzure, product_role, vm_body

READER_ROLE = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
VM_CONTRIBUTOR = "9980e02c-c2be-4d73-94e8-173b1dc7cf3c"
SUB = f"/subscriptions/{SUBSCRIPTION}"
WHO = {"client": READER, "secret": "only reads"}


def roles(
    azure: SimulatedAzure, method: str, scope: str, kind: str, name: str = "", body: Any = None, query: str = ""
) -> Answer:
    """A request on roleDefinitions or roleAssignments at a scope."""
    path = f"{scope}/providers/Microsoft.Authorization/{kind}{'/' + name if name else ''}"
    return arm(azure, method, f"{path}{query}", body)


def assign(azure: SimulatedAzure, scope: str, role: str, principal: str = READER, name: str = "") -> Answer:
    """Assign a role."""
    properties = {
        "roleDefinitionId": f"{SUB}/providers/Microsoft.Authorization/roleDefinitions/{role}",
        "principalId": principal,
    }
    return roles(azure, "PUT", scope, "roleAssignments", name or str(uuid.uuid4()), {"properties": properties})


def names(answer: Answer) -> set[str]:
    """The names of the roles in a list."""
    return {item["properties"]["roleName"] for item in answer.body["value"]}


def test_built_in_roles_have_their_real_ids(azure: SimulatedAzure) -> None:
    """A filter by name finds Reader under the id that it has everywhere."""
    (found,) = roles(azure, "GET", SUB, "roleDefinitions", query="?$filter=roleName%20eq%20'Reader'").body["value"]
    assert found["id"] == f"{SUB}/providers/Microsoft.Authorization/roleDefinitions/{READER_ROLE}"
    assert found["properties"]["permissions"][0]["actions"] == ["*/read"]
    assert roles(azure, "GET", azure.group_path, "roleDefinitions", READER_ROLE).body["name"] == READER_ROLE


def test_custom_roles_are_found_by_type(azure: SimulatedAzure) -> None:
    """The estate's role is the only custom one; built-in ones are told apart."""
    custom = roles(azure, "GET", SUB, "roleDefinitions", query="?$filter=type%20eq%20'CustomRole'")
    assert names(custom) == {product_role()["Name"]}
    built_in = names(roles(azure, "GET", SUB, "roleDefinitions", query="?$filter=type%20eq%20'BuiltInRole'"))
    assert {"Owner", "Contributor", "Reader", "Key Vault Secrets User"} <= built_in


def test_a_role_is_made_assigned_used_and_taken_away(azure: SimulatedAzure) -> None:
    """A custom role gives its actions from its assignment on, to its end, and only then it can be deleted."""
    guid, path = str(uuid.uuid4()), vm_path(azure, "v1")
    delete = "Microsoft.Compute/virtualMachines/delete"
    properties = {"roleName": "Deleter", "permissions": [{"actions": [delete]}], "assignableScopes": [azure.group_path]}
    assert arm(azure, "PUT", path, vm_body(azure)).status == 201
    assert roles(azure, "PUT", SUB, "roleDefinitions", guid, {"properties": properties}).status == 201
    assert arm(azure, "DELETE", path, **WHO).code == "AuthorizationFailed"
    assigned = assign(azure, azure.group_path, guid)
    assert (assigned.status, assigned.body["properties"]["scope"]) == (201, azure.group_path)
    assert roles(azure, "GET", azure.group_path, "roleAssignments", assigned.body["name"]).body == assigned.body
    assert roles(azure, "DELETE", SUB, "roleDefinitions", guid).code == "RoleDefinitionHasAssignments"
    assert arm(azure, "DELETE", path, **WHO).status == 202
    assert roles(azure, "DELETE", azure.group_path, "roleAssignments", assigned.body["name"]).status == 200
    assert roles(azure, "DELETE", azure.group_path, "roleAssignments", assigned.body["name"]).status == 204
    assert roles(azure, "GET", azure.group_path, "roleAssignments", assigned.body["name"]).code == "RoleAssignmentNotFound"
    assert arm(azure, "DELETE", path, **WHO).code == "AuthorizationFailed"
    assert roles(azure, "DELETE", SUB, "roleDefinitions", guid).status == 200
    assert roles(azure, "GET", SUB, "roleDefinitions", guid).status == 404


def test_a_role_stays_where_it_may_be_assigned(azure: SimulatedAzure) -> None:
    """At a scope that is not among its assignable ones a role does not exist."""
    guid = str(uuid.uuid4())
    properties = {"roleName": "Here", "permissions": [{"actions": ["*/read"]}], "assignableScopes": [azure.group_path]}
    roles(azure, "PUT", SUB, "roleDefinitions", guid, {"properties": properties})
    assert assign(azure, SUB, guid).code == "RoleDefinitionDoesNotExist"
    assert assign(azure, vm_path(azure, "v1"), guid).status == 201
    assert "Here" not in names(roles(azure, "GET", SUB, "roleDefinitions"))
    assert "Here" in names(roles(azure, "GET", SUB, "roleDefinitions", query="?$filter=atScopeAndBelow()"))


def test_lists_of_assignments(azure: SimulatedAzure) -> None:
    """A list has what is at its scope, above and beneath; atScope() leaves out beneath, principalId eq all but one's."""
    for scope in (SUB, azure.group_path, vm_path(azure, "v1")):
        assert assign(azure, scope, VM_CONTRIBUTOR).status == 201

    def scopes(query: str) -> list[str]:
        found = roles(azure, "GET", azure.group_path, "roleAssignments", query=query).body["value"]
        return [item["properties"]["scope"] for item in found if item["properties"]["principalId"] == READER]

    assert scopes("") == [SUB, azure.group_path, vm_path(azure, "v1")]
    assert scopes("?$filter=atScope()") == [SUB, azure.group_path]
    mine = f"?$filter=atScope()%20and%20principalId%20eq%20'{READER}'"
    assert scopes(mine) == [SUB, azure.group_path]
    assert len(roles(azure, "GET", azure.group_path, "roleAssignments", query=mine).body["value"]) == 2


def test_the_same_again_and_the_same_twice(azure: SimulatedAzure) -> None:
    """The same assignment under its name is 200; under another it exists already."""
    name = str(uuid.uuid4())
    assert assign(azure, SUB, READER_ROLE, name=name).status == 201
    assert assign(azure, SUB, READER_ROLE, name=name).status == 200
    assert assign(azure, SUB, READER_ROLE).code == "RoleAssignmentExists"
    assert assign(azure, SUB, VM_CONTRIBUTOR, name=name).code == "RoleAssignmentUpdateNotPermitted"


@pytest.mark.parametrize(
    ("kind", "name", "body", "code"),
    [
        ("roleAssignments", "no-guid", {"properties": {}}, "InvalidRoleAssignmentId"),
        ("roleAssignments", "7e571e57-0000-4000-8000-00000000e001", {}, "InvalidParameter"),
        (
            "roleAssignments",
            "7e571e57-0000-4000-8000-00000000e002",
            {"properties": {"principalId": "p"}},
            "InvalidRequestContent",
        ),
        ("roleDefinitions", "no-guid", {"properties": {}}, "InvalidRoleDefinitionId"),
        (
            "roleDefinitions",
            READER_ROLE,
            {"properties": {"roleName": "x", "assignableScopes": ["/"]}},
            "BuiltInRoleUpdateNotPermitted",
        ),
        (
            "roleDefinitions",
            "7e571e57-0000-4000-8000-00000000e003",
            {"properties": {"roleName": "x"}},
            "InvalidAssignableScopes",
        ),
        (
            "roleDefinitions",
            "7e571e57-0000-4000-8000-00000000e004",
            {"properties": {"roleName": "x", "permissions": [1], "assignableScopes": [SUB]}},
            "InvalidRequestContent",
        ),
    ],
)
def test_what_is_refused(azure: SimulatedAzure, kind: str, name: str, body: Any, code: str) -> None:
    """A name that is no GUID, a body without what has to be there, a built-in role: 4xx with a code."""
    answer = roles(azure, "PUT", SUB, kind, name, body)
    assert (answer.status // 100, answer.code) == (4, code)


def test_permissions_are_what_the_caller_may_do(azure: SimulatedAzure) -> None:
    """The daemon sees its own role at its group, and nothing in another."""
    who = {"client": azure.client_id, "secret": azure.secret_file.read_text()}
    path = "{}/providers/Microsoft.Authorization/permissions".format
    (permission,) = arm(azure, "GET", path(azure.group_path), **who).body["value"]
    assert permission["actions"] == product_role()["Actions"]
    assert arm(azure, "GET", path(f"{SUB}/resourceGroups/other"), **who).body["value"] == []


def test_a_bad_filter_is_refused(azure: SimulatedAzure) -> None:
    """What no list knows is 400, not everything."""
    for query in ("?$filter=colour%20eq%20'blue'", "?$filter=roleName%20eq", "?$filter=a%20b%20c", "?$filter='"):
        assert roles(azure, "GET", SUB, "roleDefinitions", query=query).code == "InvalidFilterInQueryString"


def test_a_vault_opens_to_a_role(azure: SimulatedAzure) -> None:
    """Key Vault Secrets User at the vault reads its secret, without the vault's access policy."""
    vault = f"{SUB}/resourceGroups/slurm-burst/providers/Microsoft.KeyVault/vaults/mycluster"

    def read() -> int:
        bearer = token(azure, "https://vault.azure.net", **WHO)
        headers = {"Authorization": f"Bearer {bearer}"}
        path = "/vaults/mycluster/secrets/munge-key?api-version=7.5"
        return ask(azure.endpoint, "GET", path, None, headers, azure.ca_file).status

    assert read() == 403
    assert assign(azure, vault, "4633458b-17de-408a-b874-0445c86b69e6").status == 201
    assert read() == 200

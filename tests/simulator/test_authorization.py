"""Who may do what, as Azure evaluates roles: additive, beneath a scope, with wildcards, and with what is taken out again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest

from slurm_azure.simulator.authorization import Authorization, RoleAssignment
from slurm_azure.simulator.builtin_roles import BUILT_IN_ROLES
from slurm_azure.simulator.estate import Estate, Principal, RoleGrant
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.resource_id import scope_of
from slurm_azure.simulator.role_definitions import CUSTOM, Permission, RoleDefinition, Unreadable, matches, read
from tests.simulator.raw import arm, vm_path
from tests.support.simulated_azure import READER, ManualClock, SimulatedAzure, vm_body

SOMEONE = Principal("someone", "client", "object", ())
GROUP = "/subscriptions/s/resourceGroups/g"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/v"
WRITE, READ = "Microsoft.Compute/virtualMachines/write", "Microsoft.Compute/virtualMachines/read"


def a_role(
    name: str = "r", *, actions: tuple[str, ...] = (), scopes: tuple[str, ...] = ("/",), **further: Any
) -> RoleDefinition:
    """A custom role of one permission."""
    return RoleDefinition(name, name, "", CUSTOM, (Permission(actions, **further),), scopes)


def an_authorization(*given: tuple[RoleDefinition, str], lag: float = 0.0, clock: Any = None) -> Authorization:
    """What decides when SOMEONE has these roles at these scopes."""
    roles = tuple({role.guid: role for role, _ in given}.values())
    grants = tuple(RoleGrant(role.guid, SOMEONE.object_id, scope) for role, scope in given)
    estate = Estate("t", "westeurope", (), (SOMEONE,), (), roles, grants)
    return Authorization(estate, clock or ManualClock(), lag)


@pytest.mark.parametrize(
    ("pattern", "action", "fits"),
    [
        ("*", WRITE, True),
        ("*/read", READ, True),
        ("*/read", WRITE, False),
        ("microsoft.compute/VIRTUALMACHINES/*", WRITE, True),
        ("Microsoft.Compute/virtualMachines/*", "Microsoft.Compute/virtualMachines/instanceView/read", True),
        ("Microsoft.Compute/virtualMachines/*", "Microsoft.Compute/virtualMachineScaleSets/read", False),
        ("Microsoft.Compute/*/read", "Microsoft.Compute/virtualMachines/instanceView/read", True),
        ("Microsoft.Compute/virtualMachines/write", "Microsoft.Compute/virtualMachines/write/more", False),
        ("Microsoft.Compute/virtualMachines/[w]rite", WRITE, False),
        (
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
            "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
            True,
        ),
    ],
)
def test_wildcards(pattern: str, action: str, fits: bool) -> None:
    """A star stands for any text, slashes included, and for nothing else does any other character."""
    assert matches((pattern,), action) is fits


def test_a_scope_covers_what_is_beneath_it_and_nothing_beside() -> None:
    """A role at a group holds for the group's resources, in any case of letters, not for a group whose name begins alike."""
    rights = an_authorization((a_role(actions=(WRITE,)), GROUP))
    assert rights.allows(SOMEONE, WRITE, VM)
    assert rights.allows(SOMEONE, WRITE, VM.upper())
    assert rights.allows(SOMEONE, WRITE, GROUP)
    assert not rights.allows(SOMEONE, WRITE, VM.replace("/g/", "/g2/"))
    assert not rights.allows(SOMEONE, WRITE, "/subscriptions/s")
    assert not rights.allows(dataclasses.replace(SOMEONE, object_id="other"), WRITE, VM)


def test_what_is_taken_out_is_taken_out_of_one_role_only() -> None:
    """notActions are no denial: another role may give what one leaves out."""
    most = a_role("most", actions=("*",), not_actions=("*/write",))
    assert not an_authorization((most, GROUP)).allows(SOMEONE, WRITE, VM)
    assert an_authorization((most, GROUP)).allows(SOMEONE, READ, VM)
    assert an_authorization((most, GROUP), (a_role("w", actions=(WRITE,)), VM)).allows(SOMEONE, WRITE, VM)


def test_actions_and_data_actions_are_apart() -> None:
    """Owner reads no secret; who reads secrets manages nothing."""
    owner = next(role for role in BUILT_IN_ROLES if role.name == "Owner")
    user = next(role for role in BUILT_IN_ROLES if role.name == "Key Vault Secrets User")
    get = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
    vault = f"{GROUP}/providers/Microsoft.KeyVault/vaults/v"
    assert not an_authorization((owner, GROUP)).allows_data(SOMEONE.object_id, get, vault)
    rights = an_authorization((user, vault))
    assert rights.allows_data(SOMEONE.object_id, get, f"{vault}/secrets/munge-key")
    assert not rights.allows(SOMEONE, get, vault)


def test_a_change_takes_effect_after_the_lag() -> None:
    """With a lag a new assignment is there at once and holds later; so does its end."""
    rights = an_authorization(lag=0.0)
    with_lag = an_authorization(lag=60.0, clock=(clock := _Clock()))
    for decide, waits in ((rights, False), (with_lag, True)):
        decide.define(a_role("0" * 8, actions=(WRITE,)))
        made = RoleAssignment("n", GROUP, "0" * 8, SOMEONE.object_id)
        decide.assign(made)
        assert decide.assignments() == [made]
        assert decide.allows(SOMEONE, WRITE, VM) is not waits
        clock.run()
        assert decide.allows(SOMEONE, WRITE, VM)
        decide.revoke(made)
        assert decide.allows(SOMEONE, WRITE, VM) is waits
        clock.run()
        assert not decide.allows(SOMEONE, WRITE, VM)


class _Clock(ManualClock):
    """A clock whose calls are made when asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.due: list[Any] = []

    def call_later(self, delay: float, callback: Any) -> Any:
        self.due.append(callback)

    def run(self) -> None:
        due, self.due = self.due, []
        for callback in due:
            callback()


def test_refused_changes() -> None:
    """The same role twice, another principal under the same name, a role in use: each has Azure's code."""
    rights = an_authorization((role := a_role("0" * 8, actions=(WRITE,)), GROUP))
    made = rights.assignments()[0]
    changes: tuple[tuple[Callable[[], None], str], ...] = (
        (lambda: rights.assign(dataclasses.replace(made, name="other")), "RoleAssignmentExists"),
        (lambda: rights.assign(dataclasses.replace(made, principal_id="other")), "RoleAssignmentUpdateNotPermitted"),
        (lambda: rights.forget(role), "RoleDefinitionHasAssignments"),
        (lambda: rights.define(dataclasses.replace(role, guid="1" * 8)), "RoleDefinitionWithSameNameExists"),
        (lambda: rights.forget(BUILT_IN_ROLES[0]), "BuiltInRoleUpdateNotPermitted"),
    )
    for change, code in changes:
        with pytest.raises(Refusal) as caught:
            change()
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        (VM, VM),
        (f"{VM}/instanceView", VM),
        (f"{GROUP}/providers/Microsoft.Compute/virtualMachines", f"{GROUP}/providers/Microsoft.Compute"),
        ("/subscriptions/s/resourcegroups", "/subscriptions/s"),
        ("/subscriptions/s/resourceGroups/g/resources", GROUP),
        (
            f"{VM}/providers/Microsoft.Authorization/roleAssignments/n",
            f"{VM}/providers/Microsoft.Authorization/roleAssignments/n",
        ),
    ],
)
def test_the_scope_of_a_request(path: str, scope: str) -> None:
    """It is the resource that is meant, not the path of an action or of a list."""
    assert scope_of(path) == scope


@pytest.mark.parametrize(
    ("written", "why"),
    [([], "object"), ({}, "Name"), ({"Name": "n", "Actions": "all"}, "list"), ({"Name": "n", "Action": []}, "not known")],
)
def test_mistakes_in_a_role_are_told(written: Any, why: str) -> None:
    """A role that cannot be read says why."""
    with pytest.raises(Unreadable, match=why):
        read(written)


def test_refusal_names_action_and_scope(azure: SimulatedAzure) -> None:
    """403 with Azure's words, the resource's scope and the header that says that the front door said no."""
    refused = arm(azure, "PUT", vm_path(azure, "v1"), vm_body(azure), client=READER, secret="only reads")
    scope = f"{azure.group_path}/providers/Microsoft.Compute/virtualMachines/v1"
    assert (refused.status, refused.code) == (403, "AuthorizationFailed")
    assert f"perform action '{WRITE}' over scope '{scope}' or the scope is invalid" in refused.body["error"]["message"]
    assert refused.headers["x-ms-failure-cause"] == "gateway"


def test_linked_resources_need_rights_of_their_own(azure: SimulatedAzure) -> None:
    """Who may make VMs in the group but not join the subnet is told both, and nothing is made."""
    body = json.loads(json.dumps(vm_body(azure)).replace(azure.subnet_id, azure.subnet_id.replace("burst", "elsewhere")))
    refused = arm(azure, "PUT", vm_path(azure, "v1"), body, client=azure.client_id, secret=azure.secret_file.read_text())
    assert (refused.status, refused.code) == (403, "LinkedAuthorizationFailed")
    message = refused.body["error"]["message"]
    assert f"has permission to perform action '{WRITE}' on scope '{vm_path(azure, 'v1')}'" in message
    assert "'Microsoft.Network/virtualNetworks/subnets/join/action' on the linked scope(s)" in message
    assert azure.vms() == []


def test_operations_can_be_followed_without_rights_in_the_subscription(azure: SimulatedAzure) -> None:
    """Who has a role in one group can make a VM there and follow its operation, whose path is the subscription's."""
    who = {"client": azure.client_id, "secret": azure.secret_file.read_text()}
    made = arm(azure, "PUT", vm_path(azure, "v1"), vm_body(azure), **who)
    assert made.status == 201
    path = made.headers["Azure-AsyncOperation"].removeprefix(azure.endpoint).partition("?")[0]
    assert arm(azure, "GET", path, **who).status == 200


def test_an_unknown_subscription_is_not_a_matter_of_rights(azure: SimulatedAzure) -> None:
    """404, also for who has no right anywhere near."""
    unknown = "/subscriptions/00000000-0000-0000-0000-00000000dead/resourcegroups/g"
    answer = arm(azure, "GET", unknown, client=READER, secret="only reads")
    assert (answer.status, answer.code) == (404, "SubscriptionNotFound")

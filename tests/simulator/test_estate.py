"""What exists at the start: read from a file, mistakes told with their place, secrets kept private."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slurm_azure.errors import ConfigError
from slurm_azure.simulator.estate import DEFAULT, load


def written(tmp_path: Path, **changes: Any) -> Path:
    file = tmp_path / "estate.json"
    file.write_text(json.dumps(DEFAULT | changes))
    return file


def test_the_built_in_estate_makes_its_secrets_once(tmp_path: Path) -> None:
    """Secret, certificate and munge key are made at first, private to their owner, and the same ever after."""
    first = load(None, tmp_path)
    assert first == load(None, tmp_path)
    for name in ("daemon.secret", "daemon.pem", "munge.key"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert first.service_principals[0].secret == (tmp_path / "daemon.secret").read_text()


def test_a_binary_file_becomes_a_base64_secret(tmp_path: Path) -> None:
    """A munge key is any bytes; the vault holds text."""
    (tmp_path / "key").write_bytes(b"\x00\xff")
    vault = {"name": "v", "secrets": {"k": {"file": "key", "encoding": "base64"}, "plain": "text"}}
    assert load(written(tmp_path, vaults=[vault]), tmp_path).vaults[0].secrets == {"k": "AP8=", "plain": "text"}


def test_paths_are_relative_to_the_estate_file(tmp_path: Path) -> None:
    """An estate and its secrets can be moved together."""
    load(written(tmp_path), tmp_path / "elsewhere")
    assert (tmp_path / "daemon.secret").exists()


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"tenant": ""}, "estate.tenant"),
        ({"colour": "blue"}, "estate.colour"),
        ({"subscriptions": {}}, "estate.subscriptions"),
        ({"vaults": [{"name": "v", "readers": ["nobody"]}]}, r"vaults\[0\].readers"),
        ({"vaults": [{"name": "v", "secrets": {"k": {"file": "absent"}}}]}, r"vaults\[0\].secrets.k"),
        ({"service_principals": [{"client_id": "c", "secret_file": "absent"}]}, r"service_principals\[0\].secret_file"),
        ({"service_principals": [{"client_id": "c", "certificate_file": "estate.json"}]}, "no certificate with an RSA key"),
        (
            {
                "subscriptions": [
                    {
                        "id": "s",
                        "resource_groups": ["g"],
                        "virtual_networks": [
                            {"name": "n", "resource_group": "g", "subnets": {"a": "10.0.0.0/16", "b": "10.0.1.0/24"}}
                        ],
                    }
                ]
            },
            "10.0.1.0/24 of b overlaps",
        ),
        (
            {"subscriptions": [{"id": "s", "virtual_networks": [{"name": "n", "resource_group": "absent"}]}]},
            r"virtual_networks\[0\].resource_group",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, changes: dict[str, Any], place: str) -> None:
    """The message names the file and the path of the key."""
    with pytest.raises(ConfigError, match=place):
        load(written(tmp_path, **changes), tmp_path)


SUBSCRIPTION = {"id": "s", "resource_groups": ["g"]}
NETWORK = {"name": "n", "resource_group": "g"}
PREFIX = {"prefix": "10.0.0.0/24"}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"resource_groups": 3}, "resource_groups: has to be a list of names, or an object"),
        ({"resource_groups": ["g", 3]}, "resource_groups: has to be a list of texts"),
        ({"resource_groups": {"g": 3}}, "resource_groups.g: has to be a location"),
        ({"resource_groups": ["a/b"]}, "'a/b' cannot be a name"),
        ({"virtual_networks": [NETWORK | {"subnets": ["10.0.0.0/16"]}]}, "subnets: has to be an object"),
        ({"virtual_networks": [NETWORK | {"subnets": {"a": "10.0.0.0/30"}}]}, "10.0.0.0/30 is too small"),
        ({"virtual_networks": [NETWORK | {"subnets": {"a": 3}}]}, "subnets.a: has to be an object"),
        ({"virtual_networks": [NETWORK | {"subnets": {"a": {"taken": []}}}]}, "subnets.a.prefix"),
        ({"virtual_networks": [NETWORK | {"subnets": {"a": PREFIX | {"taken": "10.0.0.4"}}}]}, "taken: has to be a list"),
        ({"virtual_networks": [NETWORK | {"subnets": {"a": PREFIX | {"taken": ["head"]}}}]}, "subnets.a: .*'head'"),
        ({"virtual_networks": [NETWORK | {"subnets": {"a": PREFIX | {"taken": ["10.0.1.4"]}}}]}, "taken: 10.0.1.4 is not in"),
        ({"identities": [{"name": "i", "resource_group": "absent"}]}, r"identities\[0\].resource_group: 'absent'"),
    ],
)
def test_a_mistake_in_a_subscription_is_told_with_its_place(tmp_path: Path, changes: dict[str, Any], place: str) -> None:
    """What has another type, no room or no group is refused at the start, not met later as an odd answer."""
    with pytest.raises(ConfigError, match=place):
        load(written(tmp_path, subscriptions=[SUBSCRIPTION | changes]), tmp_path)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"subscriptions": [SUBSCRIPTION, {"id": "S"}]}, r"subscriptions\[1\]: S is there twice"),
        ({"service_principals": [{"client_id": "c"}, {"client_id": "c"}]}, r"service_principals\[1\]: c is there twice"),
        ({"service_principals": [{"client_id": "c", "actions": "*"}]}, r"service_principals\[0\].actions: has to be a list"),
        ({"service_principals": [{"client_id": "c", "secret": 3}]}, r"service_principals\[0\].secret: .* as text"),
        ({"service_principals": [{"client_id": "c", "secret_file": "empty"}]}, "secret_file: empty is empty"),
        ({"service_principals": [{"client_id": "c", "secret_file": "binary"}]}, "secret_file: the file is not text"),
        ({"vaults": [{"name": "v", "secrets": ["k"]}]}, r"vaults\[0\].secrets: has to be an object"),
        ({"vaults": [{"name": "v", "secrets": {"k": {"file": "binary"}}}]}, r"secrets.k: the file is not text"),
        ({"vaults": [{"name": "v", "secrets": {"k": {"file": "empty", "encoding": "hex"}}}]}, r"k.encoding: has to be"),
        ({"vaults": [{"name": "v", "secrets": {"k": {"file": "x", "generate": "many"}}}]}, r"k.generate: has to be a number"),
        ({"quotas": {"cores": 3}}, "quotas: has to be a list"),
        ({"sizes": [3]}, r"sizes\[0\]: has to be an object"),
        ({"prices": [{"size": "x", "colour": "blue"}]}, r"prices\[0\].colour: is not known here"),
    ],
)
def test_a_mistake_elsewhere_is_told_with_its_place(tmp_path: Path, changes: dict[str, Any], place: str) -> None:
    """Types, what is there twice, files that hold something else: each in words of the estate, none of Python's."""
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=place):
        load(written(tmp_path, **{"vaults": []} | changes), tmp_path)


def test_a_group_has_a_region_of_its_own(tmp_path: Path) -> None:
    """Groups are a list of names, or names with regions, in any of their spellings."""
    subscription = SUBSCRIPTION | {"resource_groups": {"g": "North Europe"}}
    assert load(written(tmp_path, subscriptions=[subscription], vaults=[]), tmp_path).subscriptions[0].resource_groups == {
        "g": "northeurope"
    }


def test_a_file_that_is_no_json_is_told(tmp_path: Path) -> None:
    """An unreadable estate is a ConfigError, not a traceback."""
    (tmp_path / "e.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read, since it is no JSON"):
        load(tmp_path / "e.json", tmp_path)
    (tmp_path / "e.json").write_text("[" * 100_000)
    with pytest.raises(ConfigError, match="cannot be read, since it is no JSON"):
        load(tmp_path / "e.json", tmp_path)
    with pytest.raises(ConfigError, match=r"absent\.json: cannot be read: No such file or directory; --estate names"):
        load(tmp_path / "absent.json", tmp_path)


ROLE = {"Name": "r", "Actions": ["*/read"], "AssignableScopes": ["/subscriptions/s"]}


def test_who_has_a_role_has_nothing_else(tmp_path: Path) -> None:
    """A service principal may do everything, unless it is given roles: then it may do what they say."""
    grant = {"principal": "slurm-azured", "role": "r", "scope": "/subscriptions/s/resourceGroups/g"}
    free = load(written(tmp_path), tmp_path)
    bound = load(written(tmp_path, role_definitions=[ROLE], role_assignments=[grant]), tmp_path)
    assert free.service_principals[0].actions == ("*",)
    assert bound.service_principals[0].actions == ()
    assert bound.role_assignments[0].principal_id == bound.service_principals[0].object_id


def test_a_role_can_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    """The form that `az role definition create` reads is the form of the estate."""
    (tmp_path / "role.json").write_text(json.dumps(ROLE))
    roles = load(written(tmp_path, role_definitions=[{"file": "role.json"}]), tmp_path).role_definitions
    assert (roles[0].name, roles[0].allows("Microsoft.Compute/disks/read")) == ("r", True)


@pytest.mark.parametrize(
    ("roles", "grant", "place"),
    [
        ([{"Name": "r", "Verbs": []}], {}, r"role_definitions\[0\]: verbs is not known"),
        ([{"file": "estate.json"}], {}, r"role_definitions\[0\]: tenant is not known"),
        ([ROLE], {"principal": "nobody"}, r"role_assignments\[0\].principal: nobody is called 'nobody'"),
        ([ROLE], {"role": "absent"}, r"role_assignments\[0\].role: no role is called 'absent'"),
        ([ROLE], {"scope": "/subscriptions/other"}, r"role_assignments\[0\].scope: r may not be assigned there"),
        ([ROLE], {"colour": "blue"}, r"role_assignments\[0\].colour"),
    ],
)
def test_mistakes_in_roles_are_told_with_their_place(
    tmp_path: Path, roles: list[Any], grant: dict[str, Any], place: str
) -> None:
    """An unknown principal, role or key, a scope where the role may not be assigned: the message says which."""
    good = {"principal": "slurm-azured", "role": "r", "scope": "/subscriptions/s"}
    with pytest.raises(ConfigError, match=place):
        load(written(tmp_path, role_definitions=roles, role_assignments=[good | grant]), tmp_path)


def test_a_vault_stands_in_a_group_that_is_there(tmp_path: Path) -> None:
    """Its place in the subscription, where roles are looked for, is told; a group that is not there is a mistake."""
    assert load(written(tmp_path), tmp_path).vaults[0].id.endswith("slurm-burst/providers/Microsoft.KeyVault/vaults/mycluster")
    with pytest.raises(ConfigError, match=r"vaults\[0\].resource_group: 'x' is not among"):
        load(written(tmp_path, vaults=[{"name": "v", "resource_group": "x"}]), tmp_path)

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


def test_a_file_that_is_no_json_is_told(tmp_path: Path) -> None:
    """An unreadable estate is a ConfigError, not a traceback."""
    (tmp_path / "e.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "e.json", tmp_path)

"""Microsoft's ARM template schema of Microsoft.Compute 2026-03-01, a second opinion on the body of a VM's PUT.

It is newer than the OpenAPI files and knows most of what version_gap.py lists. It is laxer on scalars: where a template may
have an expression, any string of the form [..] will do.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema_rs

from tests.contracts.specifications import TEMPLATES

VERSION = "2026-03-01"

# Newer than 2026-03-01: in the models of azure-mgmt-compute 39.0.0 (api-version 2026-04-01) alone.
NEWER: frozenset[str] = frozenset(
    {
        "VirtualMachineProperties.flexProfile",
        "HardwareProfile.processorMode",
        "StorageProfile.diskApiVersion",
        "ManagedDiskParameters.additionalDiskProperties",
        "VirtualMachineNetworkInterfaceIPConfigurationProperties.privateIPAddressPrefixLength",
        "CapacityReservationProfile.disableCapacityReservationAssignment",
    }
)


@cache
def _validator() -> jsonschema_rs.Draft4Validator:
    document = _read(f"{VERSION}/Microsoft.Compute.json")
    definitions = {name: _closed(name, schema) for name, schema in document["definitions"].items()}
    machine = _closed("VirtualMachine", document["resourceDefinitions"]["virtualMachines"])
    kept = {"$schema": "http://json-schema.org/draft-04/schema#", "definitions": definitions}
    return jsonschema_rs.Draft4Validator(kept | machine, retriever=_retrieve)


def _read(name: str) -> Any:
    return json.loads((TEMPLATES / name).read_text())


def _retrieve(url: str) -> Any:
    """The other files that the schema refers to, by the URL that Microsoft publishes them at."""
    return _read(url.removeprefix("https://schema.management.azure.com/schemas/"))


def _closed(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A definition that lets no unknown member pass; the schema itself lets them all."""
    if name == "HardwareProfile":
        schema = schema | {"properties": schema["properties"] | {"vmSize": {"type": "string"}}}  # the list is an old one
    if "properties" not in schema or "additionalProperties" in schema:
        return schema
    newer: dict[str, Any] = {entry.partition(".")[2]: {} for entry in NEWER if entry.partition(".")[0] == name}
    return schema | {"properties": schema["properties"] | newer, "additionalProperties": False}


def problems(name: str, body: Any) -> list[str]:
    """What the schema has against the body of a PUT of VM `name`."""
    if not isinstance(body, dict):
        return ["the body is no object"]
    resource = {"type": "Microsoft.Compute/virtualMachines", "apiVersion": VERSION, "name": name, **body}
    validator = _validator()
    if validator.is_valid(resource):
        return []
    return [f"/{'/'.join(map(str, error.instance_path))}: {_cause(error)}" for error in validator.iter_errors(resource)]


def _cause(error: Any) -> str:
    """The message of the branch that says most, of `oneOf [what it is, a template expression]`."""
    context = getattr(error.kind, "context", None) or []
    inner = [one for branch in context for one in branch if "expression" not in str(one.schema_path)]
    deepest = max(inner, key=lambda one: len(one.instance_path), default=None)
    text = error.message if deepest is None else f"{'/'.join(map(str, deepest.instance_path))}: {_cause(deepest)}"
    return text if len(text) <= 300 else text[:300] + " .."

"""Microsoft's OpenAPI files (Swagger 2.0) as a judge of answers.

The files are not part of the project; SLURM_AZURE_SHARED names the folder that has them as azure-specs/.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]  # comes without types
from referencing import Registry
from referencing.jsonschema import DRAFT202012

SHARED = Path(os.environ.get("SLURM_AZURE_SHARED", Path(__file__).parents[3] / "shared")).resolve()
COMPUTE = SHARED / "azure-specs/specification/compute/resource-manager/Microsoft.Compute"
VIRTUAL_MACHINE = COMPUTE / "ComputeRP/stable/2024-07-01/virtualMachine.json"

_CLOSED_BY = "unevaluatedProperties"
_FORMATS = FormatChecker()


def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


_FORMATS.checks("date-time", raises=ValueError)(_is_moment)


def available() -> bool:
    """Whether the files are there."""
    return VIRTUAL_MACHINE.exists()


def problems(operation: str, status: int, body: Any) -> list[str]:
    """What the files have against an answer: an undocumented status, a member that is missing, unknown or of another type."""
    responses = _operations()[operation]["responses"]
    response = responses.get(str(status)) or (responses.get("default") if status >= 400 else None)
    if response is None:
        return [f"{operation} has no response {status}"]
    if "schema" not in response:
        return [] if body is None else [f"{operation} {status} has a body, and should have none"]
    schema = _closed(response["schema"])
    absolute = _absolute(schema, VIRTUAL_MACHINE)
    validator = Draft202012Validator(absolute, registry=_registry(), format_checker=_FORMATS)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]


@cache
def _operations() -> dict[str, Any]:
    return {
        operation["operationId"]: operation
        for path in json.loads(VIRTUAL_MACHINE.read_text())["paths"].values()
        for operation in path.values()
    }


@cache
def _registry() -> Registry[Any]:
    resources = []
    for file in COMPUTE.rglob("*.json"):
        content = {"definitions": json.loads(file.read_text()).get("definitions", {})}
        resources.append((file.as_uri(), DRAFT202012.create_resource(_absolute(_closed(content), file))))
    return Registry().with_resources(resources)


def _closed(schema: Any, inherited: bool = False) -> Any:
    """The schema with every object closed where it is used; what is only inherited (allOf) stays open."""
    if isinstance(schema, list):
        return [_closed(item, inherited) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value, key == "allOf") for key, value in schema.items()}
    if schema.get("x-ms-enum", {}).get("modelAsString"):
        closed.pop("enum", None)  # AutoRest: the list of values is open, new ones may come with the same version
    for place in ("properties", "additionalProperties", "items"):
        if place in closed and isinstance(closed[place], dict):
            members = closed[place].values() if place == "properties" else [closed[place]]
            for member in members:
                _close(member)
    if "$ref" in closed and not inherited:
        _close(closed)
    return closed


def _close(member: Any) -> None:
    if isinstance(member, dict) and ("$ref" in member or "properties" in member or "allOf" in member):
        member.setdefault(_CLOSED_BY, False)


def _absolute(schema: Any, file: Path) -> Any:
    """The schema with every $ref as a whole URI."""
    if isinstance(schema, list):
        return [_absolute(item, file) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _absolute(value, file) for key, value in schema.items() if key != "x-ms-examples"}
    if isinstance(found.get("$ref"), str):
        path, _, fragment = found["$ref"].partition("#")
        found["$ref"] = f"{((file.parent / path).resolve() if path else file).as_uri()}#{fragment}"
    return found

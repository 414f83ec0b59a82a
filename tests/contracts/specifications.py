"""Microsoft's OpenAPI files (Swagger 2.0): which operations there are, and where a reference leads.

The files are not part of the project: SLURM_AZURE_SHARED names the folder that holds them as azure-specs/, in Microsoft's own
layout. Nothing in this package of tests imports what it judges.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

SHARED = Path(os.environ.get("SLURM_AZURE_SHARED", Path(__file__).parents[3] / "shared")).resolve()
SPECIFICATION = SHARED / "azure-specs/specification"
TEMPLATES = SHARED / "azure-specs/arm-template-schemas/schemas"
ABSENT = f"Microsoft's OpenAPI files are not in {SPECIFICATION} (set SLURM_AZURE_SHARED): exchanges are not judged"

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch"})


def available() -> bool:
    """Whether the files are there."""
    return SPECIFICATION.is_dir()


@dataclass(frozen=True)
class Place:
    """A piece of an OpenAPI file: the value, the file it stands in (references are relative to it), and its name there."""

    value: Any
    file: Path
    name: str = ""

    def at(self, value: Any) -> Place:
        """Another piece of the same file."""
        return Place(value, self.file)

    @property
    def key(self) -> str:
        """A name for this definition among those of all files, such as virtualMachine.VirtualMachine."""
        return f"{self.file.stem}.{self.name}"


@dataclass(frozen=True)
class Operation:
    """One operation: its operationId, HTTP method, path template, api-version, parameters (references followed) and responses.

    `key` tells it from one of the same operationId in another file (each provider has an Operations_List)."""

    key: str
    id: str
    method: str
    template: str
    version: str
    parameters: tuple[Place, ...]
    responses: dict[str, Place]
    long_running: bool
    pageable: bool

    def parameters_in(self, where: str) -> list[Place]:
        """Its parameters in `path`, `query`, `header` or `body`."""
        return [parameter for parameter in self.parameters if parameter.value["in"] == where]


@dataclass
class _Branch:
    literals: dict[str, _Branch] = field(default_factory=dict)
    parameter: _Branch | None = None
    operations: dict[str, Operation] = field(default_factory=dict)


@cache
def content(file: Path) -> Any:
    """A file's JSON."""
    return json.loads(file.read_text())


def follow(place: Place) -> Place:
    """Where a chain of `$ref`s leads; the place itself if it is none."""
    while isinstance(place.value, dict) and isinstance(place.value.get("$ref"), str):
        path, _, fragment = place.value["$ref"].partition("#")
        file = (place.file.parent / path).resolve() if path else place.file
        value = content(file)
        parts = fragment.strip("/").split("/")
        for part in parts:
            value = value[part.replace("~1", "/").replace("~0", "~")]
        place = Place(value, file, parts[-1])
    return place


def files() -> list[Path]:
    """All files that define operations or what they share."""
    return sorted(SPECIFICATION.rglob("*.json"))


@cache
def operations() -> dict[str, Operation]:
    """All operations by key, which is FILE.operationId."""
    found = {}
    for file in files():
        paths = content(file).get("paths", {})
        for template, methods in paths.items():
            for method in _METHODS & set(methods):
                shared = {"parameters": [*methods.get("parameters", ()), *methods[method].get("parameters", ())]}
                operation = _operation(file, template, method, methods[method] | shared)
                found[operation.key] = operation
    return found


def _operation(file: Path, template: str, method: str, definition: dict[str, Any]) -> Operation:
    return Operation(
        key=f"{file.stem}.{definition['operationId']}",
        id=definition["operationId"],
        method=method.upper(),
        template=template,
        version=content(file)["info"]["version"],
        parameters=tuple(follow(Place(parameter, file)) for parameter in definition.get("parameters", ())),
        responses={status: Place(response, file) for status, response in definition["responses"].items()},
        long_running=bool(definition.get("x-ms-long-running-operation")),
        pageable="x-ms-pageable" in definition,
    )


@cache
def _tree() -> _Branch:
    root = _Branch()
    for operation in operations().values():
        branch = root
        for segment in operation.template.strip("/").split("/"):
            if segment.startswith("{"):
                branch.parameter = branch.parameter or _Branch()
                branch = branch.parameter
            else:
                branch = branch.literals.setdefault(segment.lower(), _Branch())
        branch.operations[operation.method] = operation
    return root


def find(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation that a request means, with its path parameters. Literal segments match without regard to case, as Azure
    Resource Manager takes them, and win over parameters."""
    segments = path.strip("/").split("/")
    operation = _descend(_tree(), segments, method.upper())
    if operation is None:
        return None
    names = operation.template.strip("/").split("/")
    return operation, {name.strip("{}"): value for name, value in zip(names, segments, strict=True) if name.startswith("{")}


def _descend(branch: _Branch, segments: list[str], method: str) -> Operation | None:
    if not segments:
        return branch.operations.get(method)
    first, rest = segments[0], segments[1:]
    literal = branch.literals.get(first.lower())
    found = _descend(literal, rest, method) if literal else None
    if found is None and branch.parameter is not None and first:
        found = _descend(branch.parameter, rest, method)
    return found

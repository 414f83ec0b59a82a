"""Microsoft's own published examples as exchanges: what a judge that follows the same files has to let pass.

They are not part of the project, nor of what SLURM_AZURE_SHARED holds. SLURM_AZURE_SPECS_MIRROR names the git directory of a
clone of azure-rest-api-specs; only what is committed there is read.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.contracts.openapi import Exchange
from tests.contracts.specifications import SPECIFICATION, Operation, content, files, operations

MIRROR = os.environ.get("SLURM_AZURE_SPECS_MIRROR", "")
_MADE = "x-ms-examples"
# Examples show no headers, or some of them: what every answer has is added.
_HEADERS = {"x-ms-request-id": "1", "Azure-AsyncOperation": "https://management.azure.com/operation"}


@dataclass(frozen=True, slots=True)
class Example:
    """One published example of an operation: the file it stands in, and an exchange for each answer that it shows."""

    file: str
    operation: str
    exchanges: tuple[Exchange, ...]


def available() -> bool:
    """Whether there is a clone to read."""
    return MIRROR != "" and _git("rev-parse", "--is-bare-repository") is not None


def examples() -> Iterator[Example]:
    """All examples that the OpenAPI files refer to, each file once for each operation that it is an example of."""
    for file in files():
        folder = f"specification/{file.parent.relative_to(SPECIFICATION)}"
        for methods in content(file).get("paths", {}).values():
            for definition in (one for one in methods.values() if isinstance(one, dict)):
                for reference in definition.get(_MADE, {}).values():
                    name = reference["$ref"].removeprefix("./")
                    yield _example(operations()[f"{file.stem}.{definition['operationId']}"], f"{folder}/{name}")


def _example(operation: Operation, path: str) -> Example:
    text = _git("show", f"HEAD:{path}")
    assert text is not None, f"{path} is not in {MIRROR}"
    shown = json.loads(text.decode("utf-8-sig"))
    given = {name.lower(): value for name, value in shown["parameters"].items()}
    answers = shown["responses"].items()
    exchanges = tuple(_exchange(operation, given, int(status), answer) for status, answer in answers if status.isdecimal())
    return Example(path.rpartition("/examples/")[2], operation.id, exchanges)


def _exchange(operation: Operation, given: dict[str, Any], status: int, answer: dict[str, Any]) -> Exchange:
    bodies = [given.get(one.value["name"].lower()) for one in operation.parameters_in("body")]
    body = bodies[0] if bodies else None
    headers = {
        one.value["name"]: given[one.value["name"].lower()]
        for one in operation.parameters_in("header")
        if one.value["name"].lower() in given
    }
    query = {
        one.value["name"]: given[one.value["name"].lower()]
        for one in operation.parameters_in("query")
        if one.value["name"].lower() in given
    }
    return {
        "operation": operation.id,
        "method": operation.method,
        "path": _path(operation, given),
        "query": {name: value if isinstance(value, str) else json.dumps(value) for name, value in query.items()},
        "headers": headers if body is None else {"Content-Type": "application/json", **headers},
        "body": body,
        "status": status,
        "reply_headers": _HEADERS | answer.get("headers", {}),
        "reply": answer.get("body"),
    }


def _path(operation: Operation, given: dict[str, Any]) -> str:
    segments = operation.template.split("/")
    return "/".join(str(given[part.strip("{}").lower()]) if part.startswith("{") else part for part in segments)


@cache
def _git(*command: str) -> bytes | None:
    done = subprocess.run(["git", "--git-dir", MIRROR, *command], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None

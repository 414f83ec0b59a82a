"""Reading the members of a request body, each refusal in the words of Azure Resource Manager."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slurm_azure.simulator.refusal import invalid_parameter, malformed, missing_parameter


def without_nulls(value: Any) -> Any:
    """The body without members that are null: to Azure they are as good as not given."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def member(owner: Mapping[str, Any], key: str, required: bool = False) -> dict[str, Any]:
    """The object at `key`, {} where there is none; raises Refusal (400) for another type, or if it is `required`."""
    value = owner.get(key)
    if value is None:
        if required:
            raise missing_parameter(key)
        return {}
    if not isinstance(value, dict):
        raise malformed(f"Error converting value of '{key}': an object is expected. Path '{key}'")
    return value


def items(owner: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The list of objects at `key`, [] where there is none; raises Refusal (400) for another type."""
    value = owner.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise malformed(f"Error converting value of '{key}': a list of objects is expected. Path '{key}'")
    return value


def text(owner: Mapping[str, Any], key: str, parameter: str) -> str | None:
    """The text at `key`, None where there is none or it is empty; raises Refusal (400) for another type."""
    value = owner.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise malformed(f"Error converting value of '{parameter}': a string is expected. Path '{parameter}'")
    return value


def texts(owner: Mapping[str, Any], key: str) -> list[str]:
    """The list of texts at `key`, [] where there is none; raises Refusal (400) for another type."""
    value = owner.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise malformed(f"Error converting value of '{key}': a list of strings is expected. Path '{key}'")
    return value


def flag(owner: Mapping[str, Any], key: str, default: bool = False) -> bool:
    """The boolean at `key`; raises Refusal (400) for another type."""
    value = owner.get(key, default)
    if not isinstance(value, bool):
        raise malformed(f"Error converting value of '{key}': a boolean is expected. Path '{key}'")
    return value


def one_of(value: Any, allowed: tuple[str, ...], parameter: str) -> None:
    """Raises Refusal (400) for a value that is neither None nor among `allowed`."""
    if value is not None and value not in allowed:
        raise invalid_parameter(parameter, f"The value of parameter {parameter} is invalid.")

"""Pydantic's findings in an administrator's words: where the key stands, what is wrong, which name was probably meant."""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from slurm_azure.yaml_file import Document, KeyPath

Forms = Mapping[str, str]


def describe_all(error: ValidationError, model: type[BaseModel], document: Document, forms: Forms) -> list[str]:
    """One line for each finding, in the order of the file. `forms`: what each pattern of the model asks for, in words."""
    found: dict[str, KeyPath] = {}
    for item in error.errors(include_url=False):
        path = tuple(part for part in item["loc"] if part != "[key]")
        found.setdefault(document.where(path) + _say(item, path, model, forms), path)
    return sorted(found, key=lambda text: document.line(found[text]))


def _say(item: Any, path: KeyPath, model: type[BaseModel], forms: Forms) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return "unknown key" + _nearest(str(path[-1]), _keys_at(model, path[:-1]))
    if kind == "missing":
        return "missing"
    if kind == "value_error":
        return str(context.get("error", item["msg"]))
    if kind == "string_type" and isinstance(item["input"], bool | int | float):
        return _unquoted(item["input"])
    if kind == "literal_error":
        return f"must be {context['expected']}, not {item['input']!r}"
    if kind == "string_pattern_mismatch":
        form = forms.get(context["pattern"])
        return (
            f"{_short(item['input'])} is not {form}" if form else f"{_short(item['input'])} does not match {context['pattern']}"
        )
    message = item["msg"].replace("Input should be", "must be")
    return f"{message}, not {_short(item['input'])}"


def _unquoted(value: object) -> str:
    """YAML takes what looks like a number, or yes and no, for that."""
    return "must be text, and YAML reads it as another thing: put it in quotes" + (
        "" if isinstance(value, bool) else f', "{value}"'
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest(name: str, known: list[str]) -> str:
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {match[0]!r}?" if match else f"; known here: {', '.join(known)}"


def _keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys that may stand at `path` below `model`."""
    here: Any = model
    for part in path:
        here = _step(here, part)
    inner = _model_in(here)
    return list(inner.model_fields) if inner is not None else []


def _step(annotation: Any, part: str | int) -> Any:
    inner = _model_in(annotation)
    if inner is not None and isinstance(part, str):
        field = inner.model_fields.get(part)
        return field.annotation if field is not None else None
    for candidate in _unwrap(annotation):
        if get_origin(candidate) is dict:
            return get_args(candidate)[1]
        if get_origin(candidate) is list:
            return get_args(candidate)[0]
    return None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    return next((one for one in _unwrap(annotation) if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _unwrap(annotation: Any) -> list[Any]:
    """The plain types inside Annotated, Optional and Union."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _unwrap(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [one for part in get_args(annotation) for one in _unwrap(part)]
    return [annotation]

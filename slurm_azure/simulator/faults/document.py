"""Reading a YAML or JSON file so that each value's line is known."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent

from slurm_azure.errors import ConfigError
from slurm_azure.simulator.faults.parameters import Way

LARGEST, DEEPEST = 1 << 20, 20  # bytes; lists and objects within each other


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content; `lined` if it knows its lines."""

    value: Any
    lined: bool = field(default=False)

    def where(self, path: Way) -> str:
        """`line 12: faults[0].what.seconds: `, the line of the nearest thing around it where the key itself is missing."""
        name = ""
        for part in path:
            name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
        line = f"line {_line(self.value, path)}: " if self.lined else ""
        return line + (f"{name}: " if name else "")


def _line(value: Any, path: Way) -> int:
    line = 1
    for part in path:
        if isinstance(value, CommentedMap) and part in value:
            line = value.lc.key(part)[0] + 1
        elif isinstance(value, CommentedSeq) and isinstance(part, int) and part < len(value):
            line = value.lc.item(part)[0] + 1
        else:
            break
        value = value[part]
    return line


def read_document(file: Path) -> Document:
    """The file's content; raises ConfigError if it cannot be read or is neither JSON nor YAML."""
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(str(file), [f"cannot be read: {error.strerror}; --faults names the file"]) from None
    if len(content) > LARGEST:
        raise ConfigError(str(file), [f"is larger than {LARGEST} bytes, which no plan of faults is"])
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(str(file), [f"is not UTF-8 (byte {error.start})"]) from None
    return _json(file, text) if file.suffix.lower() == ".json" else _yaml(file, text)


def _json(file: Path, text: str) -> Document:
    try:
        return Document(json.loads(text))
    except json.JSONDecodeError as error:
        raise ConfigError(str(file), [f"line {error.lineno}: not JSON: {error.msg}"]) from None
    except (ValueError, RecursionError):
        raise ConfigError(str(file), ["not JSON: it is nested too deep, or a number has too many digits"]) from None


def _yaml(file: Path, text: str) -> Document:
    try:
        _check_depth(text)
        value = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        problem = (error.problem or error.context or "it cannot be parsed").splitlines()[0]
        raise ConfigError(str(file), [f"{line}not YAML: {problem}"]) from None
    except YAMLError as error:
        raise ConfigError(str(file), [f"not YAML: {str(error).splitlines()[0]}"]) from None
    except (ValueError, TypeError, RecursionError):
        raise ConfigError(str(file), ["not YAML: a value cannot be read, or it is nested too deep"]) from None
    return Document({} if value is None else value, lined=True)


def _check_depth(text: str) -> None:
    """Raises YAMLError if the text is nested deeper than any plan: the loader is recursive, and slow at it."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > DEEPEST:
            raise YAMLError(f"it is nested deeper than {DEEPEST} levels")

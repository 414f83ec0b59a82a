"""Reading a YAML 1.2 file so that every value keeps its line, and every duplicate key is a mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from slurm_azure.errors import ConfigError

DEEPEST, LARGEST = 40, 100_000  # keys; aliases that hold themselves, or each other many times, end here

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A file's content. `lines`: path of a key -> its line (from 1). `mistakes`: duplicate keys, as text with line and path."""

    value: Any
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    mistakes: Sequence[str] = ()

    def where(self, path: KeyPath) -> str:
        """`line 12: pools.hb.sizes[0]: `; the nearest parent's line where the key itself is missing."""
        name = spell(path)
        return (f"line {self.line(path)}: " if self.lines else "") + (f"{name}: " if name else "")

    def line(self, path: KeyPath) -> int:
        """The line of a key (from 1), or of the nearest thing around it that is there; 0 = the file is empty."""
        return next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), 0)


def spell(path: KeyPath) -> str:
    """A path as people write it: `pools.hb.sizes[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def read_yaml(file: Path) -> Document:
    """The file's value, lines and duplicate keys. Raises ConfigError if it cannot be read or is not YAML."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(file), [f"cannot be read: {error.strerror}; --config names another file"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError(str(file), [f"is not UTF-8 (byte {error.start})"]) from None
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True
    try:
        node = yaml.compose(text)
        lines: dict[KeyPath, int] = {}
        mistakes: list[str] = []
        if node is not None:
            _walk(node, (), lines, mistakes)
        value = YAML(typ="safe", pure=True).load(text) if not mistakes else _construct(text)
    except MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigError(str(file), [f"{line}not YAML: {error.problem or error.context}"]) from None
    except YAMLError as error:
        raise ConfigError(str(file), [f"not YAML: {error}"]) from None
    return Document({} if value is None else value, lines, mistakes)


def _construct(text: str) -> Any:
    """The value of a file with duplicate keys (the first of each counts), so that its other mistakes can be told too."""
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True
    return yaml.load(text)


def _walk(node: Node, path: KeyPath, lines: dict[KeyPath, int], mistakes: list[str]) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if len(path) > DEEPEST or len(lines) > LARGEST:
        raise YAMLError("nested too deep or too large (an anchor that holds itself?)")
    if isinstance(node, SequenceNode):
        for index, child in enumerate(node.value):
            _walk(child, (*path, index), lines, mistakes)
    if isinstance(node, MappingNode):
        first: dict[str, int] = {}
        for key, child in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in first:
                mistakes.append(f"line {line}: {spell((*path, name))}: stands in line {first[name]} already")
                continue
            first[name] = line
            lines[(*path, name)] = line
            _walk(child, (*path, name), lines, mistakes)

"""Tables of what a request body may hold, and the reader that holds a body against its table.

A table has one paragraph per object type, its name first, then (if parameter names of errors carry one) a prefix:

    OSDisk osDisk
      createOption! FromImage|Attach
      diskSizeGB int 1..65536
      managedDisk ManagedDiskParameters

`!` marks what has to be given. Kinds: text, int, int LOW..HIGH, number, flag, any, read (only ever told by Azure: ignored in a
request, so that what was read can be sent back), a|b|c (one of these; `a|` has one value), a type's name, [kind] (a list),
{kind} (an object with members of any name).

How Azure reads a body: members that are null are as good as not given; names of members and values of enumerations are
taken in any case and kept in the documented one; an unknown member is refused ("Could not find member .. on object of type
..", as public issues show it: Azure/azure-sdk-for-net 3487, Azure/azure-cli 17904).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from slurm_azure.simulator.refusal import Refusal, invalid_parameter, malformed, missing_parameter

Reader = Callable[[Any], Any]


class Misfit(Exception):
    """A value is of another type than its place wants. `path` grows from the inside out while the readers unwind."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
        self.path: list[str] = []

    def refusal(self) -> Refusal:
        """400 InvalidRequestContent, with the path of the place. The value itself is not told: it may be a secret."""
        path = ".".join(reversed(self.path)).replace(".[", "[")
        return malformed(f"{self.text} Path '{path}'")


class Shape:
    """One object type: its members with their readers."""

    __slots__ = ("_folded", "_members", "_prefix", "_required", "name")

    def __init__(self, name: str, prefix: str) -> None:
        self.name = name
        self._prefix = prefix
        self._members: dict[str, tuple[str, Reader | None]] = {}
        self._folded: dict[str, tuple[str, Reader | None]] = {}
        self._required: list[str] = []

    def add(self, member: str, reader: Reader | None, required: bool) -> None:
        """A member; `reader` None ignores what is sent."""
        self._members[member] = self._folded[member.lower()] = (member, reader)
        if required:
            self._required.append(member)

    def parameter(self, member: str) -> str:
        """What errors call a member."""
        return f"{self._prefix}.{member}" if self._prefix else member

    def read(self, value: Any) -> dict[str, Any]:
        """A clean copy of `value`; raises Misfit, or Refusal (400 InvalidParameter)."""
        if not isinstance(value, dict):
            raise Misfit("Error converting value: an object is expected.")
        found: dict[str, Any] = {}
        for key, item in value.items():
            member = self._members.get(key) or self._folded.get(key.lower())
            if member is None:
                raise self._unknown(key)
            name, reader = member
            if item is None or reader is None:
                continue
            try:
                found[name] = reader(item)
            except Misfit as misfit:
                misfit.path.append(name)
                raise
        for name in self._required:
            if name not in found:
                raise missing_parameter(self.parameter(name))
        return found

    def _unknown(self, key: str) -> Misfit:
        misfit = Misfit(f"Could not find member '{key}' on object of type '{self.name}'.")
        misfit.path.append(key)
        return misfit

    def body(self, value: Any) -> dict[str, Any]:
        """A clean copy of a whole body; raises Refusal (400)."""
        try:
            return self.read(value)
        except Misfit as misfit:
            raise misfit.refusal() from None


def shapes(table: str, known: Mapping[str, Shape] | None = None) -> dict[str, Shape]:
    """The types of a table; it may name the types of another one (`known`)."""
    found: dict[str, Shape] = {}
    rows: list[tuple[Shape, str]] = []
    paragraph = Shape("", "")
    for line in filter(None, map(str.rstrip, table.splitlines())):
        if line.startswith(" "):
            rows.append((paragraph, line.strip()))
        else:
            name, _, prefix = line.partition(" ")
            paragraph = found[name] = Shape(name, prefix)
    types = {**(known or {}), **found}
    for shape, row in rows:
        member, _, kind = row.partition(" ")
        name = member.rstrip("!")
        reader = None if kind == "read" else _reader(kind, types, shape.parameter(name))
        shape.add(name, reader, member.endswith("!"))
    return found


def _reader(kind: str, types: Mapping[str, Shape], parameter: str) -> Reader:
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind.startswith("["):
        return _list_of(_reader(kind[1:-1], types, parameter))
    if kind.startswith("{"):
        return _map_of(_reader(kind[1:-1], types, parameter))
    if kind.startswith("int "):
        low, _, high = kind[4:].partition("..")
        return _between(int(low), int(high), parameter)
    if "|" in kind:
        return _one_of(tuple(filter(None, kind.split("|"))), parameter)
    return types[kind].read


def _list_of(reader: Reader) -> Reader:
    def read(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Misfit("Error converting value: a list is expected.")
        found = []
        for number, item in enumerate(value):
            try:
                found.append(reader(item))
            except Misfit as misfit:
                misfit.path.append(f"[{number}]")
                raise
        return found

    return read


def _map_of(reader: Reader) -> Reader:
    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Misfit("Error converting value: an object is expected.")
        found = {}
        for key, item in value.items():
            if item is None:
                continue
            try:
                found[key] = reader(item)
            except Misfit as misfit:
                misfit.path.append(key)
                raise
        return found

    return read


def _one_of(allowed: tuple[str, ...], parameter: str) -> Reader:
    exact = {value: value for value in allowed}
    folded = {value.lower(): value for value in allowed}

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise Misfit("Error converting value: a string is expected.")
        found = exact.get(value) or folded.get(value.lower())
        if found is None:
            raise invalid_parameter(parameter, f"The value of parameter {parameter} is invalid.")
        return found

    return read


def _between(low: int, high: int, parameter: str) -> Reader:
    def read(value: Any) -> int:
        number = _integer(value)
        if not low <= number <= high:
            raise invalid_parameter(
                parameter, f"The value of parameter {parameter} is invalid. It has to be from {low} to {high}."
            )
        return number

    return read


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Misfit("Error converting value: a string is expected.")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise Misfit("Error converting value: an integer is expected.")
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Misfit("Error converting value: a number is expected.")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Misfit("Error converting value: a boolean is expected.")
    return value


_PLAIN: dict[str, Reader] = {
    "text": _text,
    "int": _integer,
    "number": _number,
    "flag": _flag,
    "any": lambda value: value,
}

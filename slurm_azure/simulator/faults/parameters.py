"""Reading the values of a plan: each reader takes what stands there and gives what it means, or says what was expected."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import Any, get_type_hints

from slurm_azure.errors import UsageError
from slurm_azure.simulator import timing
from slurm_azure.simulator.timing import Distribution, constant

Reader = Callable[[Any], Any]
Way = tuple[str | int, ...]

# Longer spans and larger numbers are mistakes: a century of simulated time is more than anyone waits.
_LONGEST = 3e9
_LARGEST = 10**9


class Expected(ValueError):
    """A value is not what its place needs; the message says what was expected. `where` is the way to it from there."""

    def __init__(self, what: str, where: Way = ()) -> None:
        super().__init__(what)
        self.what = what
        self.where = where


def shown(value: Any) -> str:
    """A value in a message: never longer than a line, and told without a look at what stands behind it, which may be endless
    (aliases of YAML)."""
    if isinstance(value, Mapping):
        return "an object"
    return f"a list of {len(value)}" if isinstance(value, list) else reprlib.repr(value)


def build(kind: type[Any], value: Mapping[str, Any], mistakes: list[tuple[Way, str]]) -> Any:
    """An object of a dataclass whose fields are Annotated with their readers, from a mapping; appends what is wrong to
    `mistakes` (path, text) and is then None."""
    before = len(mistakes)
    readers = readers_of(kind)
    for key in value:
        if key not in readers:
            mistakes.append(((key,), unknown(str(key), list(readers))))
    found: dict[str, Any] = {}
    for name, (read, required) in readers.items():
        if name in value:
            try:
                found[name] = read(value[name])
            except Expected as error:
                mistakes.append(((name, *error.where), error.what))
        elif required:
            mistakes.append(((), f"{name} is missing"))
    if len(mistakes) > before:
        return None
    try:
        return kind(**found)
    except Expected as error:
        mistakes.append((error.where, error.what))
        return None


def readers_of(kind: type[Any]) -> dict[str, tuple[Reader, bool]]:
    """The parameters of a kind: name -> (its reader, whether it has to be given)."""
    hints = get_type_hints(kind, include_extras=True)
    return {item.name: (hints[item.name].__metadata__[0], item.default is MISSING) for item in fields(kind)}


def unknown(name: str, known: list[str], others: Sequence[str] = ()) -> str:
    """The words for a name that there is not; `others` are too many to be listed."""
    near = get_close_matches(name[:40], [*known, *others], 1)
    hint = f"; did you mean {near[0]}?" if near else f"; there is {', '.join(known)}" if known else "; there is none"
    return f"{shown(name)} is not known{hint}"


def text(value: Any) -> str:
    """A text that is not empty; numbers are taken for their digits."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        raise Expected(f"a text is expected, not {shown(value)}")
    return str(value)


def number(value: Any) -> float:
    """A finite number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= _LONGEST:
        raise Expected(f"a number from 0 to {_LONGEST:.0f} is expected, not {shown(value)}")
    return float(value)


def positive(value: Any) -> float:
    """A number of seconds, a millisecond at least: what happens again must not happen without end in one moment."""
    if number(value) < 0.001:
        raise Expected(f"a number of seconds from 0.001 on is expected, not {shown(value)}")
    return float(value)


def signed(value: Any) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LONGEST:
        raise Expected(f"a number of seconds is expected, not {shown(value)}")
    return float(value)


def whole(least: int, most: int = _LARGEST) -> Reader:
    """A whole number in a range."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Expected(f"a whole number from {least} to {most} is expected, not {shown(value)}")
        return int(value)

    return read


def wholes(least: int, most: int) -> Reader:
    """One whole number or a list of them."""

    def read(value: Any) -> tuple[int, ...]:
        return tuple(whole(least, most)(item) for item in (value if isinstance(value, list) and value else [value]))

    return read


def share(value: Any) -> float:
    """A probability."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise Expected(f"a probability from 0 to 1 is expected, not {shown(value)}")
    return float(value)


def flag(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Expected(f"true or false is expected, not {shown(value)}")
    return value


def span(value: Any) -> Distribution:
    """Seconds, as a number or a distribution."""
    if isinstance(value, str):
        try:
            return timing.parse(value)
        except UsageError as error:
            raise Expected(shown_line(str(error))) from None
    return constant(number(value))


def shown_line(message: str) -> str:
    """A message of another module, shortened to a line."""
    return message if len(message) <= 200 else message[:200] + "..."


def choice(*allowed: str) -> Reader:
    """One of a few words."""

    def read(value: Any) -> str:
        if value not in allowed:
            raise Expected(f"one of {', '.join(allowed)} is expected, not {shown(value)}")
        return str(value)

    return read


def texts(value: Any) -> tuple[str, ...]:
    """One text or a list of them."""
    items = value if isinstance(value, list) and value else [value]
    found = []
    for index, item in enumerate(items):
        try:
            found.append(text(item))
        except Expected as error:
            raise Expected(error.what, (index,) if isinstance(value, list) else ()) from None
    return tuple(found)


def patterns(value: Any) -> tuple[str, ...]:
    """One pattern or a list of them, in lower case; an empty text matches what has none."""
    items = value if isinstance(value, list) and value else [value]
    return tuple("" if item == "" else text(item).lower() for item in items)


def many_or_all(value: Any) -> int | None:
    """A number of VMs, None for `all`."""
    return None if value == "all" else int(whole(1)(value))


def mapping(value: Any) -> tuple[tuple[str, str], ...]:
    """An object of texts, as pairs."""
    if not isinstance(value, Mapping):
        raise Expected(f"an object with texts is expected, not {shown(value)}")
    found = []
    for key, item in value.items():
        try:
            found.append((text(key), "" if item == "" else text(item)))
        except Expected as error:
            raise Expected(error.what, (str(key),)) from None
    return tuple(found)


def headers(value: Any) -> tuple[tuple[str, str], ...]:
    """Names and values of headers, as HTTP allows them (RFC 9110, 5.1 and 5.5)."""
    found = mapping(value)
    for name, content in found:
        if not all(c.isascii() and (c.isalnum() or c in "!#$%&'*+-.^_`|~") for c in name):
            raise Expected(f"{shown(name)} cannot be the name of a header")
        if not content.isprintable() or not content.isascii():
            raise Expected(f"the value of header {name} has to be printable ASCII")
        if name.lower() in ("content-length", "transfer-encoding", "connection", "content-type"):
            raise Expected(f"header {name} is not for a fault to set")
    return found


def details(value: Any) -> tuple[Mapping[str, str], ...]:
    """A list of {code, message, target}."""
    if not isinstance(value, list):
        raise Expected(f"a list of objects with code, message and target is expected, not {shown(value)}")
    found = []
    for index, item in enumerate(value):
        if not isinstance(item, Mapping) or not set(item) <= {"code", "message", "target"} or "code" not in item:
            raise Expected("an object with code, message and target is expected", (index,))
        found.append(dict(mapping(item)))
    return tuple(found)

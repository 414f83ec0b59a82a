"""The `$filter` of the Azure Retail Prices API: the part of OData that it understands.

Documented: eq, and, or, contains ("Azure Retail Prices overview"); used by others with success: ne, gt, ge, lt, le, startswith,
endswith, and `contains(..) eq false` (OpenCost). Refused, as others found the live service to do: `in`, `not`, and more than
20 comparisons. Before 2023-01-01-preview values were compared without regard to case.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_COMPARISONS = 20
_MAX_DEPTH = 50

FIELDS = {
    name.lower(): name
    for name in """
    currencyCode tierMinimumUnits reservationTerm retailPrice unitPrice armRegionName location effectiveStartDate meterId
    meterName productId skuId productName skuName serviceName serviceId serviceFamily unitOfMeasure type isPrimaryMeterRegion
    armSkuName
    """.split()  # noqa: SIM905 - one name after the other
} | {"pricetype": "type"}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_FUNCTIONS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<date>\d{4}-\d\d-\d\d(?:T[\d:.]+Z?)?)|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z]\w*)|(?P<mark>[(),]))"
)


class FilterError(ValueError):
    """A filter that the service does not understand."""


@dataclass(frozen=True, slots=True)
class Field:
    """The value of a row's member."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, number or truth value."""

    value: str | float | bool


@dataclass(frozen=True, slots=True)
class Function:
    """contains, startswith or endswith of two operands."""

    name: str
    text: Operand
    part: Operand


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two operands and what is between them."""

    operator: str
    left: Operand | Function
    right: Operand | Function


@dataclass(frozen=True, slots=True)
class Junction:
    """All of (and) or any of (or) several conditions."""

    word: str
    parts: tuple[Condition, ...]


Operand = Field | Literal
Condition = Comparison | Function | Junction


def parse(text: str) -> Condition:
    """The condition that a filter states; raises FilterError."""
    tokens = _tokens(text)
    parser = _Parser(tokens)
    found = parser.condition(0)
    if parser.left:
        raise FilterError(f"{parser.left[0]!r} is not expected here")
    if parser.comparisons > MAX_COMPARISONS:
        raise FilterError(f"more than {MAX_COMPARISONS} comparisons")
    return found


def holds(condition: Condition, row: Mapping[str, Any], fold: bool) -> bool:
    """Whether a row meets a condition; `fold` compares texts without regard to case."""
    if isinstance(condition, Junction):
        check = all if condition.word == "and" else any
        return check(holds(part, row, fold) for part in condition.parts)
    if isinstance(condition, Function):
        return _apply(condition, row, fold)
    left, right = (_value(side, row, fold) for side in (condition.left, condition.right))
    try:
        return _COMPARE[condition.operator](left, right)
    except TypeError:  # a text is neither less nor more than a number, nor than what is not there
        return False


def pinned(condition: Condition, field: str) -> str | None:
    """The text that a member must have for the condition to hold, if it says so outright."""
    if isinstance(condition, Junction) and condition.word == "and":
        return next((found for part in condition.parts if (found := pinned(part, field)) is not None), None)
    if not isinstance(condition, Comparison) or condition.operator != "eq" or condition.left != Field(field):
        return None
    return condition.right.value if isinstance(condition.right, Literal) and isinstance(condition.right.value, str) else None


def _value(side: Operand | Function, row: Mapping[str, Any], fold: bool) -> Any:
    if isinstance(side, Function):
        return _apply(side, row, fold)
    value = row.get(side.name) if isinstance(side, Field) else side.value
    return value.lower() if fold and isinstance(value, str) else value


def _apply(function: Function, row: Mapping[str, Any], fold: bool) -> bool:
    text, part = (_value(side, row, fold) for side in (function.text, function.part))
    return isinstance(text, str) and isinstance(part, str) and _FUNCTIONS[function.name](text, part)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place = [], 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise FilterError(f"{text[place : place + 20]!r} is not understood")
        found.append((str(match.lastgroup), match[str(match.lastgroup)]))
        place = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.left = tokens[::-1]
        self.comparisons = 0

    def condition(self, depth: int) -> Condition:
        if depth > _MAX_DEPTH:
            raise FilterError("too many parentheses")
        return self._junction("or", lambda: self._junction("and", lambda: self._single(depth)))

    def _junction(self, word: str, part: Callable[[], Condition]) -> Condition:
        parts = [part()]
        while self._take("word", word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Junction(word, tuple(parts))

    def _single(self, depth: int) -> Condition:
        if self._take("mark", "("):
            found = self.condition(depth + 1)
            self._expect("mark", ")")
            return found
        self.comparisons += 1
        left = self._side()
        kind, text = self.left[-1] if self.left else ("", "")
        if kind == "word" and text.lower() in _COMPARE:
            self.left.pop()
            return Comparison(text.lower(), left, self._side())
        if isinstance(left, Function):
            return left
        raise FilterError("a comparison is expected")

    def _side(self) -> Operand | Function:
        kind, text = self._next()
        if kind == "word" and text.lower() in _FUNCTIONS and self._take("mark", "("):
            first = self._operand(*self._next())
            self._expect("mark", ",")
            second = self._operand(*self._next())
            self._expect("mark", ")")
            return Function(text.lower(), first, second)
        return self._operand(kind, text)

    def _operand(self, kind: str, text: str) -> Operand:
        if kind == "text":
            return Literal(text[1:-1].replace("''", "'"))
        if kind == "number":
            return Literal(float(text))
        if kind == "date":
            return Literal(text)
        if kind == "word" and text.lower() in ("true", "false"):
            return Literal(text.lower() == "true")
        if kind == "word" and text.lower() in FIELDS:
            return Field(FIELDS[text.lower()])
        raise FilterError(f"{text!r} is not known")

    def _next(self) -> tuple[str, str]:
        if not self.left:
            raise FilterError("something is missing at the end")
        return self.left.pop()

    def _take(self, kind: str, text: str) -> bool:
        if self.left and self.left[-1][0] == kind and self.left[-1][1].lower() == text:
            self.left.pop()
            return True
        return False

    def _expect(self, kind: str, text: str) -> None:
        if not self._take(kind, text):
            raise FilterError(f"{text!r} is expected")

"""The `$filter` of lists: `resourceType eq 'Microsoft.Network/virtualNetworks' and substringof('a', name)`.

Sources: the parameter `$filter` of Resources_List (Microsoft's resources OpenAPI file) and of RoleAssignments_ListForScope
(authorization OpenAPI file); "List Azure role assignments using the REST API".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from slurm_azure.simulator.refusal import Refusal

_TOKEN = re.compile(r"\s*(?:'(?P<text>(?:[^']|'')*)'|(?P<word>[A-Za-z_$][\w/.$-]*)|(?P<mark>[(),]))")


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition: a comparison (`verb` eq or ne, `arguments` = member and value) or a function with its arguments."""

    verb: str
    arguments: tuple[str, ...]


Filter = tuple[tuple[Clause, ...], ...]
"""Alternatives, of which one has to hold; all clauses of it. Nothing at all: everything fits."""


def parse(text: str | None) -> Filter:
    """Read a filter; `and` binds closer than `or`. Raises Refusal (400 InvalidFilterInQueryString)."""
    if text is None or not text.strip():
        return ()
    tokens = _tokens(text)
    alternatives: list[list[Clause]] = [[]]
    while tokens:
        alternatives[-1].append(_clause(tokens, text))
        joint = tokens.pop(0)[1].lower() if tokens else ""
        if joint == "or":
            alternatives.append([])
        elif joint not in ("and", "") or (joint and not tokens):
            raise _bad(text)
    if not all(alternatives):
        raise _bad(text)
    return tuple(map(tuple, alternatives))


def fits(wanted: Filter, holds: Callable[[Clause], bool]) -> bool:
    """Whether something fits, `holds` telling of each clause."""
    return not wanted or any(all(map(holds, clauses)) for clauses in wanted)


def unknown(clause: Clause) -> Refusal:
    """400, for a clause that the list does not know."""
    return Refusal(400, "InvalidFilterInQueryString", f"Invalid $filter: '{clause.verb}' of {', '.join(clause.arguments)}.")


def _clause(tokens: list[tuple[str, str]], text: str) -> Clause:
    kind, first = tokens.pop(0)
    if kind != "word" or not tokens:
        raise _bad(text)
    kind, second = tokens.pop(0)
    if second.lower() in ("eq", "ne") and kind == "word" and tokens:
        kind, value = tokens.pop(0)
        if kind == "mark":
            raise _bad(text)
        return Clause(second.lower(), (first.lower(), value))
    if (kind, second) != ("mark", "("):
        raise _bad(text)
    arguments: list[str] = []
    while tokens:
        kind, value = tokens.pop(0)
        if (kind, value) == ("mark", ")"):
            return Clause(first.lower(), tuple(arguments))
        if kind != "mark":
            arguments.append(value)
    raise _bad(text)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _bad(text)
        found.append((match.lastgroup, match[match.lastgroup].replace("''", "'")))
        at = match.end()
    return found


def _bad(text: str) -> Refusal:
    return Refusal(400, "InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string.")

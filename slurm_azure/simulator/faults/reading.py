"""From YAML or JSON to a plan: every mistake is found at once, and told with its place and what was expected there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from slurm_azure.errors import ConfigError
from slurm_azure.simulator.faults import catalog, parameters
from slurm_azure.simulator.faults.document import Document, read_document
from slurm_azure.simulator.faults.kinds import KINDS, LIMITS, WINDOWED, Error, LoginDown, Stage, stage
from slurm_azure.simulator.faults.parameters import Expected, Way, shown
from slurm_azure.simulator.faults.plan import Fault, Matchers, Plan, Rule

MOST_FAULTS = 1000
POOL_TAG = "slurm-azure-pool"  # the tag that `pool` stands for

_MATCHERS: Mapping[str, parameters.Reader] = {
    "operation": parameters.texts,
    "method": parameters.patterns,
    "location": parameters.patterns,
    "principal": parameters.patterns,
    "vm": parameters.patterns,
    "node": parameters.patterns,
    "zone": parameters.patterns,
    "size": parameters.patterns,
    "priority": parameters.patterns,
    "tags": parameters.mapping,
    "pool": parameters.text,
}
_RULE: Mapping[str, parameters.Reader] = {
    "count": parameters.whole(1),
    "skip": parameters.whole(0),
    "every": parameters.whole(1),
    "probability": parameters.share,
    "after": parameters.number,
    "until": parameters.number,
    "interval": parameters.positive,
    "from": parameters.choice("load", "start"),
}
_KEYS = ("name", "what", *_MATCHERS, *_RULE)

_OF_REQUESTS = ("operation", "method", "principal")
_OF_TIME = ("after", "until", "from")
_PICKING = ("evict", "die", "scheduled_event", "vanish")


class _Mistakes(list[tuple[Way, str]]):
    def under(self, way: Way, found: Sequence[tuple[Way, str]]) -> None:
        """Take over mistakes that were found below `way`."""
        self.extend(((*way, *path), words) for path, words in found)


def read_file(file: Path) -> Plan:
    """The plan of a YAML or JSON file; raises ConfigError with all mistakes, each with its line."""
    document = read_document(file)
    plan, mistakes = read_plan(document.value)
    if mistakes:
        raise ConfigError(str(file), [document.where(path) + words for path, words in mistakes])
    return plan


def read_plan(value: Any) -> tuple[Plan, list[tuple[Way, str]]]:
    """The plan that a parsed document makes, and its mistakes (path, words); the plan is good for nothing if there are any."""
    mistakes = _Mistakes()
    seed = None
    if isinstance(value, Mapping):
        for key in value:
            if key not in ("seed", "faults"):
                mistakes.append(((str(key),), parameters.unknown(str(key), ["seed", "faults"])))
        if value.get("seed") is not None:
            seed = _read(mistakes, ("seed",), parameters.whole(0, 2**63), value["seed"])
        found = value.get("faults")
        return Plan(_faults([] if found is None else found, ("faults",), mistakes), seed), list(mistakes)
    if isinstance(value, list):
        return Plan(_faults(value, (), mistakes)), list(mistakes)
    return Plan(), [((), f"an object with seed and faults, or a list of faults, is expected, not {shown(value)}")]


def read_faults(value: Any, taken: Sequence[str]) -> tuple[tuple[Fault, ...], list[tuple[Way, str]]]:
    """One fault, or several in a list or in a plan, to be added to those that have the names `taken`; and the mistakes."""
    mistakes = _Mistakes()
    if isinstance(value, Mapping) and "faults" in value:
        return _faults(value["faults"], ("faults",), mistakes, taken), list(mistakes)
    if isinstance(value, list):
        return _faults(value, (), mistakes, taken), list(mistakes)
    fault = _fault(value, (), mistakes)
    return _named([(fault, ())], taken, mistakes), list(mistakes)


def explain(mistakes: Sequence[tuple[Way, str]]) -> list[str]:
    """The mistakes of a document without lines, in words."""
    document = Document(None)
    return [document.where(path) + words for path, words in mistakes]


def _faults(value: Any, way: Way, mistakes: _Mistakes, taken: Sequence[str] = ()) -> tuple[Fault, ...]:
    if not isinstance(value, list):
        mistakes.append((way, f"a list of faults is expected, not {shown(value)}"))
        return ()
    if len(value) + len(taken) > MOST_FAULTS:
        mistakes.append((way, f"there can be {MOST_FAULTS} faults, not {len(value) + len(taken)}"))
        return ()
    found = [(_fault(item, (*way, index), mistakes), (*way, index)) for index, item in enumerate(value)]
    return _named(found, taken, mistakes)


def _named(found: Sequence[tuple[Fault | None, Way]], taken: Sequence[str], mistakes: _Mistakes) -> tuple[Fault, ...]:
    """Names have to be unique; a fault without one gets the first free number."""
    used = set(taken) | {fault.name for fault, _ in found if fault is not None}
    seen = set(taken)
    named: list[Fault] = []
    number = 1
    for fault, way in found:
        if fault is None:
            continue
        if not fault.name:
            while f"fault-{number}" in used:
                number += 1
            fault = replace(fault, name=f"fault-{number}")
            used.add(fault.name)
        elif fault.name in seen:
            mistakes.append(((*way, "name"), f"there is a fault {shown(fault.name)} already"))
        seen.add(fault.name)
        named.append(fault)
    return tuple(named)


def _fault(value: Any, way: Way, mistakes: _Mistakes) -> Fault | None:
    if not isinstance(value, Mapping):
        mistakes.append((way, f"a fault (an object with what, and more) is expected, not {shown(value)}"))
        return None
    before = len(mistakes)
    for key in value:
        if key not in _KEYS:
            mistakes.append(((*way, str(key)), parameters.unknown(str(key), list(_KEYS))))
    name = _read(mistakes, (*way, "name"), _name, value["name"]) if "name" in value else ""
    what = _what(value, way, mistakes)
    parts = {key: _read(mistakes, (*way, key), read, value[key]) for key, read in _MATCHERS.items() if key in value}
    terms = {key: _read(mistakes, (*way, key), read, value[key]) for key, read in _RULE.items() if key in value}
    if len(mistakes) > before:
        return None
    kind = _kind_of(value)
    for key in (*parts, *terms):
        words = _out_of_place(what, kind, key, parts)
        if words is not None:
            mistakes.append(((*way, key), words))
    rule = _rule(what, terms)
    if rule.until is not None and rule.until <= rule.after:
        mistakes.append(((*way, "until"), f"has to be later than after, which is {rule.after:g}"))
    return Fault(name, what, _matchers(what, parts), rule, dict(value)) if len(mistakes) == before else None


def _read(mistakes: _Mistakes, way: Way, read: parameters.Reader, value: Any) -> Any:
    try:
        return read(value)
    except Expected as error:
        mistakes.append(((*way, *error.where), error.what))
        return None


def _name(value: Any) -> str:
    found = parameters.text(value)
    if len(found) > 100 or "/" in found or not found.isprintable():
        raise Expected("a name of at most 100 printable characters without / is expected")
    return found


def _kind_of(value: Mapping[str, Any]) -> str:
    what = value["what"]
    return str(what["kind"]) if isinstance(what, Mapping) else str(what)


def _what(value: Mapping[str, Any], way: Way, mistakes: _Mistakes) -> Any:
    """What the fault does; a text is a kind without parameters, or an error by its name."""
    here = (*way, "what")
    if "what" not in value:
        mistakes.append((way, f"what is missing: the kind of fault, one of {', '.join(KINDS)}, or the name of an error"))
        return None
    written = value["what"]
    if isinstance(written, str):
        written = {"kind": "error", "code": written} if written in catalog.NAMED else {"kind": written}
    if not isinstance(written, Mapping) or not isinstance(written.get("kind"), str):
        mistakes.append((here, f"an object with kind, a kind or the name of an error is expected, not {shown(written)}"))
        return None
    kind = KINDS.get(written["kind"])
    if kind is None:
        mistakes.append((here, parameters.unknown(written["kind"], [*KINDS], [*catalog.NAMED])))
        return None
    found: list[tuple[Way, str]] = []
    what = parameters.build(kind, {key: item for key, item in written.items() if key != "kind"}, found)
    mistakes.under(here, found)
    return what


def _out_of_place(what: Any, kind: str, key: str, given: Mapping[str, Any]) -> str | None:
    """Why a key makes no sense for a kind of fault, None if it does."""
    where = stage(what)
    requests = where in (Stage.REQUEST, Stage.ANSWER)
    if key == "operation" and isinstance(what, Error):
        return None  # of an operation's error: which operation
    if key in _OF_REQUESTS and not requests:
        return f"is about requests, and {kind} strikes none"
    if key == "interval" and where is not Stage.INTERVENTION:
        return "is for what happens by itself; every counts requests"
    if where is Stage.STATE and key not in _OF_TIME:
        return f"{kind} holds for everybody while it is in force; {', '.join(_OF_TIME)} can be said of it"
    if where is Stage.INTERVENTION and key in ("skip", "every"):
        return f"is for what strikes requests and VMs; {kind} happens by itself, at `after`, and again at each interval"
    if where is Stage.INTERVENTION and kind not in _PICKING and key in _MATCHERS and key != "location":
        return f"{kind} says itself what it is for"
    if key == "location" and isinstance(what, LIMITS) and any(set(place) & set("*?[") for place in given["location"]):
        return f"{kind} needs names of regions here, no patterns"
    if key == "pool" and any(name == POOL_TAG for name, _ in given.get("tags", ())):
        return f"is the same as the tag {POOL_TAG}, which is given too"
    return None


def _matchers(what: Any, parts: Mapping[str, Any]) -> Matchers:
    tags = tuple((name.lower(), pattern) for name, pattern in parts.get("tags", ()))
    if "pool" in parts:
        tags += ((POOL_TAG, parts["pool"]),)
    operation = parts.get("operation", _default_operation(what))
    found = {key: item for key, item in parts.items() if key not in ("tags", "pool", "operation")}
    if "location" in found:
        found["location"] = tuple(place.replace(" ", "") for place in found["location"])
    return Matchers(operation=operation, tags=tags, **found)


def _default_operation(what: Any) -> tuple[str, ...] | None:
    named = getattr(what, "named", None)
    if isinstance(what, Error) and what.nature != catalog.SYNC:
        return None
    if named is not None and named.nature == catalog.SYNC:
        return tuple(named.operation)
    if isinstance(what, LoginDown) and what.how == "invalid_client":
        return ("Login_Token",)  # what else a client asks there does not depend on its secret
    default: tuple[str, ...] | None = what.default
    return default


def _rule(what: Any, terms: Mapping[str, Any]) -> Rule:
    found = {key: item for key, item in terms.items() if key != "from"}
    rule = Rule(**found, from_start=terms.get("from") == "start")
    if isinstance(what, WINDOWED) and what.seconds is not None:
        end = rule.after + what.seconds
        rule = replace(rule, until=end if rule.until is None else min(end, rule.until))
    if stage(what) is Stage.INTERVENTION and rule.count is None and rule.interval is None:
        rule = replace(rule, count=1)
    return rule

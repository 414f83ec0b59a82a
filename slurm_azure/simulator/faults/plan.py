"""A plan of faults as data, and the decision whether a fault strikes. Everything here is pure."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import translate
from typing import Any

# What stands for several operations; anything else is a pattern of operationIds of Microsoft's OpenAPI files.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "arm": ("*_*", "!Login_*", "!Imds_*", "!Wire_*", "!Secrets*", "!RetailPrices*"),
    "creates": ("VirtualMachines_CreateOrUpdate",),
    "deletes": ("VirtualMachines_Delete",),
    "lists": ("VirtualMachines_List*",),
    "polls": ("Operations_Get",),
    "login": ("Login_*",),
    "tokens": ("Login_Token", "Imds_IdentityToken"),
    "vault": ("GetSecret", "Secrets*"),
    "imds": ("Imds_*",),
    "wire": ("Wire_*",),
}


@dataclass(frozen=True, slots=True)
class VmFacts:
    """What a fault can be matched with of a VM. `zones` is ("",) for a VM in no zone, `priority` Regular, Low or Spot."""

    name: str
    node: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    zones: tuple[str, ...] = ("",)
    size: str = ""
    priority: str = "Regular"
    location: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What a fault can be matched with of a request. `principal` holds all names of who asks; `vm` is None for a request that
    is about none."""

    operation: str
    method: str
    principal: tuple[str, ...] = ()
    location: str = ""
    vm: VmFacts | None = None


@dataclass(frozen=True, slots=True)
class Matchers:
    """Which requests and VMs a fault is for: patterns (`*`, `?`, `[..]`) without regard to case; None matches all, several
    are alternatives. Those after `principal` are about a VM, and do not match a request that is about none."""

    operation: tuple[str, ...] | None = None
    method: tuple[str, ...] | None = None
    location: tuple[str, ...] | None = None
    principal: tuple[str, ...] | None = None
    vm: tuple[str, ...] | None = None
    node: tuple[str, ...] | None = None
    zone: tuple[str, ...] | None = None
    size: tuple[str, ...] | None = None
    priority: tuple[str, ...] | None = None
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def of_vm(self) -> bool:
        """Whether a VM is needed to tell."""
        return bool(self.tags) or any(x is not None for x in (self.vm, self.node, self.zone, self.size, self.priority))


@dataclass(frozen=True, slots=True)
class Rule:
    """Which of the matches are hit: not the first `skip`, then each `every`-th, each of those with `probability`, and `count`
    in all (None = no end); only from `after` until `until` (seconds since the fault was loaded, or since the simulator began
    if `from_start`). For interventions `interval` seconds lie between two of them."""

    count: int | None = None
    skip: int = 0
    every: int = 1
    probability: float = 1.0
    after: float = 0.0
    until: float | None = None
    interval: float | None = None
    from_start: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its name (which is its id and names its stream of chance), what it does, to what, and when."""

    name: str
    what: Any
    matchers: Matchers = Matchers()
    rule: Rule = Rule()
    written: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """All faults of a file; `seed` of chance, None = the simulator's own."""

    faults: tuple[Fault, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a fault matched, and how often it hit."""

    matched: int = 0
    hits: int = 0


def chance(seed: int, name: str, number: int) -> float:
    """The `number`-th draw (0 <= draw < 1) of a fault's own stream: it depends on nothing else, so that another fault in the
    plan changes nothing of it."""
    digest = hashlib.blake2b(f"{seed}/{name}/{number}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def in_window(rule: Rule, elapsed: float) -> bool:
    """Whether the fault is in force `elapsed` seconds after it was loaded."""
    return rule.after <= elapsed and (rule.until is None or elapsed < rule.until)


def decide(rule: Rule, tally: Tally, seed: int, name: str) -> tuple[Tally, bool]:
    """One more match (within the window): the tally with it, and whether it is to be hit. The caller adds the hit with
    `with_hit`, since of several faults that would strike one request the first one does."""
    counted = replace(tally, matched=tally.matched + 1)
    if counted.matched <= rule.skip or (counted.matched - rule.skip - 1) % rule.every:
        return counted, False
    if rule.count is not None and tally.hits >= rule.count:
        return counted, False
    return counted, rule.probability >= 1 or chance(seed, name, counted.matched) < rule.probability


def with_hit(tally: Tally) -> Tally:
    """The tally with one more hit."""
    return replace(tally, hits=tally.hits + 1)


def matches_operation(matchers: Matchers, operation: str) -> bool:
    """Whether a fault is for an operation at all."""
    return matchers.operation is None or _operation(matchers.operation, operation)


def matches_request(matchers: Matchers, request: Request) -> bool:
    """Whether a request is one of those a fault is for, apart from its operation and from its VM."""
    return (
        _one(matchers.method, request.method)
        and _any(matchers.principal, request.principal)
        and (matchers.location is None or _one(matchers.location, request.location))
    )


def matches_vm(matchers: Matchers, vm: VmFacts | None) -> bool:
    """Whether a VM is one of those a fault is for; None is, if the fault asks for nothing of a VM."""
    if vm is None:
        return not matchers.of_vm
    return (
        _one(matchers.vm, vm.name)
        and _one(matchers.node, vm.node)
        and _one(matchers.size, vm.size)
        and _one(matchers.priority, vm.priority)
        and _any(matchers.zone, vm.zones)
        and (matchers.location is None or _one(matchers.location, vm.location))
        and all(_tag(vm.tags, name, pattern) for name, pattern in matchers.tags)
    )


def _tag(tags: Mapping[str, str], name: str, pattern: str) -> bool:
    """Names of tags have no case, values have one ("Use tags to organize your Azure resources")."""
    return any(key.lower() == name and _compiled(pattern).match(value) for key, value in tags.items())


def _any(patterns: tuple[str, ...] | None, values: tuple[str, ...]) -> bool:
    return patterns is None or any(_one(patterns, value) for value in values)


def _one(patterns: tuple[str, ...] | None, value: str) -> bool:
    if patterns is None:
        return True
    lowered = value.lower()
    return any(_compiled(pattern).match(lowered) for pattern in patterns)


@functools.lru_cache(maxsize=4096)
def _operation(patterns: tuple[str, ...], operation: str) -> bool:
    return any(_in_group(GROUPS.get(pattern, (pattern,)), operation) for pattern in patterns)


def _in_group(patterns: tuple[str, ...], operation: str) -> bool:
    lowered = operation.lower()
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    return any(_compiled(p.lower()).match(lowered) for p in wanted) and not any(
        _compiled(p.lower()).match(lowered) for p in unwanted
    )


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))

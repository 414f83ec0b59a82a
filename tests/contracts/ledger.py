"""The ledger of a whole test run: how many exchanges were judged, of which operations, and what was not judged."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.contracts import specifications
from tests.contracts.openapi import Exchange, Problem, judge

# azure-core's UserAgentPolicy begins with azsdk-; everything else is a test's own hand.
_OURS = re.compile(r"azsdk-|slurm-azure", re.IGNORECASE)
_SHOWN = 5
_SIMULATOR = "tests/simulator/"


@dataclass
class Page:
    """The exchanges of one simulator in one test; `routes` are the operations it has."""

    test: str
    judged: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    not_judged: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    exchanged: set[str] = field(default_factory=set)
    routes: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(self, exchange: Exchange, requests: bool = True, answers: bool = True) -> None:
        """Judge an exchange; its request only if it is the product's or the SDK's, and `requests`."""
        self.exchanged.add(exchange["operation"])
        if not specifications.available():
            return
        requests = requests and is_ours(exchange)
        if exchange.get("spoiled"):  # a fault made it, on purpose
            answers = False
            self.not_judged["answers spoiled by a fault"] += 1
        if not requests and not answers:
            return
        verdict = judge(exchange, requests, answers)
        self.judged += 1 if verdict.operation else 0
        self.operations[verdict.operation] += 1 if verdict.operation else 0
        self.not_judged[verdict.kind] += 1 if verdict.kind else 0
        self.warnings.update(f"{one.operation}: {one.what}" for one in verdict.warnings)
        self.count += len(verdict.problems)
        if len(self.problems) < _SHOWN:
            self.problems += [problem for problem in verdict.problems if problem not in self.problems]


def is_ours(exchange: Exchange) -> bool:
    """Whether the product or the SDK sent it."""
    return any(name.lower() == "user-agent" and _OURS.search(value) for name, value in exchange["headers"].items())


@dataclass
class Ledger:
    """All pages; of several processes, if the tests run in several."""

    judged: int = 0
    problems: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    not_judged: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    exchanged: set[str] = field(default_factory=set)
    routes: set[str] = field(default_factory=set)

    def close(self, page: Page) -> None:
        """Take over a page; raises AssertionError with the first of its problems."""
        self.judged += page.judged
        self.problems += page.count
        self.operations.update(+page.operations)
        self.not_judged.update(+page.not_judged)
        self.warnings.update(page.warnings)
        self.routes |= page.routes
        if page.test.startswith(_SIMULATOR):
            self.exchanged |= page.exchanged
        if page.problems:
            shown = "\n".join(f"  {problem}" for problem in page.problems[:_SHOWN])
            raise AssertionError(f"{page.count} times not as Microsoft's OpenAPI files say:\n{shown}")

    def close_file(self, file: Path, test: str) -> None:
        """Judge all exchanges that a simulator has written to a file (--record), and take them over."""
        page = Page(test)
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("\n"):  # the last one may be half a line: the simulator was killed
                    page.add(json.loads(line))
        self.close(page)

    def as_json(self) -> dict[str, Any]:
        """For the process that sums up."""
        return {
            "judged": self.judged,
            "problems": self.problems,
            "operations": dict(self.operations),
            "not_judged": dict(self.not_judged),
            "warnings": dict(self.warnings),
            "exchanged": sorted(self.exchanged),
            "routes": sorted(self.routes),
        }

    def add(self, other: dict[str, Any]) -> None:
        """Take over another process's ledger."""
        self.judged += other["judged"]
        self.problems += other["problems"]
        self.operations.update(other["operations"])
        self.not_judged.update(other["not_judged"])
        self.warnings.update(other["warnings"])
        self.exchanged |= set(other["exchanged"])
        self.routes |= set(other["routes"])

    def summary(self) -> list[str]:
        """What is said at the end of a run."""
        if not specifications.available():
            return [f"contracts: {specifications.ABSENT}"]
        line = f"contracts: {self.judged} exchanges judged, {len(self.operations)} operations, {self.problems} problems"
        lines = [f"{line}; not judged: {_listed(self.not_judged.items())}"]
        if self.warnings:
            lines.append(f"contracts: sent though read-only: {_listed(self.warnings.items())}")
        return lines


def _listed(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts)) or "none"


LEDGER = Ledger()

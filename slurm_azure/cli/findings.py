"""One result of a check: how grave, about what, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How grave. WARN: it works, but somebody should look. FAIL: it will not work."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `check`; `remedy` is empty where nothing is to be done."""

    level: Level
    about: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.level:<4}  {self.about}: {self.text}" + (f"; {self.remedy}" if self.remedy else "")


class Mistake(Finding):
    """What will not work because of slurm-azure.yaml itself."""


def ok(about: str, text: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, about, text)


def warn(about: str, text: str, remedy: str = "") -> Finding:
    """It works, but somebody should look."""
    return Finding(Level.WARN, about, text, remedy)


def fail(about: str, text: str, remedy: str) -> Finding:
    """It will not work."""
    return Finding(Level.FAIL, about, text, remedy)


def mistake(about: str, text: str) -> Finding:
    """slurm-azure.yaml says something that will not work; `about` is its key."""
    return Mistake(Level.FAIL, about, text)

"""What is told at the end of a run: operations of the simulator that no test of it asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts import coverage
from tests.support.processes import ROOT


def test_only_a_whole_run_can_tell() -> None:
    """All test modules of the simulator, or nothing is said."""
    modules = list((ROOT / coverage.FOLDER).rglob("test_*.py"))
    assert len(modules) > 10
    assert coverage.is_whole([*modules, Path("tests/azure/test_vm.py")], ROOT)
    assert not coverage.is_whole(modules[1:], ROOT)


def test_what_nobody_asks_for_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is excused."""
    assert coverage.never_asked({"A_Get", "A_List"}, {"A_Get", "Login_Token"}) == ["A_List"]
    monkeypatch.setattr(coverage, "EXCUSED", {"A_List": "a reason"})
    assert coverage.never_asked({"A_Get", "A_List"}, {"A_Get"}) == []


def test_an_excuse_has_to_be_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for what is asked for after all, or for what is no operation, is told too."""
    monkeypatch.setattr(coverage, "EXCUSED", {"A_Get": "a reason", "B_Get": "a reason", "A_List": "a reason"})
    assert coverage.superfluous_excuses({"A_Get", "A_List"}, {"A_Get"}) == ["A_Get", "B_Get"]

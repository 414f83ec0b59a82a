"""The list of what goes wrong in the field is closed: each of its situations is a test by its number."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_every_scenario_is_a_test() -> None:
    """S1 to S37, each at least once as `test_sNN_...`, here or among the end-to-end tests."""
    texts = [file.read_text(encoding="utf-8") for folder in ("scenarios", "endtoend") for file in (TESTS / folder).glob("*.py")]
    found = {int(number) for text in texts for number in re.findall(r"^def test_s(\d\d)_\w+\(", text, re.MULTILINE)}
    assert found == set(range(1, 38))


def test_those_of_slurms_reaction_are_with_a_real_slurmctld() -> None:
    """Where the point is what Slurm does, no Slurm of our own making is asked."""
    texts = [file.read_text(encoding="utf-8") for file in (TESTS / "endtoend").glob("*.py")]
    found = {int(number) for text in texts for number in re.findall(r"^def test_s(\d\d)_\w+\(", text, re.MULTILINE)}
    assert found >= {1, 4, 8, 9, 11, 12, 13, 19, 24, 25, 26, 30, 33, 34}

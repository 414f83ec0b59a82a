"""Tables and times."""

from __future__ import annotations

import pytest

from slurm_azure.cli.moments import clock, iso, span
from slurm_azure.cli.table import table


def test_columns_line_up() -> None:
    """Numbers stand to the right, words to the left, nothing trails."""
    assert table(["NAME", "N", "USD"], [["a", 1, 2.0], ["long name", 100, 0.125]]).splitlines() == [
        "NAME         N   USD",
        "a            1  2.00",
        "long name  100  0.12",
    ]


def test_an_empty_cell_is_a_dash() -> None:
    """awk counts columns: none may be missing."""
    assert table(["A", "B"], [["", None]]).splitlines()[1].split() == ["-", "-"]


def test_a_cell_cannot_break_the_table() -> None:
    """Reasons come from outside: their control characters become blanks."""
    assert table(["A"], [["x\ny\x1b[31m"]]).splitlines() == ["A", "x y [31m"]


def test_no_rows() -> None:
    """A table without rows is its header."""
    assert table(["A", "B"], []) == "A  B"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (3599, "59m59s"),
        (3660, "1h01m"),
        (90000, "1d01h"),
        (-5, "-5.0s"),
    ],
)
def test_spans(seconds: float, text: str) -> None:
    """Short enough for a column, exact enough to compare."""
    assert span(seconds) == text


def test_moments_are_utc() -> None:
    """Scripts get ISO 8601 with an offset, people the same moment to the second, whatever the time zone is."""
    assert iso(1_800_000_000.1234) == "2027-01-15T08:00:00.123+00:00"
    assert iso(None) is None
    assert clock(1_800_000_000.9) == "2027-01-15 08:00:00Z"

"""What a launch has cost, by month: the parts make up the whole, and only time in which Azure bills counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.lifecycle.spending import month_of, spending_of
from tests.support.nodes import a_launch


def at(year: int, month: int, day: int, hour: int = 0) -> float:
    """A moment (UTC)."""
    return datetime(year, month, day, hour, tzinfo=UTC).timestamp()


def test_a_launch_within_a_month() -> None:
    """Two hours at 3.60 USD/h."""
    begin = at(2026, 11, 21)
    launch = a_launch(accepted_at=begin, gone_at=begin + 7200, price=3.6)
    ((month, usd, seconds),) = spending_of(launch, begin + 99999)
    assert (month, seconds) == ("2026-11", 7200.0)
    assert usd == pytest.approx(7.2)


def test_a_launch_over_new_year() -> None:
    """Each month gets its own hours, in UTC; what runs counts up to now."""
    launch = a_launch(accepted_at=at(2026, 12, 31, 20), price=1.0)
    parts = spending_of(launch, at(2027, 2, 1, 1))
    assert [(month, round(usd, 6)) for month, usd, _ in parts] == [("2026-12", 4.0), ("2027-01", 744.0), ("2027-02", 1.0)]


@pytest.mark.parametrize(
    ("moments", "seconds"),
    [
        ({}, 0),
        ({"sent_at": 10.0}, 0),
        ({"sent_at": 10.0, "gone_at": 12.0}, 0),
        ({"sent_at": 10.0, "accepted_at": 20.0}, 980),
        ({"sent_at": 10.0, "running_at": 40.0}, 990),
        ({"accepted_at": 20.0, "gone_at": 120.0}, 100),
        ({"accepted_at": 20.0, "deallocated_at": 70.0}, 50),
        ({"accepted_at": 20.0, "deallocated_at": 70.0, "gone_at": 500.0}, 50),
        ({"accepted_at": 20.0, "gone_at": 5000.0}, 980),
        ({"accepted_at": 2000.0}, 0),
    ],
)
def test_only_billed_time_counts(moments: dict[str, Any], seconds: float) -> None:
    """Refused: nothing. Yes got lost: from the create call. Deallocated: until then. Never beyond now (1000)."""
    assert sum(part[2] for part in spending_of(a_launch(**moments), 1000.0)) == seconds


def test_without_a_price_only_seconds_are_known() -> None:
    """0 USD rather than a guess."""
    assert spending_of(a_launch(accepted_at=0.0), 60.0) == [("1970-01", 0.0, 60.0)]


MOMENTS = st.floats(0, 4e9)


@given(begin=MOMENTS, length=st.floats(0, 3e8), price=st.floats(0, 100))
def test_the_parts_make_up_the_whole(begin: float, length: float, price: float) -> None:
    """No second is lost, counted twice or put into a month it is not of."""
    parts = spending_of(a_launch(accepted_at=begin, price=price), begin + length)
    seconds = (begin + length) - begin
    assert sum(part[2] for part in parts) == pytest.approx(seconds, rel=1e-9, abs=1e-5)
    assert sum(part[1] for part in parts) == pytest.approx(seconds * price / 3600, rel=1e-9, abs=1e-5)
    months = [part[0] for part in parts]
    assert months == sorted(set(months))
    assert all(0 < part[2] <= 31 * 86400 for part in parts)
    if parts:
        assert months[0] == month_of(begin)

"""Spans of time: how they are written, and that samples are what was written."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.errors import UsageError
from slurm_azure.simulator.timing import Distribution, constant, parse

SECONDS = st.floats(min_value=0.001, max_value=1e6, allow_nan=False)


@given(SECONDS)
def test_a_number_is_a_constant(seconds: float) -> None:
    """A bare number always gives that number of seconds."""
    assert parse(repr(seconds)).sample(random.Random(1)) == seconds


@given(SECONDS, SECONDS, st.integers())
def test_uniform_stays_within_its_bounds(one: float, other: float, seed: int) -> None:
    """uniform(a,b) never leaves a..b."""
    low, high = sorted((one, other))
    span = parse(f"uniform({low!r}, {high!r})")
    assert low <= span.sample(random.Random(seed)) <= high


def test_lognormal_has_the_median_and_the_95th_percentile_that_were_written() -> None:
    """Of many samples of lognormal(20,40) half are below 20 and 95 % below 40."""
    source = random.Random(7)
    samples = [parse("lognormal(20,40)").sample(source) for _ in range(20_000)]
    assert statistics.median(samples) == pytest.approx(20, rel=0.03)
    assert statistics.quantiles(samples, n=20)[-1] == pytest.approx(40, rel=0.03)


@pytest.mark.parametrize(
    "text", ["", "-1", "x", "uniform(3,1)", "uniform(1)", "lognormal(0,1)", "lognormal(5,1)", "nan", "inf", "normal(1,2)"]
)
def test_what_is_no_span_is_refused(text: str) -> None:
    """A mistake is told together with how a span is written."""
    with pytest.raises(UsageError, match=r"lognormal\(20,40\)"):
        parse(text)


@given(st.text(max_size=30))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Any text is either a span or a UsageError."""
    try:
        assert isinstance(parse(text), Distribution)
    except UsageError:
        pass


def test_constant_is_what_a_number_reads_as() -> None:
    """The two ways to make a constant agree."""
    assert parse("2") == constant(2.0)

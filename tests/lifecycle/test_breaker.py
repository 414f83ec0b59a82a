"""The breaker of a pool whose nodes do not boot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.lifecycle.breaker import LONGEST_PAUSE, count_failure, count_join, is_open, probe
from slurm_azure.lifecycle.record import PoolPolicy
from slurm_azure.model import Breaker, Failure, NodeName, Scope
from slurm_azure.model import FailureReason as R
from tests.support.nodes import NODE, NOW, OFFER, POOL

HB = PoolPolicy(POOL, (OFFER,), 600.0, breaker_failures=3, breaker_pause=400.0)
BOOT = Failure(R.BOOT, "mounts: 10.0.0.1:/home does not mount")
NODES = [NodeName(f"az-{number}") for number in range(1, 4)]


def failed(times: int, breaker: Breaker | None = None, node: NodeName = NODE, now: float = NOW) -> Breaker:
    """A breaker after so many boots that failed."""
    breaker = breaker or Breaker(POOL)
    for _ in range(times):
        breaker = count_failure(breaker, HB, BOOT, node, now)
    return breaker


def woken(breaker: Breaker, now: float) -> tuple[Breaker, NodeName]:
    """The breaker with its canary sent, which must be due."""
    sent = probe(breaker, HB, NODES, now)
    assert sent is not None
    return sent


@pytest.mark.parametrize(
    ("failure", "counts"),
    [
        (BOOT, True),
        (Failure(R.JOIN_TIMEOUT, "not joined"), True),
        (Failure(R.IMAGE, "OSProvisioningClientError"), True),  # the VM has shown it
        (Failure(R.CONFIGURATION, "registered with 1 GiB less"), True),
        (Failure(R.IMAGE, "ImageNotFound", Scope.POOL), False),  # Azure refused: that is a cool-down's affair
        (Failure(R.CONFIGURATION, "InvalidParameter", Scope.SIZE), False),
        (Failure(R.VANISHED, "deleted by hand"), False),
        (Failure(R.EVICTED, "taken back"), False),
        (Failure(R.CAPACITY, "no room", Scope.OFFER), False),
        (Failure(R.TRANSIENT, "InternalExecutionError"), False),
    ],
)
def test_what_counts(failure: Failure, counts: bool) -> None:
    """Only what a VM that was made has shown of its pool."""
    breaker = Breaker(POOL)
    after = count_failure(breaker, HB, failure, NODE, NOW)
    assert (after.failures == 1) is counts
    assert counts or after is breaker


def test_it_opens_after_so_many_in_a_row() -> None:
    """With what the last one showed, and its first canary due after the pause."""
    assert not is_open(failed(2))
    assert not is_open(None)
    opened = failed(3)
    assert is_open(opened)
    assert (opened.failures, opened.opened_at, opened.probe_at) == (3, NOW, NOW + 400)
    assert opened.detail == f"{NODE}: {BOOT.detail}"


def test_a_join_in_between_begins_anew() -> None:
    """In a row means in a row."""
    assert not is_open(failed(2, count_join(failed(2))))
    fresh = Breaker(POOL)
    assert count_join(fresh) is fresh


def test_boots_under_way_when_it_opened_change_nothing() -> None:
    """A hundred nodes that fail together are no reason to wait longer."""
    opened = failed(3)
    assert count_failure(opened, HB, BOOT, NODE, NOW + 60) is opened


def test_one_canary_at_a_time() -> None:
    """After the pause one node is powered up, and none beside it."""
    opened = failed(3)
    assert probe(opened, HB, NODES, NOW + 399) is None
    assert probe(opened, HB, [], NOW + 400) is None
    sent, canary = woken(opened, NOW + 400)
    assert sent.canary == canary == NODES[0]
    assert probe(sent, HB, NODES, NOW + 500) is None
    assert probe(failed(2), HB, NODES, NOW + 9999) is None


def test_a_canary_that_joins_closes_it() -> None:
    """By itself, with nothing left of it."""
    sent, _ = woken(failed(3), NOW + 400)
    assert count_join(sent) == Breaker(POOL)


def test_a_canary_that_fails_is_followed_by_another_node_after_twice_the_pause() -> None:
    """400 s, 800 s, 1600 s, then an hour at most; a bad node does not keep its pool closed."""
    breaker, now, pauses, canaries = failed(3), NOW, [], []
    for _ in range(5):
        assert breaker.probe_at is not None
        pauses.append(breaker.probe_at - now)
        breaker, canary = woken(breaker, breaker.probe_at)
        canaries.append(canary)
        now = (breaker.probe_at or 0.0) - 100
        breaker = count_failure(breaker, HB, BOOT, canary, now)
        assert breaker.canary is None
    assert pauses == [400, 800, 1600, 3200, LONGEST_PAUSE]
    assert canaries == [*NODES, *NODES[:2]]


def test_a_canary_that_could_not_be_had_shows_nothing() -> None:
    """No capacity for it: the next one is due after the same time, not after twice that."""
    sent, canary = woken(failed(3), NOW + 400)
    freed = count_failure(sent, HB, Failure(R.CAPACITY, "no room", Scope.OFFER), canary, NOW + 410)
    assert (freed.canary, freed.probe_at) == (None, NOW + 810)
    assert freed.detail == sent.detail


def test_a_canary_that_is_lost_is_not_waited_for() -> None:
    """Slurm never powered it up, say: after twice the pause (at least ResumeTimeout) another one is sent."""
    sent, first = woken(failed(3), NOW + 400)
    assert probe(sent, HB, NODES, NOW + 400 + 799) is None
    _, second = woken(sent, NOW + 400 + 800)
    assert second != first


@given(st.lists(st.sampled_from(["fail", "canary fails", "other", "join", "probe"]), max_size=40), st.floats(1, 4000))
def test_any_story(story: list[str], step: float) -> None:
    """Open or closed, never between; a closed breaker has no canary, an open one always a next moment that is bounded."""
    breaker, now = Breaker(POOL), NOW
    for event in story:
        now += step
        match event:
            case "fail":
                breaker = count_failure(breaker, HB, BOOT, NODE, now)
            case "canary fails" if breaker.canary is not None:
                breaker = count_failure(breaker, HB, BOOT, breaker.canary, now)
            case "other":
                breaker = count_failure(breaker, HB, Failure(R.QUOTA, "q", Scope.SIZE), breaker.canary or NODE, now)
            case "join":
                breaker = count_join(breaker)
            case _:
                sent = probe(breaker, HB, NODES, now)
                breaker = breaker if sent is None else sent[0]
        if is_open(breaker):
            assert breaker.probe_at is not None
            assert breaker.probe_at <= now + LONGEST_PAUSE
            assert breaker.failures == HB.breaker_failures
        else:
            assert (breaker.canary, breaker.probe_at, breaker.probes) == (None, None, 0)
            assert breaker.failures < HB.breaker_failures

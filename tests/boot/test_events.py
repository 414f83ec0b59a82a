"""What an announcement of Azure's calls for, moment by moment: decisions alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slurm_node import events
from slurm_node.events import Event, Handling, Situation, begin, decide, follow, read_events

JOINED, BOOTING = Situation(joined=True), Situation(joined=False)
END = 1_000_000.0
KINDS = ["Preempt", "Reboot", "Redeploy", "Terminate", "Freeze"]
MAINTENANCE = ["Reboot", "Redeploy", "Terminate"]


def shown(**changes: Any) -> dict[str, Any]:
    """A document with one event, as Microsoft's page shows it."""
    event = {
        "EventId": "A1",
        "EventType": "Preempt",
        "ResourceType": "VirtualMachine",
        "Resources": ["az-1-l1"],
        "EventStatus": "Scheduled",
        "NotBefore": "Mon, 19 Sep 2016 18:29:47 GMT",
        "Description": "",
        "EventSource": "Platform",
        "DurationInSeconds": -1,
    }
    return {"DocumentIncarnation": 2, "Events": [event | changes]}


def handled(kind: str = "Preempt", stage: str = events.SEEN, since: float = END - 30, **changes: Any) -> Handling:
    """An event of this kind that has come so far."""
    return Handling("A1", kind, END, stage, since)._replace(**changes)


def test_reads_what_concerns_this_vm() -> None:
    """An event is taken by the VM's name, whatever its case; a companion's is not."""
    assert read_events(shown(), "AZ-1-l1") == [Event("A1", "Preempt", 1474309787.0)]
    assert read_events(shown(Resources=["az-2-l1", "az-3-l1"]), "az-1-l1") == []


def test_reads_what_has_started() -> None:
    """An event under way has no NotBefore any more."""
    assert read_events(shown(EventStatus="Started", NotBefore=""), "az-1-l1") == [Event("A1", "Preempt", None)]


@pytest.mark.parametrize("document", [{}, {"Events": 5}, {"Events": [{}]}, shown(NotBefore="soon"), {"Events": [None]}])
def test_what_is_no_document(document: dict[str, Any]) -> None:
    """Anything else is refused in a way that the watcher knows."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        read_events(document, "az-1-l1")


def test_reasons() -> None:
    """The reasons begin as the daemon expects them, and name Azure's time."""
    assert handled().reason == "slurm-azure: evicted: Azure takes this Spot VM back at 13:46:40Z"
    assert handled("Reboot").reason == "slurm-azure: maintenance: Azure announces Reboot not before 13:46:40Z"


def test_eviction_without_signal() -> None:
    """Drained, requeued, and acknowledged as soon as jobs have had a moment to end."""
    now = END - 30
    assert decide(handled(), True, now, JOINED) == events.DRAIN
    assert decide(handled(stage=events.DRAINED), True, now, JOINED) == events.REQUEUE
    requeued = handled(stage=events.REQUEUED, since=now)
    assert decide(requeued, True, now, JOINED) is None
    assert decide(requeued, True, now + events.SETTLES, JOINED) == events.ACKNOWLEDGE
    assert decide(handled(stage=events.DONE), True, now + 3, JOINED) is None


@pytest.mark.parametrize(("grace", "at"), [(10.0, END - 18), (20.0, END - 8), (0.0, END - 28)])
def test_grace_ends_before_azure_does(grace: float, at: float) -> None:
    """Between signal and requeue lies the grace, but never so much that less than 8 s remain."""
    node = Situation(True, "TERM", grace)
    assert decide(handled(stage=events.DRAINED), True, END - 28, node) == events.SIGNAL
    signalled = handled(stage=events.SIGNALLED, since=END - 28)
    assert decide(signalled, True, at - 0.01, node) is None
    assert decide(signalled, True, at, node) == events.REQUEUE


@pytest.mark.parametrize("left", [8.0, 1.0, -5.0])
def test_no_time_for_a_signal(left: float) -> None:
    """Heard of too late, or already under way: the jobs are requeued without a signal."""
    assert decide(handled(stage=events.DRAINED), True, END - left, Situation(True, "USR1", 10)) == events.REQUEUE


def test_eviction_while_booting() -> None:
    """A VM that is not a node yet reports, acknowledges, and drains nothing."""
    assert decide(handled(), True, END - 20, BOOTING) == events.REPORT
    assert decide(handled(stage=events.REPORTED), True, END - 20, BOOTING) == events.ACKNOWLEDGE


@pytest.mark.parametrize("kind", MAINTENANCE)
def test_maintenance_lets_jobs_go_on(kind: str) -> None:
    """Drained at once; jobs are looked at now and then, and requeued a minute before it begins."""
    assert decide(handled(kind), True, END - 900, JOINED) == events.DRAIN
    drained = handled(kind, events.DRAINED, END - 900)
    assert decide(drained, True, END - 900, JOINED) == events.LOOK
    looked = drained._replace(looked=END - 900)
    assert decide(looked, True, END - 890, JOINED) is None
    assert decide(looked, True, END - 880, JOINED) == events.LOOK
    assert decide(looked, True, END - 60, JOINED) == events.REQUEUE


@pytest.mark.parametrize("kind", MAINTENANCE)
def test_maintenance_waits_for_the_node_to_join(kind: str) -> None:
    """Minutes ahead of it a boot may come to its end; then it is drained."""
    assert decide(handled(kind), True, END - 900, BOOTING) is None
    assert decide(handled(kind), True, END - 800, JOINED) == events.DRAIN


@pytest.mark.parametrize("kind", MAINTENANCE)
def test_job_that_cannot_run_again_keeps_its_time(kind: str) -> None:
    """Maintenance is not brought forward while such a job runs."""
    left = handled(kind, events.REQUEUED, END - 60, left=("disabled for job 5",))
    assert decide(left, True, END - 1, JOINED) is None
    assert decide(left._replace(left=()), True, END - 1, JOINED) == events.ACKNOWLEDGE


@pytest.mark.parametrize("kind", [*MAINTENANCE, "Preempt"])
def test_started_without_notice(kind: str) -> None:
    """What is under way when it is first seen is dealt with at once."""
    handling = begin(Event("A1", kind, None), END)
    assert (handling.started, handling.end) == (True, END)
    assert decide(handling, True, END, JOINED) == events.DRAIN
    assert decide(handling._replace(stage=events.DRAINED), True, END, Situation(True, "TERM", 10)) == events.REQUEUE


@pytest.mark.parametrize("stage", [events.SEEN, events.DRAINED, events.SIGNALLED, events.REQUEUED])
def test_cancelled(stage: str) -> None:
    """What is not announced any more before its time will not take place; what has begun is not taken back."""
    assert decide(handled(stage=stage), False, END - 5, JOINED) == events.RESUME
    assert decide(handled(stage=stage, started=True), False, END - 5, JOINED) != events.RESUME
    assert decide(handled(stage=stage), False, END + 1, JOINED) != events.RESUME


def test_moved() -> None:
    """Azure may put an event off, or start it early; once started it stays so."""
    moved = follow(handled("Reboot"), Event("A1", "Reboot", END + 300), END - 30)
    assert moved.end == END + 300
    started = follow(moved, Event("A1", "Reboot", None), END - 20)
    assert (started.started, started.end) == (True, END - 20)
    assert follow(started, None, END) == started


@pytest.mark.parametrize("fast", [0.0, 300.0, 86400.0])
def test_fast_clock(fast: float) -> None:
    """A VM whose clock is fast does not take an event for over that Azure has only announced."""
    event = Event("A1", "Preempt", END)
    handling = begin(event, END + fast)
    for stage, act in ((events.SEEN, events.DRAIN), (events.DRAINED, events.REQUEUE), (events.REQUEUED, events.ACKNOWLEDGE)):
        now = END + fast + 2
        handling = follow(handling._replace(stage=stage), event, now)
        assert decide(handling, True, now, JOINED) == act


@given(st.sampled_from(KINDS), st.lists(st.tuples(st.floats(0, 40), st.booleans(), st.booleans()), max_size=30))
def test_order(kind: str, moments: list[tuple[float, bool, bool]]) -> None:
    """Whatever fails, is cancelled or takes its time: nothing is acknowledged before the jobs are requeued, no job is requeued
    before the node is drained, nothing is done twice, and Freeze is left alone."""
    reached = {
        events.DRAIN: events.DRAINED,
        events.SIGNAL: events.SIGNALLED,
        events.REQUEUE: events.REQUEUED,
        events.LOOK: events.REQUEUED,
        events.REPORT: events.REPORTED,
        events.ACKNOWLEDGE: events.DONE,
        events.RESUME: events.DONE,
        events.GIVE_UP: events.DONE,
    }
    handling, now = handled(kind, since=END - 60), END - 60
    done: list[str] = []
    for wait, works, announced in moments:
        now += wait
        act = decide(handling, announced, now, Situation(True, "TERM", 5))
        if act is not None and works:
            done.append(act)
            handling = handling._replace(stage=reached[act], since=now)
    assert len(done) == len(set(done))
    assert kind != "Freeze" or not done
    order = [act for act in done if act in (events.DRAIN, events.SIGNAL, events.REQUEUE, events.ACKNOWLEDGE)]
    assert order == sorted(order, key=[events.DRAIN, events.SIGNAL, events.REQUEUE, events.ACKNOWLEDGE].index)
    assert events.ACKNOWLEDGE not in done or {events.DRAIN} < {*done} & {events.DRAIN, events.REQUEUE, events.LOOK}

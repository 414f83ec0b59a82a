"""The retry step: when another launch follows one that has failed."""

from __future__ import annotations

import pytest

from slurm_azure.lifecycle.effects import Note
from slurm_azure.lifecycle.record import Facts, Policy, PoolPolicy
from slurm_azure.lifecycle.retry import retry
from slurm_azure.model import REPLACED, Failure, FailureReason, Offer, Power, Scope
from tests.support.nodes import NOW, OFFER, POOL, a_launch, a_node, a_record

TWO = PoolPolicy(POOL, (OFFER, Offer("Standard_D4s_v5")), resume_timeout=600.0)
NO_ROOM = Failure(FailureReason.CAPACITY, "SkuNotAvailable: no", Scope.SIZE)


@pytest.mark.parametrize(("looked_at", "followed"), [(NOW - 5, True), (NOW, True), (NOW + 1, False), (None, True)])
def test_a_look_at_slurm_from_before_the_request_says_nothing_about_it(looked_at: float | None, followed: bool) -> None:
    """The node was off when Slurm was last looked at, which was before it was powered up: another launch follows all the same;
    if it is off in a later look, nobody waits for it any more."""
    live = a_launch(sent_at=NOW, asked_at=NOW, failure=NO_ROOM)
    record = a_record(pool=TWO, live=live, slurm=a_node(Power.OFF))
    after, _ = retry(record, Facts(NOW + 2, Policy({POOL: TWO}), looked_at))
    assert (after.dying[0].release_reason == REPLACED) is followed


def test_the_note_of_an_attempt_leaves_the_words_to_its_launch() -> None:
    """`why` shows both, and Azure's words are long."""
    live = a_launch(sent_at=NOW, asked_at=NOW, failure=NO_ROOM)
    _, effects = retry(a_record(pool=TWO, live=live, slurm=a_node(Power.WAKING)), Facts(NOW + 2, Policy({POOL: TWO}), NOW + 1))
    notes = [effect.text for effect in effects if isinstance(effect, Note)]
    assert notes == ["attempt 1 failed (capacity), another follows"]

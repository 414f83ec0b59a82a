"""What the end of a call means for its launch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slurm_azure.daemon.calls import Result
from slurm_azure.daemon.outcomes import after_create, after_delete
from slurm_azure.errors import CloudUnreachable, CredentialRefused, SlurmAzureError, Throttled
from slurm_azure.model import Launch
from tests.support.nodes import NOW, a_launch


def result(launch: Launch, **of_it: object) -> Result:
    """A call about `launch`, as it was when that was started."""
    return Result("call", launch, NOW + 1, 0.5, **of_it)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [Throttled(30, "creates"), CredentialRefused("no token")])
def test_a_create_that_azure_did_not_take_was_never_sent(error: SlurmAzureError) -> None:
    """No VM can come of it: a pause, or a colder offer, finds the launch as if it had just been planned."""
    queued = a_launch()
    after = after_create(replace(queued, sent_at=NOW + 1), result(queued, error=error), NOW + 2)
    assert after.sent_at is None


@pytest.mark.parametrize("error", [Throttled(30, "creates"), CredentialRefused("no token")])
def test_an_earlier_create_may_have_been_taken(error: SlurmAzureError) -> None:
    """The first call had no clear answer: that the second was not taken says nothing of it."""
    first = a_launch(sent_at=NOW)
    assert after_create(first, result(first, error=error), NOW + 2) == first
    queued = a_launch()
    seen = replace(queued, sent_at=NOW + 1, accepted_at=NOW + 2)
    assert after_create(seen, result(queued, error=error), NOW + 3) == seen


def test_a_create_without_a_clear_answer_may_have_been_taken() -> None:
    """The list will tell."""
    queued = a_launch()
    sent = replace(queued, sent_at=NOW + 1)
    assert after_create(sent, result(queued, error=CloudUnreachable("away")), NOW + 2) == sent


def test_a_vm_that_was_listed_is_gone_when_a_list_says_so() -> None:
    """Azure may call a deletion done and show the VM for minutes; until it does not, it counts and is not asked for anew."""
    launch = a_launch(sent_at=NOW, released_at=NOW)
    done = result(launch, value=True)
    listed, unlisted = after_delete(launch, done, NOW + 2, listed=True), after_delete(launch, done, NOW + 2, listed=False)
    assert (listed.delete_sent_at, listed.gone_at) == (NOW + 1, None)
    assert (unlisted.delete_sent_at, unlisted.gone_at) == (NOW + 1, NOW + 2)

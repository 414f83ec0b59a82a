"""What the end of a call means for its launch: pure functions from a result to the launch as it is then."""

from __future__ import annotations

from dataclasses import replace

from slurm_azure.azure.cloud import VmPower
from slurm_azure.azure.failures import addressed, classify
from slurm_azure.daemon.calls import Result
from slurm_azure.errors import CreateRefused, CredentialRefused, RenderError, Throttled
from slurm_azure.lifecycle.join import evicted
from slurm_azure.lifecycle.watch import lost
from slurm_azure.model import Blame, Failure, FailureReason, Launch, Priority, Scope


def after_create(launch: Launch, result: Result, now: float) -> Launch:
    """A create call has ended. Whatever is not a clear yes or no leaves the launch as it was, to be asked again."""
    error = result.error
    if error is None:
        return replace(launch, sent_at=launch.sent_at or result.begun, accepted_at=launch.accepted_at or now)
    if isinstance(error, CreateRefused):
        return _refused(launch, addressed(classify(error.code, error.message, error.status), launch.pool))
    if isinstance(error, RenderError):
        return _refused(launch, Failure(FailureReason.CONFIGURATION, str(error), Scope.POOL, Blame.CONFIGURATION))
    if isinstance(error, Throttled | CredentialRefused):  # nothing was made; by an earlier call something may have been
        return replace(launch, sent_at=None) if result.subject.sent_at is None and launch.accepted_at is None else launch
    return replace(launch, sent_at=launch.sent_at or result.begun)  # it may have been: the list will tell


def after_start(launch: Launch, result: Result, now: float) -> Launch:
    """The start of a kept VM has been asked for. If that cannot be, the VM goes, and another launch may follow: a no to this
    one VM says something of its offer only where Azure has no room, or too high a price, for it."""
    error, live = result.error, replace(launch, sent_at=launch.sent_at or result.begun)
    if error is None and result.value is not True:
        return replace(live, accepted_at=launch.accepted_at or now)
    if error is None:
        return replace(live, failure=Failure(FailureReason.VANISHED, "its VM, which was kept, is not there"))
    if isinstance(error, CreateRefused):
        failure = addressed(classify(error.code, error.message, error.status), launch.pool)
        of_the_offer = failure.reason in (FailureReason.CAPACITY, FailureReason.QUOTA, FailureReason.SPOT_PRICE)
        return replace(live, failure=failure if of_the_offer else replace(failure, scope=Scope.LAUNCH))
    if isinstance(error, CredentialRefused):
        return replace(live, failure=Failure(FailureReason.PERMISSION, str(error), Scope.LAUNCH, Blame.PERMISSION))
    return live  # asking again does no harm


def after_deallocation(launch: Launch, result: Result, now: float) -> Launch:
    """A VM that is to be kept has been asked to stop. If Azure does not let us, it is not kept, and deleted."""
    if result.error is None and result.value is True:
        return replace(launch, gone_at=now)
    if isinstance(result.error, CreateRefused | CredentialRefused):
        return replace(launch, release_reason="unwanted")
    return launch


def after_look_at_kept(launch: Launch, result: Result, now: float) -> Launch:
    """A VM that is to be kept has been looked at: from the moment it is deallocated, no host is billed."""
    if result.error is not None:
        return launch
    if result.value is None:
        return replace(launch, gone_at=now)
    return replace(launch, deallocated_at=now) if result.value is VmPower.DEALLOCATED else launch


def after_delete(launch: Launch, result: Result, now: float, listed: bool) -> Launch:
    """A delete call has ended: gone at once, on its way, or to be asked again. Of a VM that was `listed` a list has to show the
    end: until then it may be billed."""
    if result.error is not None:
        return launch
    told = launch.failure is None or launch.told_at is not None
    if result.value is True and told and not listed:
        return replace(launch, delete_sent_at=result.begun, gone_at=now)
    return replace(launch, delete_sent_at=result.begun)


def after_diagnosis(launch: Launch, result: Result) -> Launch:
    """Azure said why a VM failed: that stands on its launch until it is decided (lifecycle/retry.py)."""
    if result.error is not None or not launch.live:
        return launch
    failure = result.value or Failure(FailureReason.VANISHED, "its VM failed, and was gone before it was asked why")
    return replace(launch, failure=addressed(failure, launch.pool))


def after_look(launch: Launch, result: Result) -> Launch:
    """A VM that lists lack, or whose node did not answer, has been looked at: one that does not run serves nobody, and may cost
    all the same."""
    if result.error is not None or not launch.live or result.value is VmPower.RUNNING:
        return launch
    if result.value is None:
        return replace(launch, failure=lost(launch))
    was_deallocated = result.value is VmPower.DEALLOCATED
    detail = f"its VM was {'deallocated' if was_deallocated else 'stopped'} outside Slurm"
    taken = was_deallocated and launch.offer.priority is Priority.SPOT
    return replace(launch, failure=evicted(detail) if taken else Failure(FailureReason.VANISHED, detail))


def _refused(launch: Launch, failure: Failure) -> Launch:
    # Azure made nothing: without `sent_at` there is nothing to delete (and a list that shows it proves us wrong).
    sent = launch.sent_at if launch.accepted_at is not None else None
    return replace(launch, sent_at=sent, failure=failure) if launch.live else replace(launch, sent_at=sent)

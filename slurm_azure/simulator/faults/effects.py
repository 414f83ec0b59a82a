"""What each kind of fault does to a request, an answer or a boot. What is to be done with it is the caller's affair."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from slurm_azure.simulator.call import Call, Fate, Reply
from slurm_azure.simulator.clock import timestamp
from slurm_azure.simulator.faults import catalog, kinds, replies
from slurm_azure.simulator.faults.armed import Armed
from slurm_azure.simulator.faults.plan import chance
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.world.trouble import BootFault

# What becomes of a request: a refusal or another answer in place of the effect, no answer at all, or so many seconds to wait.
Verdict = Refusal | Reply | Fate | float

_FATES = {"reset": Fate.RESET, "lost": Fate.LOST}


def concerns(what: Any, call: Call) -> bool:
    """Whether a fault of that kind can strike this very request: only a page after the first can fail as such."""
    return not (isinstance(what, kinds.ListIncomplete) and what.how == "page") or "$skiptoken" in call.query


def verdict(armed: Armed, call: Call, words: Mapping[str, str], now: float) -> Verdict:
    """What a fault makes of a request; `words` fill the message."""
    what = armed.fault.what
    if isinstance(what, kinds.Error):
        return _error(what, call, words, now)
    if isinstance(what, kinds.Reset | kinds.Lost):
        return Fate.RESET if isinstance(what, kinds.Reset) else Fate.LOST
    if isinstance(what, kinds.Throttle):
        return _throttled(what, words, now)
    if isinstance(what, kinds.Storm):
        return _storm(what, armed, call, now)
    if isinstance(what, kinds.ListIncomplete):
        return replies.refuse(call, Refusal(what.status, "InternalServerError", "Encountered internal server error."), now)
    assert isinstance(what, kinds.LoginDown | kinds.VaultDown | kinds.ImdsDown)
    return _down(what, armed, call, now)


def _error(error: kinds.Error, call: Call, words: Mapping[str, str], now: float) -> Refusal | Reply:
    named = error.named
    status = error.status or (named.status if named else 400)
    body = error.body or (named.body if named else "json")
    headers = dict(named.headers if named else ()) | {key: catalog.filled(item, words) for key, item in error.headers}
    code, message = code_and_message(error, words)
    target = error.target or (named.target if named else None)
    if body != "json":
        reply = replies.page(status, body, message)
        reply.headers |= headers
        return reply
    filled = None if target is None else catalog.filled(target, words)
    return replies.refuse(call, Refusal(status, code, message, filled, headers, error.details), now)


def code_and_message(error: kinds.Error, words: Mapping[str, str]) -> tuple[str, str]:
    """An error's code and its words."""
    named = error.named
    message = error.message or (named.message if named else None)
    if message is None:
        message = f"The request failed with {error.code}."
    return (named.code if named else error.code), catalog.filled(message, words)


def _throttled(what: kinds.Throttle, words: Mapping[str, str], now: float) -> Refusal:
    headers = {"Retry-After": str(what.retry_after)}
    if what.by == "compute":
        measured = {
            "operationGroup": what.policy,
            "startTime": timestamp(now - 60),
            "endTime": timestamp(now),
            "allowedRequestCount": 0,
            "measuredRequestCount": 1,
        }
        detail = {"code": "TooManyRequests", "target": what.policy, "message": json.dumps(measured, separators=(",", ":"))}
        return Refusal(
            429,
            "OperationNotAllowed",
            "The server rejected the request because too many requests have been received for this subscription.",
            headers=headers | {"x-ms-ratelimit-remaining-resource": f"Microsoft.Compute/{what.policy};0"},
            details=[detail],
            enveloped=False,
        )
    kind = _kind(words.get("operation", ""))
    return Refusal(
        429,
        "SubscriptionRequestsThrottled",
        f"Number of '{kind[:-1]}' requests for subscription '{words.get('subscription', '')}' actor "
        f"'{words.get('object', '')}' exceeded. Please try again after '{what.retry_after}' seconds.",
        headers=headers | {f"x-ms-ratelimit-remaining-subscription-{kind}": "0", "x-ms-failure-cause": "gateway"},
    )


def _kind(operation: str) -> str:
    if operation.endswith("_Delete"):
        return "deletes"
    return "writes" if operation.endswith(("_CreateOrUpdate", "_Update")) else "reads"


def _storm(what: kinds.Storm, armed: Armed, call: Call, now: float) -> Refusal | Reply:
    draw = chance(armed.seed, f"{armed.fault.name}/status", armed.tally.matched)
    status = what.statuses[int(draw * len(what.statuses))]
    headers = {"Retry-After": str(what.retry_after)} if what.retry_after is not None else {}
    if what.body == "json":
        refusal = Refusal(status, "InternalServerError", "Encountered internal server error.", headers=headers)
        return replies.refuse(call, refusal, now)
    reply = replies.page(status, what.body)
    reply.headers |= headers
    return reply


def _down(what: kinds.LoginDown | kinds.VaultDown | kinds.ImdsDown, armed: Armed, call: Call, now: float) -> Verdict:
    if what.how in _FATES:
        return _FATES[what.how]
    if what.how == "slow":
        return armed.seconds(what.seconds)
    if what.how == "invalid_client":
        message = (
            "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
            "value, not the client secret ID, for a secret added to the app."
        )
        return replies.refuse(call, Refusal(401, "invalid_client", message), now)
    if what.how == "forbidden":
        message = "Caller is not authorized to perform action on resource."
        return replies.refuse(call, Refusal(403, "Forbidden", message), now)
    if isinstance(what, kinds.ImdsDown):
        return replies.refuse(call, Refusal(what.status, "server_error", "The service is not available."), now)
    return replies.page(what.status, "html")


def spoil(what: Any, reply: Reply) -> None:
    """What an answer becomes, the effect having taken place."""
    if isinstance(what, kinds.Garbage):
        replies.spoiled(reply, what.form)
    else:
        reply.fate = Fate.RESET if isinstance(what, kinds.Reset) else Fate.LOST


def thin_out(armed: Armed, reply: Reply, struck: Callable[[Mapping[str, Any]], bool]) -> bool:
    """Take from a list what the fault takes; `struck` says of each item whether it is hit. True if something was taken."""
    what = armed.fault.what
    if isinstance(what, kinds.PowerStateMissing):
        return replies.without_power(reply, struck) > 0
    if what.how == "missing":
        return replies.without_items(reply, struck) > 0
    if not replies.has_link(reply) or not armed.match():
        return False
    armed.hit("nextLink")
    replies.break_link(reply)
    return True


def failing_boot(armed: Armed, error: tuple[str, str]) -> BootFault:
    """A boot that the operation does not outlive: the guest does not report before the error comes."""
    what = armed.fault.what
    after = what.named.seconds if what.seconds is None else armed.seconds(what.seconds)
    return BootFault(never_ready=True, error=error, error_after=after)


def bad_boot(armed: Armed) -> BootFault:
    """A machine that does not boot as it should."""
    what = armed.fault.what
    return BootFault(
        slower=armed.seconds(what.slower),
        never_ready=what.never_ready,
        failure=what.cloud_init_fails,
        cut_off=what.never_joins,
        dies_after=None if what.dies_after is None else armed.seconds(what.dies_after),
        dead_state=what.dead_state,
    )

"""Throttling: who has drawn how much on which budget, what the answers tell about it, and the two ways of saying no."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slurm_azure.simulator.call import Call
from slurm_azure.simulator.clock import Clock, timestamp
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.throttling import policies
from slurm_azure.simulator.throttling.buckets import Bucket, Buckets, Rate
from slurm_azure.simulator.throttling.policies import FRONT_DOOR, GLOBAL, Policy
from slurm_azure.simulator.throttling.subject import Subject

_LEFT = "x-ms-ratelimit-remaining-"


@dataclass(frozen=True, slots=True)
class _Budget:
    """A bucket, and what it is called in headers and refusals."""

    label: str
    bucket: Bucket


class Throttling:
    """Counts requests against their budgets, unless switched off: then none is counted and no header tells of any.

    A request is refused if one of its buckets is empty, and then it takes a token from none of them. `subject` finds out
    what a request is about. `known` are the object ids of the principals whose budgets another client draws on.
    """

    def __init__(self, clock: Clock, enabled: bool, subject: Callable[[Call], Subject], known: Sequence[str]) -> None:
        self._clock = clock
        self._enabled = enabled
        self._subject = subject
        self._known = known
        self._buckets = Buckets()

    def admit(self, call: Call) -> dict[str, str]:
        """Charge a request to Azure Resource Manager's buckets (call.principal is known); the headers that tell what is left.

        Raises Refusal (429). Status requests of operations count as reads, as all GETs do.
        """
        if not self._enabled:
            return {}
        assert call.principal is not None
        now, kind = self._clock.now(), policies.kind_of(call.method)
        subscription = _subscription(call.path)
        budgets = self._front_door(subscription, call.principal.object_id, kind, now)
        told = _take(budgets)
        if told is None:
            raise self._throttled(call, subscription, kind, budgets, now)
        return {_LEFT + label: str(left) for label, left in told.items()}

    def _front_door(self, subscription: str, principal: str, kind: str, now: float) -> list[_Budget]:
        if not subscription:
            return [self._budget(f"tenant-{kind}", ("tenant", principal, kind), FRONT_DOOR[kind], now)]
        return [
            self._budget(f"subscription-{kind}", (subscription, principal, kind), FRONT_DOOR[kind], now),
            self._budget(f"subscription-global-{kind}", (subscription, kind), GLOBAL[kind], now),
        ]

    def _throttled(self, call: Call, subscription: str, kind: str, budgets: list[_Budget], now: float) -> Refusal:
        """429 of Azure Resource Manager.

        Code and text: an answer of 2026 to a read, quoted word by word in a public repository; the other kinds by analogy. The
        code for tenants is known from public code only; its text has no source.
        """
        assert call.principal is not None
        seconds = _seconds(budgets, now)
        shown = math.ceil(self._clock.real(seconds))
        who = f"subscription '{_own_spelling(call.path)}'" if subscription else "tenant"
        return Refusal(
            429,
            "SubscriptionRequestsThrottled" if subscription else "TenantRequestsThrottled",
            f"Number of '{kind[:-1]}' requests for {who} actor '{call.principal.object_id}' exceeded. "
            f"Please try again after '{shown}' seconds.",
            headers={
                **{_LEFT + budget.label: str(budget.bucket.tokens) for budget in budgets},
                "Retry-After": str(seconds),
                "x-ms-failure-cause": "gateway",
            },
        )

    def admit_provider(self, call: Call) -> dict[str, str]:
        """Charge an authorised request to the resource provider's buckets, by call.operation; the headers that tell what is
        left. Raises Refusal (429)."""
        policy = policies.POLICIES.get(call.operation) if self._enabled else None
        if policy is None:
            return {}
        now, subject = self._clock.now(), self._subject(call)
        if subject.exists:
            policy = policies.OVER_EXISTING.get(policy.name, policy)
        resource = "" if call.operation in policies.SUBSCRIPTION_ONLY else subject.resource
        budgets = self._provider(policy, _subscription(call.path), subject.region, resource, now)
        for budget in budgets:
            budget.bucket.asked += 1
        told = _take(budgets)
        if told is None:
            raise _refused(policy, budgets, now)
        charge = {"x-ms-request-charge": "1"} if policy.provider == "Microsoft.Compute" else {}
        return {**_remaining(policy, told), **charge}

    def _provider(self, policy: Policy, subscription: str, region: str, resource: str, now: float) -> list[_Budget]:
        found = [self._budget(policy.name, (subscription, region, policy.name), policy.subscription, now)]
        if policy.resource is not None and resource:
            key = (subscription, region, policy.name, resource)
            found.append(self._budget(f"{policy.name}Resource", key, policy.resource, now))
        return found

    def _budget(self, label: str, key: tuple[str, ...], rate: Rate, now: float) -> _Budget:
        return _Budget(label, self._buckets.find(key, rate, now))

    def consume(self, what: str, count: int, subscription: str, region: str = "") -> int:
        """Another client makes `count` requests: how many got through, and left that many tokens less to everybody else.

        `what` is a kind of the front door (reads, writes, deletes: it uses the principals that the estate knows, so their
        budgets shrink as well as the subscription's) or a policy (PutVM, HighCostGet ..), then with a region. Raises KeyError.
        Does nothing with throttling off.
        """
        if not self._enabled:
            return 0
        now, subscription = self._clock.now(), subscription.lower()
        if what in FRONT_DOOR:
            whole = self._buckets.find((subscription, what), GLOBAL[what], now)
            taken = whole.take(count)
            for principal in self._known:
                self._buckets.find((subscription, principal, what), FRONT_DOOR[what], now).take(taken)
            return taken
        policy = policies.BY_NAME[what]
        bucket = self._buckets.find((subscription, region, policy.name), policy.subscription, now)
        bucket.asked += count
        return bucket.take(count)

    def __len__(self) -> int:
        """How many buckets are held."""
        return len(self._buckets)


def _take(budgets: list[_Budget]) -> dict[str, int] | None:
    """One token of each: what is left, by label; None (and nothing was taken) if one is empty."""
    if any(budget.bucket.tokens < 1 for budget in budgets):
        return None
    for budget in budgets:
        budget.bucket.take()
    return {budget.label: budget.bucket.tokens for budget in budgets}


def _seconds(budgets: list[_Budget], now: float) -> int:
    """Seconds of the simulated world until all have a token, rounded up: at least 1."""
    return max(1, math.ceil(max(budget.bucket.wait(now) for budget in budgets)))


def _remaining(policy: Policy, left: dict[str, int]) -> dict[str, str]:
    """ "Call rate informational response headers"; several policies joined by commas, as recorded answers have it."""
    return {f"{_LEFT}resource": ",".join(f"{policy.provider}/{label};{count}" for label, count in left.items())}


def _refused(policy: Policy, budgets: list[_Budget], now: float) -> Refusal:
    left = {budget.label: budget.bucket.tokens for budget in budgets}
    headers = {**_remaining(policy, left), "Retry-After": str(_seconds(budgets, now))}
    if policy.provider != "Microsoft.Compute":
        # That Microsoft.Network answers 429 is documented, code and words are not.
        message = "The server rejected the request because too many requests have been received for this subscription."
        return Refusal(429, "TooManyRequests", message, headers=headers)
    empty = next(budget for budget in budgets if budget.bucket.tokens < 1)
    return Refusal(
        429,
        "OperationNotAllowed",
        "The server rejected the request because too many requests have been received for this subscription.",
        headers=headers,
        details=[{"code": "TooManyRequests", "target": empty.label, "message": _measured(empty)}],
        enveloped=False,
    )


def _measured(budget: _Budget) -> str:
    """The JSON text within Compute's 429 ("Troubleshooting API throttling errors")."""
    began, ends = budget.bucket.window()
    return json.dumps(
        {
            "operationGroup": budget.label,
            "startTime": timestamp(began),
            "endTime": timestamp(ends),
            "allowedRequestCount": budget.bucket.began,
            "measuredRequestCount": budget.bucket.asked,
        },
        separators=(",", ":"),
    )


def _own_spelling(path: str) -> str:
    parts = path.split("/", 3)
    return parts[2] if len(parts) > 2 and parts[1].lower() == "subscriptions" else ""


def _subscription(path: str) -> str:
    """The subscription that a path names, in lower case; '' for requests to the tenant."""
    return _own_spelling(path).lower()

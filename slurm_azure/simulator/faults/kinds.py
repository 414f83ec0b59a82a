"""The kinds of faults and their parameters. Spans of time are in seconds, as a number or a distribution (`uniform(1,3)`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, ClassVar, get_args

from slurm_azure.simulator.faults import catalog, parameters
from slurm_azure.simulator.faults.parameters import Expected, choice, span, text, whole
from slurm_azure.simulator.offering import Answer
from slurm_azure.simulator.throttling.policies import BY_NAME, FRONT_DOOR
from slurm_azure.simulator.timing import Distribution, constant


class Stage(Enum):
    """Where a fault strikes: a request before it has an effect, its answer, an allocation, a boot, a deletion; a state that
    lasts as long as the fault is in force; or by itself, at its time."""

    REQUEST = "request"
    ANSWER = "answer"
    ALLOCATION = "allocation"
    BOOT = "boot"
    DELETION = "deletion"
    STATE = "state"
    INTERVENTION = "intervention"


_BODY = choice("json", "plain", "html", "empty")
_WHEN = choice("before", "after")
_ERROR = whole(400, 599)
_HALF_A_MINUTE, _NONE = constant(30.0), constant(0.0)


@dataclass(frozen=True, slots=True)
class Error:
    """A request is refused (`when: sync`), or the operation it begins fails `seconds` later (`when: async`): any that looks for
    a host, unless `operation` names others. `code` is one of Azure's, which then brings its own status, words and `when`, or
    any other."""

    default: ClassVar[tuple[str, ...]] = ("arm",)
    code: Annotated[str, text]
    status: Annotated[int | None, _ERROR] = None
    message: Annotated[str | None, text] = None
    target: Annotated[str | None, text] = None
    details: Annotated[tuple[Mapping[str, str], ...], parameters.details] = ()
    headers: Annotated[tuple[tuple[str, str], ...], parameters.headers] = ()
    when: Annotated[str | None, choice(catalog.SYNC, catalog.ASYNC)] = None
    seconds: Annotated[Distribution | None, span] = None
    body: Annotated[str | None, _BODY] = None

    def __post_init__(self) -> None:
        if self.nature != catalog.SYNC and (
            self.status is not None or self.headers or self.body or self.details or self.target
        ):
            raise Expected("an error of an operation has a code and a message, no status, headers, body, target or details")
        if self.nature == catalog.SYNC and self.seconds is not None:
            raise Expected("seconds are for errors with `when: async`")

    @property
    def named(self) -> catalog.NamedError | None:
        """What is known of the code."""
        return catalog.NAMED.get(self.code)

    @property
    def nature(self) -> str:
        """sync, async or boot."""
        if self.when is not None and not (self.when == catalog.ASYNC and self.named and self.named.nature == catalog.BOOT):
            return self.when
        return self.named.nature if self.named else catalog.SYNC

    @property
    def stage(self) -> Stage:
        """A sync error strikes the request, the others the VM."""
        return {catalog.SYNC: Stage.REQUEST, catalog.ASYNC: Stage.ALLOCATION, catalog.BOOT: Stage.BOOT}[self.nature]


@dataclass(frozen=True, slots=True)
class Latency:
    """Requests wait `seconds` before they are handled (`when: before`), or their answers before they are sent."""

    default: ClassVar[tuple[str, ...]] = ("arm",)
    seconds: Annotated[Distribution, span]
    when: Annotated[str, _WHEN] = "before"

    @property
    def stage(self) -> Stage:
        """Before or after the effect."""
        return Stage.REQUEST if self.when == "before" else Stage.ANSWER


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset (TCP RST) before the request has an effect, or after it, in place of the answer."""

    default: ClassVar[tuple[str, ...]] = ("arm",)
    when: Annotated[str, _WHEN] = "before"

    @property
    def stage(self) -> Stage:
        """Before or after the effect."""
        return Stage.REQUEST if self.when == "before" else Stage.ANSWER


@dataclass(frozen=True, slots=True)
class Lost:
    """There is no answer, the connection stays open: the request was lost (`before`), or had its effect (`after`)."""

    default: ClassVar[tuple[str, ...]] = ("arm",)
    when: Annotated[str, _WHEN] = "after"

    @property
    def stage(self) -> Stage:
        """Before or after the effect."""
        return Stage.REQUEST if self.when == "before" else Stage.ANSWER


@dataclass(frozen=True, slots=True)
class Garbage:
    """The answer's status is right and its body is not: JSON that breaks off, a page of HTML, nothing, or JSON of another
    shape."""

    stage: ClassVar[Stage] = Stage.ANSWER
    default: ClassVar[tuple[str, ...]] = ("arm",)
    form: Annotated[str, choice("truncated", "html", "empty", "shape")] = "truncated"


@dataclass(frozen=True, slots=True)
class Throttle:
    """429 with Retry-After, in the words of Resource Manager (`arm`) or of Compute, whose body has no `error` around it
    ("Understand how Azure Resource Manager throttles requests", "Troubleshooting API throttling errors")."""

    stage: ClassVar[Stage] = Stage.REQUEST
    default: ClassVar[tuple[str, ...]] = ("arm",)
    by: Annotated[str, choice("arm", "compute")] = "arm"
    retry_after: Annotated[int, whole(0, 86400)] = 10
    policy: Annotated[str, text] = "PutVM"


@dataclass(frozen=True, slots=True)
class Storm:
    """Requests fail with 5xx, one of `statuses` by chance, for `seconds` (or for the fault's window)."""

    stage: ClassVar[Stage] = Stage.REQUEST
    default: ClassVar[tuple[str, ...]] = ("arm",)
    statuses: Annotated[tuple[int, ...], parameters.wholes(500, 599)] = (503,)
    body: Annotated[str, _BODY] = "html"
    seconds: Annotated[float | None, parameters.number] = None
    retry_after: Annotated[int | None, whole(0, 86400)] = None


@dataclass(frozen=True, slots=True)
class ListIncomplete:
    """A list is not whole: a matching VM is `missing` from its page; the `link` to the next page is broken (400 when it is
    followed); or a `page` after the first fails with `status`."""

    default: ClassVar[tuple[str, ...]] = ("lists",)
    how: Annotated[str, choice("missing", "link", "page")] = "missing"
    status: Annotated[int, _ERROR] = 500

    @property
    def stage(self) -> Stage:
        """A page that fails is never looked up."""
        return Stage.REQUEST if self.how == "page" else Stage.ANSWER


@dataclass(frozen=True, slots=True)
class PowerStateMissing:
    """The list with statusOnly=true lacks the power state of matching VMs, as Azure's may ("States and billing status")."""

    stage: ClassVar[Stage] = Stage.ANSWER
    default: ClassVar[tuple[str, ...]] = ("VirtualMachines_ListAll",)


@dataclass(frozen=True, slots=True)
class LoginDown:
    """The token endpoint fails: with `status`, a `reset`, no answer (`lost`), an answer after `seconds` (`slow`), or it says
    that it does not know the client's secret (`invalid_client`, AADSTS7000215)."""

    stage: ClassVar[Stage] = Stage.REQUEST
    default: ClassVar[tuple[str, ...]] = ("login",)
    how: Annotated[str, choice("error", "reset", "lost", "slow", "invalid_client")] = "error"
    status: Annotated[int, _ERROR] = 503
    seconds: Annotated[Distribution, span] = _HALF_A_MINUTE


@dataclass(frozen=True, slots=True)
class VaultDown:
    """Key vaults fail: with `status`, a `reset`, no answer (`lost`), an answer after `seconds` (`slow`), or say
    `forbidden`."""

    stage: ClassVar[Stage] = Stage.REQUEST
    default: ClassVar[tuple[str, ...]] = ("vault",)
    how: Annotated[str, choice("error", "reset", "lost", "slow", "forbidden")] = "error"
    status: Annotated[int, _ERROR] = 503
    seconds: Annotated[Distribution, span] = _HALF_A_MINUTE


@dataclass(frozen=True, slots=True)
class ImdsDown:
    """The metadata service fails: with `status`, a `reset`, no answer (`lost`), or an answer after `seconds` (`slow`)."""

    stage: ClassVar[Stage] = Stage.REQUEST
    default: ClassVar[tuple[str, ...]] = ("imds",)
    how: Annotated[str, choice("error", "reset", "lost", "slow")] = "error"
    status: Annotated[int, _ERROR] = 500
    seconds: Annotated[Distribution, span] = _HALF_A_MINUTE


@dataclass(frozen=True, slots=True)
class Boot:
    """A machine boots badly: `slower`, without ever being ready, without ever reaching the network (`never_joins`), with a
    cloud-init that fails (with these words), or it is dead `dies_after` its power-on, or evicted `evicted_after` it."""

    stage: ClassVar[Stage] = Stage.BOOT
    default: ClassVar[None] = None
    slower: Annotated[Distribution, span] = _NONE
    never_ready: Annotated[bool, parameters.flag] = False
    never_joins: Annotated[bool, parameters.flag] = False
    cloud_init_fails: Annotated[str | None, text] = None
    dies_after: Annotated[Distribution | None, span] = None
    dead_state: Annotated[str, choice("stopped", "running", "deallocated")] = "stopped"
    evicted_after: Annotated[Distribution | None, span] = None


@dataclass(frozen=True, slots=True)
class SlowDelete:
    """A deletion takes `seconds` longer."""

    stage: ClassVar[Stage] = Stage.DELETION
    default: ClassVar[None] = None
    seconds: Annotated[Distribution, span]


@dataclass(frozen=True, slots=True)
class FailedDelete:
    """A deletion is begun and fails in the end: the VM stays, Failed."""

    stage: ClassVar[Stage] = Stage.DELETION
    default: ClassVar[None] = None
    code: Annotated[str, text] = "InternalExecutionError"
    message: Annotated[str, text] = "An internal execution error occurred. Please retry later."
    seconds: Annotated[Distribution, span] = _NONE


@dataclass(frozen=True, slots=True)
class ListLag:
    """Lists of VMs show the world as it was `seconds` ago."""

    stage: ClassVar[Stage] = Stage.STATE
    default: ClassVar[None] = None
    seconds: Annotated[float, parameters.number]


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """The clock of the token endpoint and of the check of tokens is `seconds` ahead (negative: behind)."""

    stage: ClassVar[Stage] = Stage.STATE
    default: ClassVar[None] = None
    seconds: Annotated[float, parameters.signed]


@dataclass(frozen=True, slots=True)
class Pause:
    """The simulator answers nothing for `seconds`; what was asked in the meantime is answered afterwards."""

    stage: ClassVar[Stage] = Stage.REQUEST
    default: ClassVar[None] = None
    seconds: Annotated[float, parameters.positive]


@dataclass(frozen=True, slots=True)
class Capacity:
    """There are `hosts` for VMs of a size, zone and priority only, of which those in use are taken. `answer` is the error where
    there is none left; unless told, what the VM asks for decides."""

    stage: ClassVar[Stage] = Stage.INTERVENTION
    default: ClassVar[None] = None
    hosts: Annotated[int, whole(0)]
    size: Annotated[str, text] = "*"
    zone: Annotated[str, text] = "*"
    priority: Annotated[str, choice("*", "Regular", "Spot")] = "*"
    answer: Annotated[Any, choice(*get_args(Answer))] = None


@dataclass(frozen=True, slots=True)
class Quota:
    """The quota `usage` (cores, lowPriorityCores, virtualMachines or a family such as standardDSv5Family) is `limit`."""

    stage: ClassVar[Stage] = Stage.INTERVENTION
    default: ClassVar[None] = None
    usage: Annotated[str, text]
    limit: Annotated[int, whole(0)]
    subscription: Annotated[str | None, text] = None


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a size is `usd` an hour."""

    stage: ClassVar[Stage] = Stage.INTERVENTION
    default: ClassVar[None] = None
    size: Annotated[str, text]
    usd: Annotated[float, parameters.number]
    priority: Annotated[str, choice("Regular", "Spot")] = "Spot"


@dataclass(frozen=True, slots=True)
class AnotherClient:
    """Somebody else uses up `requests` of a budget: `reads`, `writes` or `deletes` of Resource Manager, or a policy of Compute
    in a region ("Compute throttling limits")."""

    stage: ClassVar[Stage] = Stage.INTERVENTION
    default: ClassVar[None] = None
    requests: Annotated[int, whole(1)]
    budget: Annotated[str, choice(*FRONT_DOOR, *BY_NAME)] = "writes"
    region: Annotated[str | None, text] = None
    subscription: Annotated[str | None, text] = None


@dataclass(frozen=True, slots=True)
class Evict:
    """Azure takes back `vms` (a number, or all) Spot VMs, each with a Preempt event `notice` before."""

    stage: ClassVar[Stage] = Stage.INTERVENTION
    default: ClassVar[None] = None
    vms: Annotated[int | None, parameters.many_or_all] = 1
    notice: Annotated[float, parameters.number] = 30.0


@dataclass(frozen=True, slots=True)
class Die:
    """The machines of `vms` die; Azure shows them as `state`."""

    stage: ClassVar[Stage] = Stage.INTERVENTION
    default: ClassVar[None] = None
    vms: Annotated[int | None, parameters.many_or_all] = 1
    state: Annotated[str, choice("stopped", "running", "deallocated")] = "stopped"


@dataclass(frozen=True, slots=True)
class ScheduledEvent:
    """A maintenance event is announced to `vms` and takes place `notice` later (unless told, the least that is documented)."""

    stage: ClassVar[Stage] = Stage.INTERVENTION
    default: ClassVar[None] = None
    event: Annotated[str, choice("Freeze", "Reboot", "Redeploy", "Terminate")]
    vms: Annotated[int | None, parameters.many_or_all] = 1
    notice: Annotated[float | None, parameters.number] = None


@dataclass(frozen=True, slots=True)
class Vanish:
    """`vms` are deleted by somebody else; with `at_once` they are gone the same moment."""

    stage: ClassVar[Stage] = Stage.INTERVENTION
    default: ClassVar[None] = None
    vms: Annotated[int | None, parameters.many_or_all] = 1
    at_once: Annotated[bool, parameters.flag] = False


@dataclass(frozen=True, slots=True)
class Stranger:
    """Something appears that nobody asked for: a VM (with interface and disk), a network interface or a disk, with `tags`."""

    stage: ClassVar[Stage] = Stage.INTERVENTION
    default: ClassVar[None] = None
    resource: Annotated[str, choice("vm", "nic", "disk")] = "vm"
    name: Annotated[str, text] = "stranger"
    resource_group: Annotated[str | None, text] = None
    tags: Annotated[tuple[tuple[str, str], ...], parameters.mapping] = ()
    size: Annotated[str, text] = "Standard_D2s_v5"
    subnet: Annotated[str | None, text] = None


KINDS: Mapping[str, type[Any]] = {
    "error": Error,
    "latency": Latency,
    "reset": Reset,
    "lost": Lost,
    "garbage": Garbage,
    "throttle": Throttle,
    "another_client": AnotherClient,
    "storm": Storm,
    "list_lag": ListLag,
    "list_incomplete": ListIncomplete,
    "power_state_missing": PowerStateMissing,
    "login_down": LoginDown,
    "vault_down": VaultDown,
    "imds_down": ImdsDown,
    "clock_skew": ClockSkew,
    "pause": Pause,
    "boot": Boot,
    "slow_delete": SlowDelete,
    "failed_delete": FailedDelete,
    "capacity": Capacity,
    "quota": Quota,
    "price": Price,
    "evict": Evict,
    "die": Die,
    "scheduled_event": ScheduledEvent,
    "vanish": Vanish,
    "stranger": Stranger,
}

# Kinds whose `seconds` are the length of the window they are in force.
WINDOWED = (Storm, Pause)

# Kinds that hold limits and prices, in regions that are named and not matched.
LIMITS = (Capacity, Quota, Price)

# Kinds that strike the items of a list one by one; their matchers of VMs are about those.
BY_ITEM = (ListIncomplete, PowerStateMissing)


def stage(what: Any) -> Stage:
    """Where a fault of that kind strikes."""
    found: Stage = what.stage
    return found

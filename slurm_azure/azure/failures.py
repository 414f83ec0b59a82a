"""What Azure's error codes mean here: one table from code (and words, where a code is ambiguous) to reason, blame, scope and
remedy.

Codes and texts are from Microsoft Learn, "Error messages - Azure Virtual Machines", "Error codes for Azure Spot Virtual
Machines", "Resolve errors for resource quotas" and "Troubleshoot allocation failures"; where those are silent, from public
threads that show what Azure sent. Codes arrive in three ways: as the answer to a create call, as the instance view of a
VM whose provisioning failed (`ProvisioningState/failed/CODE`), and inside the `details` of another error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from slurm_azure.model import Blame, Failure, FailureReason, PoolName, Scope

DETAIL_LIMIT = 300
"""Characters of `Failure.detail`: it becomes a node's Reason, which has to be readable in `sinfo -R`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: errors of any of `codes` whose message contains `words` (regular expression, any case) mean `reason`, are the
    affair of `blame`, and speak of `scope`: that is what cools down (lifecycle/offers.py), and beyond it another offer may
    help."""

    codes: tuple[str, ...]
    reason: FailureReason
    blame: Blame
    scope: Scope
    remedy: str
    words: str = ""

    def has_words(self, message: str) -> bool:
        """Whether this row's words are in `message` (a row without words takes any)."""
        return re.search(self.words, message, re.IGNORECASE) is not None


_R, _B, _S = FailureReason, Blame, Scope
_QUOTA = ("OperationNotAllowed", "QuotaExceeded", "Conflict")
_PUT_OVER = "a VM of that name was there already; the next launch has another name"
_AGAIN = "a fault of Azure's; the next launch may work"
_MORE = "add another size or zone to the pool"
_PARAMETER = ("InvalidParameter", "BadRequest", "InvalidRequestContent", "InvalidRequestFormat")

RULES: tuple[Rule, ...] = (
    # Quota kinds share one code: only the words tell them apart. Smaller sizes may still fit, whichever quota it is.
    Rule(
        _QUOTA,
        _R.QUOTA,
        _B.QUOTA,
        _S.SIZE,
        "ask Azure for more Spot cores (usage lowPriorityCores)",
        r"low.?priority.?cores|spot .*quota",
    ),
    Rule(_QUOTA, _R.QUOTA, _B.QUOTA, _S.SIZE, "ask Azure for more cores in this region", r"regional .*quota"),
    Rule(
        _QUOTA, _R.QUOTA, _B.QUOTA, _S.SIZE, "ask Azure for more cores of this VM family", r"(cores|vcpus) quota|family .*quota"
    ),
    Rule(_QUOTA, _R.QUOTA, _B.QUOTA, _S.SIZE, "ask Azure for a higher quota", r"quota"),
    Rule(("QuotaExceeded", "ResourceQuotaExceeded"), _R.QUOTA, _B.QUOTA, _S.SIZE, "ask Azure for a higher quota"),
    # No room in Azure: another size, zone or priority may have some.
    Rule(("SkuNotAvailable",), _R.CAPACITY, _B.CAPACITY, _S.OFFER, _MORE, r"\bzones? '[^']+'"),
    Rule(("SkuNotAvailable",), _R.CAPACITY, _B.CAPACITY, _S.SIZE, _MORE),
    Rule(("ZonalAllocationFailed",), _R.CAPACITY, _B.CAPACITY, _S.OFFER, _MORE),
    Rule(("AllocationFailed",), _R.CAPACITY, _B.CAPACITY, _S.OFFER, _MORE, r"in this zone|\bzone '?\d"),
    Rule(("AllocationFailed", "InsufficientCapacity"), _R.CAPACITY, _B.CAPACITY, _S.SIZE, _MORE),
    Rule(
        ("OverconstrainedAllocationRequest", "OverconstrainedZonalAllocationRequest"),
        _R.CAPACITY,
        _B.CAPACITY,
        _S.OFFER,
        "add another size or zone, or drop a constraint such as ephemeral disks",
    ),
    # Spot.
    Rule(
        ("SpotPriceGreaterThanProvidedMaxPrice",),
        _R.SPOT_PRICE,
        _B.CAPACITY,
        _S.SIZE,
        "raise pools.NAME.spot.max_price, or set spot.fallback",
    ),
    Rule(
        ("AzureSpotFeatureNotEnabledForSubscription",),
        _R.CONFIGURATION,
        _B.CONFIGURATION,
        _S.PRIORITY,
        "this subscription may not use Spot: set priority: on-demand",
    ),
    Rule(
        ("AzureSpotIsNotSupportedForThisVMSize",),
        _R.CONFIGURATION,
        _B.CONFIGURATION,
        _S.SIZE,
        "take sizes that can be Spot, or set priority: on-demand",
    ),
    Rule(
        (
            "MaxPriceValueInvalid",
            "EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines",
            "AzureSpotVMNotSupportedInAvailabilitySet",
            "AzureSpotIsNotSupportedForThisAPIVersion",
            "PriorityVMDoesNotSupportEvictionPolicy",
        ),
        _R.CONFIGURATION,
        _B.CONFIGURATION,
        _S.POOL,
        "see pools.NAME.priority and .spot",
    ),
    # Faults and queues of Azure's own: nothing is wrong with what was asked for.
    Rule(
        ("OperationNotAllowed", "Conflict", "TooManyRequests"),
        _R.TRANSIENT,
        _B.THROTTLING,
        _S.LAUNCH,
        "Azure's request budgets: see limits.requests",
        r"too many requests|throttl",
    ),
    Rule(
        (
            "TooManyRequests",
            "SubscriptionRequestsThrottled",
            "ResourceCollectionRequestsThrottled",
            "ResourceRequestsThrottled",
            "ServerBusy",
        ),
        _R.TRANSIENT,
        _B.THROTTLING,
        _S.LAUNCH,
        "Azure is busy, or our request budgets are spent: see limits.requests",
    ),
    Rule(
        ("OperationNotAllowed",),
        _R.TRANSIENT,
        _B.TRANSIENT,
        _S.LAUNCH,
        "the VM is busy or going; the next launch has its own",
        r"marked for deletion|another operation is in progress",
    ),
    Rule(("Conflict",), _R.TRANSIENT, _B.TRANSIENT, _S.LAUNCH, _AGAIN, r"concurrent|another operation|in progress"),
    Rule(
        (
            "NetworkingInternalOperationError",
            "RetryableError",
            "RetryableErrorDueToAnotherOperation",
            "AnotherOperationInProgress",
            "OperationPreempted",
            "OperationPreemptedByAnotherOperation",
            "InternalExecutionError",
            "InternalOperationError",
            "InternalServerError",
            "InternalError",
            "ServiceUnavailable",
            "ServiceTimeout",
            "GatewayTimeout",
            "BadGateway",
            "OperationTimedOut",
            "AllocationTimedOut",
        ),
        _R.TRANSIENT,
        _B.TRANSIENT,
        _S.LAUNCH,
        _AGAIN,
    ),
    # The network, one for the whole site.
    Rule(("SubnetIsFull",), _R.NETWORK, _B.CONFIGURATION, _S.SITE, "give the subnet more addresses (Azure keeps five of each)"),
    Rule(
        ("BadRequest", "InvalidRequestFormat"),
        _R.NETWORK,
        _B.CONFIGURATION,
        _S.SITE,
        "give the subnet more addresses",
        r"does not have enough capacity for",
    ),
    Rule(
        ("InvalidResourceReference",),
        _R.NETWORK,
        _B.CONFIGURATION,
        _S.SITE,
        "see azure.subnet and azure.network_security_group",
    ),
    # The image.
    Rule(("NotFound", "ResourceNotFound"), _R.IMAGE, _B.IMAGE, _S.POOL, "see pools.NAME.image", r"image"),
    Rule(
        ("ImageNotFound", "PlatformImageNotFound", "GalleryImageNotFound", "ImageVersionDeprecated"),
        _R.IMAGE,
        _B.IMAGE,
        _S.POOL,
        "see pools.NAME.image",
    ),
    Rule(
        ("VMMarketplaceInvalidInput", "ResourcePurchaseValidationFailed", "MarketplacePurchaseEligibilityFailed"),
        _R.IMAGE,
        _B.IMAGE,
        _S.POOL,
        "set pools.NAME.image.plan: true, and accept the terms once (az vm image terms accept)",
    ),
    # ... and what one VM has shown of it: the pool's breaker counts these.
    Rule(
        ("OSProvisioningClientError", "OSProvisioningInternalError"),
        _R.IMAGE,
        _B.IMAGE,
        _S.LAUNCH,
        "the image cannot be provisioned: see its cloud-init and Azure agent",
    ),
    Rule(
        ("DiskProcessingError", "DiskPreparationError"),
        _R.IMAGE,
        _B.IMAGE,
        _S.LAUNCH,
        "the image's disk could not be copied: see pools.NAME.image",
    ),
    Rule(("DiskBlobNotFound",), _R.IMAGE, _B.IMAGE, _S.POOL, "the image's disk cannot be read: see pools.NAME.image"),
    Rule(
        ("InvalidParameter",),
        _R.IMAGE,
        _B.IMAGE,
        _S.SIZE,
        "the size and pools.NAME.image do not go together",
        r"hypervisor generation|cannot boot",
    ),
    Rule(
        ("InvalidParameter",),
        _R.IMAGE,
        _B.IMAGE,
        _S.POOL,
        "see pools.NAME.image",
        r"imageReference|osDisk\.image|\bimage\b",
    ),
    # Booting: the breaker's affair, too.
    Rule(("OSProvisioningTimedOut",), _R.BOOT, _B.IMAGE, _S.LAUNCH, "slurm-azure why NODE --console"),
    Rule(("VMStartTimedOut",), _R.BOOT, _B.TRANSIENT, _S.LAUNCH, "slurm-azure why NODE --console"),
    Rule(
        ("VMExtensionProvisioningError", "VMExtensionProvisioningTimeout", "VMExtensionHandlerNonTransientError"),
        _R.BOOT,
        _B.IMAGE,
        _S.LAUNCH,
        "see the VM's extensions",
    ),
    Rule(
        ("VMExtensionManagementInternalError", "VMAgentStatusCommunicationError"),
        _R.BOOT,
        _B.IMAGE,
        _S.LAUNCH,
        "slurm-azure why NODE --console",
    ),
    # What we may do. Policies are told apart by their names, of which Azure's words are made.
    Rule(
        ("RequestDisallowedByPolicy",),
        _R.POLICY,
        _B.POLICY,
        _S.SIZE,
        "a policy of the subscription forbids this size: take another, or have it exempted",
        r"(?s)by policy.*(\bskus?\b|\bsizes?\b)",
    ),
    Rule(
        ("RequestDisallowedByPolicy",),
        _R.POLICY,
        _B.POLICY,
        _S.POOL,
        "a policy of the subscription forbids what the pool asks for: see its image, disks and tags",
        r"(?s)by policy.*(\bimages?\b|\bdisks?\b|\btags?\b|encrypt)",
    ),
    Rule(
        ("RequestDisallowedByPolicy", "ScopeLocked", "RequestDisallowedByAzure"),
        _R.POLICY,
        _B.POLICY,
        _S.SITE,
        "a policy or lock of the subscription forbids it",
    ),
    Rule(
        ("AuthorizationFailed",),
        _R.PERMISSION,
        _B.PERMISSION,
        _S.SITE,
        "give the daemon's identity its role on azure.resource_group",
    ),
    Rule(
        ("LinkedAuthorizationFailed", "LinkedAccessCheckFailed"),
        _R.PERMISSION,
        _B.PERMISSION,
        _S.POOL,
        "the daemon's identity must be allowed to read pools.NAME.image",
        r"'Microsoft\.Compute/(images|galleries)",
    ),
    Rule(
        ("LinkedAuthorizationFailed", "LinkedAccessCheckFailed"),
        _R.PERMISSION,
        _B.PERMISSION,
        _S.SITE,
        "the daemon's identity must be allowed to join the subnet, read the image and assign the node identity",
    ),
    Rule(
        ("Forbidden", "AuthenticationFailed", "InvalidAuthenticationToken", "ExpiredAuthenticationToken"),
        _R.PERMISSION,
        _B.PERMISSION,
        _S.SITE,
        "see azure.credential and its role",
    ),
    # The configuration, or the subscription's state.
    Rule(
        ("MissingSubscriptionRegistration", "SubscriptionNotRegistered", "NoRegisteredProviderFound"),
        _R.CONFIGURATION,
        _B.CONFIGURATION,
        _S.SITE,
        "register it once: az provider register --namespace Microsoft.Compute (and Microsoft.Network)",
    ),
    Rule(("ResourceGroupNotFound",), _R.CONFIGURATION, _B.CONFIGURATION, _S.SITE, "see azure.resource_group"),
    Rule(
        ("SubscriptionNotFound", "InvalidSubscriptionId"),
        _R.CONFIGURATION,
        _B.CONFIGURATION,
        _S.SITE,
        "see azure.subscription",
    ),
    Rule(
        ("ReadOnlyDisabledSubscription",),
        _R.CONFIGURATION,
        _B.CONFIGURATION,
        _S.SITE,
        "the subscription is disabled: it has to be enabled again (billing)",
    ),
    Rule(
        ("LocationNotAvailableForResourceType", "InvalidLocation"),
        _R.CONFIGURATION,
        _B.CONFIGURATION,
        _S.SITE,
        "see azure.location",
    ),
    Rule(
        ("AvailabilityZoneNotSupported", "InvalidAvailabilityZone"),
        _R.CONFIGURATION,
        _B.CONFIGURATION,
        _S.OFFER,
        "see pools.NAME.zones",
    ),
    Rule(
        _PARAMETER,
        _R.CONFIGURATION,
        _B.CONFIGURATION,
        _S.SIZE,
        "see pools.NAME.sizes",
        r"VM size|vmSize|hardwareProfile",
    ),
    # A PUT over a VM that is there: its name has the launch's id, so it is ours, and of an earlier call of the same launch.
    Rule(
        ("PropertyChangeNotAllowed", "VMPriorityCannotBeApplied", "MaxPriceChangeNotAllowedForAllocatedVMs"),
        _R.TRANSIENT,
        _B.TRANSIENT,
        _S.LAUNCH,
        _PUT_OVER,
    ),
    Rule(
        (
            *_PARAMETER,
            "InvalidTemplate",
            "ResourceNotFound",
            "NotFound",
            "LinkedInvalidPropertyId",
            "NotSupported",
            "PreconditionFailed",
        ),
        _R.CONFIGURATION,
        _B.CONFIGURATION,
        _S.POOL,
        "see pools.NAME",
    ),
)
"""First match counts: rows with `words` stand before the row that takes the rest of their code."""

_BY_CODE: dict[str, list[Rule]] = {}
for _rule in RULES:
    for _code in _rule.codes:
        _BY_CODE.setdefault(_code.lower(), []).append(_rule)

_WRAPPERS = frozenset({"deploymentfailed", "resourcedeploymentfailure", "resourceoperationfailure", "multipleerrorsoccurred"})


def classify(code: str, message: str, status: int = 0) -> Failure:
    """Why Azure did not make a VM. `code` and `message` are its own words, `status` the HTTP status (0 = not an answer).

    The detail is one line of at most 300 characters: Azure's code and words, then the remedy in brackets
    (`addressed` puts the pool's name in). A code that
    is not in the table keeps its words; its HTTP status may tell what it is, else it is UNKNOWN, and treated as if this offer
    could not be had: others are tried, and this one not again at once.
    """
    rule = find_rule(code, message)
    if rule is None:
        shown = code or (f"HTTP {status}" if status else "no code")
        reason, scope, blame = _by_status(status)
        return Failure(reason, one_line(f"{shown}: {message}"), scope, blame)
    remedy = f" [{rule.remedy}]"
    detail = one_line(f"{code}: {_missing_right(message) or message}", DETAIL_LIMIT - len(remedy)) + remedy
    return Failure(rule.reason, detail, rule.scope, rule.blame)


def addressed(failure: Failure, pool: PoolName) -> Failure:
    """`failure` of a launch in `pool`, with that name in the remedy."""
    cause, bracket, remedy = failure.detail.rpartition(" [")
    if not bracket:
        return failure
    return replace(failure, detail=cause + bracket + remedy.replace("pools.NAME", f"pools.{pool}"))


def _by_status(status: int) -> tuple[FailureReason, Scope, Blame]:
    """What an HTTP status alone says of a failure."""
    if status == 429:
        return _R.TRANSIENT, _S.LAUNCH, _B.THROTTLING
    if status == 408 or status >= 500:
        return _R.TRANSIENT, _S.LAUNCH, _B.TRANSIENT
    if status == 401:
        return _R.PERMISSION, _S.SITE, _B.PERMISSION
    return _R.UNKNOWN, _S.OFFER, _B.CONFIGURATION


_MISSING = re.compile(
    r"does not have (?:authorization|permission) to perform action(?:\(s\))? '(?P<action>[^']+)' "
    r"(?:over scope|on the linked scope\(s\)) '(?P<scope>[^']*)'"
)


def _missing_right(message: str) -> str | None:
    """The action and the scope of a refusal for want of rights. Azure puts up to three ids before them, and a node's Reason
    has no room for those."""
    found = _MISSING.search(message)
    return None if found is None else f"no right to {found['action']} at {found['scope']}"


def find_rule(code: str, message: str) -> Rule | None:
    """The row of the table that is about this error."""
    return next((rule for rule in _BY_CODE.get(code.lower(), ()) if rule.has_words(message)), None)


def innermost(error: object, depth: int = 5) -> tuple[str, str]:
    """The code and message that tell most in an error body, which may hide the cause in `details` (ARM's CloudError).

    A detail counts where the outer code says nothing of its own: wrappers, and codes the table does not know. `depth` is
    how many layers are looked through.
    """
    code, message, details = _parts(error)
    below = (innermost(detail, depth - 1) for detail in details if depth > 0)
    inner = next((found for found in below if found[0]), None)
    if inner is None:
        return code, message
    says_nothing = code.lower() in _WRAPPERS or (find_rule(code, message) is None and find_rule(*inner) is not None)
    return inner if says_nothing else (code, message)


def _parts(error: object) -> tuple[str, str, list[object]]:
    if not isinstance(error, dict):
        return "", "", []
    body = error.get("error", error)
    if not isinstance(body, dict):
        return "", str(body), []
    details = body.get("details")
    return str(body.get("code") or ""), str(body.get("message") or ""), details if isinstance(details, list) else []


_SECRETS = re.compile(
    r"(eyJ[\w-]{8,}\.[\w-]+(\.[\w-]*)?)|((?<=[?&\s])(sig|client_secret|client_assertion|access_token|password)=[^&\s\"']+)|(Bearer\s+[\w.~+/-]+=*)",
    re.IGNORECASE,
)


def one_line(text: str, limit: int = DETAIL_LIMIT) -> str:
    """`text` on one line of at most `limit` characters, control characters and anything like a credential taken out."""
    clean = " ".join(_SECRETS.sub("[removed]", re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)).split())
    return clean if len(clean) <= limit else clean[: max(0, limit - 3)].rstrip() + "..."

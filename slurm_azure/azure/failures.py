"""What Azure's error codes mean here: one table from code (and words, where a code is ambiguous) to reason and remedy.

Codes and texts are from Microsoft Learn, "Error messages - Azure Virtual Machines", "Error codes for Azure Spot Virtual
Machines", "Resolve errors for resource quotas" and "Troubleshoot allocation failures"; where those are silent, from public
threads that show what Azure sent. Codes arrive in three ways: as the answer to a create call, as the instance view of a
VM whose provisioning failed (`ProvisioningState/failed/CODE`), and inside the `details` of another error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from slurm_azure.model import Failure, FailureReason

DETAIL_LIMIT = 300
"""Characters of `Failure.detail`: it becomes a node's Reason, which has to be readable in `sinfo -R`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: errors of any of `codes` whose message contains `words` (regular expression, any case) mean `reason`."""

    codes: tuple[str, ...]
    reason: FailureReason
    remedy: str
    words: str = ""

    def has_words(self, message: str) -> bool:
        """Whether this row's words are in `message` (a row without words takes any)."""
        return re.search(self.words, message, re.IGNORECASE) is not None


_R = FailureReason
_QUOTA = ("OperationNotAllowed", "QuotaExceeded", "Conflict")

RULES: tuple[Rule, ...] = (
    # Quota kinds share one code: only the words tell them apart.
    Rule(_QUOTA, _R.QUOTA, "ask Azure for more Spot cores (usage lowPriorityCores)", r"low.?priority.?cores|spot .*quota"),
    Rule(_QUOTA, _R.QUOTA, "ask Azure for more cores in this region", r"regional .*quota"),
    Rule(_QUOTA, _R.QUOTA, "ask Azure for more cores of this VM family", r"(cores|vcpus) quota|family .*quota"),
    Rule(_QUOTA, _R.QUOTA, "ask Azure for a higher quota", r"quota"),
    Rule(("QuotaExceeded", "ResourceQuotaExceeded"), _R.QUOTA, "ask Azure for a higher quota"),
    # No room in Azure: another size, zone or priority may have some.
    Rule(("SkuNotAvailable",), _R.CAPACITY, "add another size or zone to the pool"),
    Rule(("AllocationFailed", "ZonalAllocationFailed"), _R.CAPACITY, "add another size or zone to the pool"),
    Rule(
        ("OverconstrainedAllocationRequest", "OverconstrainedZonalAllocationRequest"),
        _R.CAPACITY,
        "add another size or zone, or drop a constraint such as ephemeral disks",
    ),
    Rule(("InsufficientCapacity",), _R.CAPACITY, "add another size or zone to the pool"),
    # Spot.
    Rule(("SpotPriceGreaterThanProvidedMaxPrice",), _R.SPOT_PRICE, "raise spot.max_price, or set spot.fallback"),
    Rule(
        (
            "MaxPriceValueInvalid",
            "MaxPriceChangeNotAllowedForAllocatedVMs",
            "EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines",
            "AzureSpotVMNotSupportedInAvailabilitySet",
            "AzureSpotFeatureNotEnabledForSubscription",
            "AzureSpotIsNotSupportedForThisVMSize",
            "AzureSpotIsNotSupportedForThisAPIVersion",
            "VMPriorityCannotBeApplied",
            "PriorityVMDoesNotSupportEvictionPolicy",
        ),
        _R.CONFIGURATION,
        "see the pool's priority and spot",
    ),
    # The network.
    Rule(("SubnetIsFull",), _R.NETWORK, "give the subnet more addresses (Azure keeps five of each)"),
    Rule(
        ("BadRequest", "InvalidRequestFormat"),
        _R.NETWORK,
        "give the subnet more addresses",
        r"does not have enough capacity for",
    ),
    Rule(("InvalidResourceReference",), _R.NETWORK, "see azure.subnet and azure.network_security_group"),
    Rule(
        ("NetworkingInternalOperationError", "RetryableError", "RetryableErrorDueToAnotherOperation"),
        _R.NETWORK,
        "Azure's network had a fault; tried again with the next launch",
    ),
    # The image.
    Rule(("NotFound", "ResourceNotFound"), _R.IMAGE, "see the pool's image", r"image"),
    Rule(
        ("ImageNotFound", "PlatformImageNotFound", "GalleryImageNotFound", "ImageVersionDeprecated"),
        _R.IMAGE,
        "see the pool's image",
    ),
    Rule(
        ("VMMarketplaceInvalidInput", "ResourcePurchaseValidationFailed", "MarketplacePurchaseEligibilityFailed"),
        _R.IMAGE,
        "set image.plan: true, and accept the terms once (az vm image terms accept)",
    ),
    Rule(
        ("OSProvisioningClientError", "OSProvisioningInternalError"),
        _R.IMAGE,
        "the image cannot be provisioned: see its cloud-init and Azure agent",
    ),
    Rule(
        ("DiskProcessingError", "DiskPreparationError", "DiskBlobNotFound"),
        _R.IMAGE,
        "the image's disk cannot be read: see the pool's image",
    ),
    Rule(
        ("InvalidParameter", "PropertyChangeNotAllowed"),
        _R.IMAGE,
        "see the pool's image",
        r"hypervisor generation|imageReference|osDisk\.image",
    ),
    # Booting.
    Rule(("OSProvisioningTimedOut", "VMStartTimedOut"), _R.BOOT, "see the VM's boot diagnostics"),
    Rule(
        ("VMExtensionProvisioningError", "VMExtensionProvisioningTimeout", "VMExtensionHandlerNonTransientError"),
        _R.BOOT,
        "see the VM's extensions",
    ),
    Rule(
        ("VMExtensionManagementInternalError", "VMAgentStatusCommunicationError"),
        _R.BOOT,
        "see the VM's boot diagnostics",
    ),
    # What we may do.
    Rule(
        ("RequestDisallowedByPolicy", "ScopeLocked", "RequestDisallowedByAzure"),
        _R.POLICY,
        "a policy or lock of the subscription forbids it",
    ),
    Rule(("AuthorizationFailed",), _R.PERMISSION, "give the daemon's identity its role on azure.resource_group"),
    Rule(
        ("LinkedAuthorizationFailed", "LinkedAccessCheckFailed"),
        _R.PERMISSION,
        "the daemon's identity must be allowed to join the subnet, read the image and assign the node identity",
    ),
    Rule(
        ("Forbidden", "AuthenticationFailed", "InvalidAuthenticationToken"), _R.PERMISSION, "see azure.credential and its role"
    ),
    # The configuration, or the subscription's state.
    Rule(
        ("MissingSubscriptionRegistration", "SubscriptionNotRegistered", "NoRegisteredProviderFound"),
        _R.CONFIGURATION,
        "register it once: az provider register --namespace Microsoft.Compute (and Microsoft.Network)",
    ),
    Rule(("ResourceGroupNotFound",), _R.CONFIGURATION, "see azure.resource_group"),
    Rule(
        ("SubscriptionNotFound", "InvalidSubscriptionId", "ReadOnlyDisabledSubscription"),
        _R.CONFIGURATION,
        "see azure.subscription",
    ),
    Rule(
        ("LocationNotAvailableForResourceType", "InvalidLocation"),
        _R.CONFIGURATION,
        "see azure.location",
    ),
    Rule(
        ("AvailabilityZoneNotSupported", "InvalidAvailabilityZone"),
        _R.CONFIGURATION,
        "see the pool's zones",
    ),
    Rule(("InvalidParameter", "BadRequest"), _R.CONFIGURATION, "see the pool's sizes", r"VM size|vmSize|hardwareProfile"),
    Rule(
        (
            "InvalidParameter",
            "BadRequest",
            "InvalidRequestContent",
            "InvalidRequestFormat",
            "InvalidTemplate",
            "PropertyChangeNotAllowed",
            "ResourceNotFound",
            "NotFound",
            "LinkedInvalidPropertyId",
            "NotSupported",
            "PreconditionFailed",
        ),
        _R.CONFIGURATION,
        "see the pool's settings",
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

    The detail is one line of at most 300 characters: Azure's code and words, then the remedy in brackets. A code that
    is not in the table keeps its words and is UNKNOWN.
    """
    rule = find_rule(code, message)
    if rule is None:
        shown = code or (f"HTTP {status}" if status else "no code")
        return Failure(FailureReason.UNKNOWN, one_line(f"{shown}: {message}"))
    remedy = f" [{rule.remedy}]"
    return Failure(rule.reason, one_line(f"{code}: {_missing_right(message) or message}", DETAIL_LIMIT - len(remedy)) + remedy)


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

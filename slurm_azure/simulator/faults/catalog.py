"""Azure's errors by name: code, HTTP status, words, and whether they come with the answer or end the operation.

Sources of codes and words, by `source`:
  messages    "Understand common error messages when you manage virtual machines in Azure"
  spot        "Error messages for Azure Spot Virtual Machines and scale sets"
  allocation  "Troubleshoot allocation failures when you create, restart, or resize VMs in Azure"
  arm         "Troubleshoot common Azure deployment errors" and the pages of each error it links to
  seen        answers of Azure quoted in public issues (Karpenter #192, onefuzz #557 and #2124, azure-cli #15765,
              jenkins-infra #1416, terraform-provider-azurerm #16928, vscode-azureappservice #1646)
  gateway     pages that Microsoft's web servers and gateways send when nothing behind them answers
  none        the code is documented, its HTTP status or its words are not: they are ours
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# When an error comes: with the answer, in place of the effect; at the end of the operation, no host having been found; or at
# its end, the VM being powered on.
SYNC, ASYNC, BOOT = "sync", "async", "boot"


@dataclass(frozen=True, slots=True)
class NamedError:
    """One error. `message` may hold {vm}, {size}, .. (see `filled`); `body` is json, plain, html or empty; `seconds` is how
    long after power-on an error of BOOT comes unless told otherwise."""

    code: str
    status: int
    message: str
    nature: str = SYNC
    source: str = "messages"
    operation: tuple[str, ...] = ("creates",)
    headers: tuple[tuple[str, str], ...] = ()
    target: str | None = None
    body: str = "json"
    seconds: float = 0.0


_GUIDANCE = "Read more about improving likelihood of allocation success at"
_CONSTRAINED = (
    "Allocation failed. VM(s) with the following constraints cannot be allocated, because the condition is too restrictive. "
    "Please remove some constraints and try again. Constraints applied are:\n"
)
_QUOTA = (
    "Operation could not be completed as it results in exceeding approved {quota} quota. Additional details - Deployment "
    "Model: Resource Manager, Location: {location}, Current Limit: {limit}, Current Usage: {usage}, Additional "
    "Required: {cores}, (Minimum) New Limit Required: {needed}. Submit a request for Quota increase at "
    "https://aka.ms/ProdportalCRP/#blade/Microsoft_Azure_Capacity/UsageAndQuota.ReactView/Parameters/ by specifying parameters "
    "listed in the 'Details' section for deployment to succeed. Please read more about quota limits at "
    "https://docs.microsoft.com/en-us/azure/azure-supportability/per-vm-quota-requests"
)
_ARM = ("arm",)
_FAILURE = (("x-ms-failure-cause", "gateway"),)
_INTERNAL = "An internal execution error occurred. Please retry later."


def _spot(code: str, message: str, status: int = 400) -> NamedError:
    return NamedError(code, status, message, source="spot")


NAMED: Mapping[str, NamedError] = {
    # Capacity. As the end of an operation: "Track asynchronous Azure operations" (HTTP 200, status Failed).
    "AllocationFailed": NamedError(
        "AllocationFailed",
        200,
        "Allocation failed. We do not have sufficient capacity for the requested VM size in this region. "
        f"{_GUIDANCE} https://aka.ms/allocation-guidance",
        ASYNC,
        "allocation",
    ),
    "ZonalAllocationFailed": NamedError(
        "ZonalAllocationFailed",
        200,
        "Allocation failed. We do not have sufficient capacity for the requested VM size in this zone. "
        f"{_GUIDANCE} https://aka.ms/allocation-guidance",
        ASYNC,
        "allocation",
    ),
    "OverconstrainedAllocationRequest": NamedError(
        "OverconstrainedAllocationRequest",
        200,
        f"{_CONSTRAINED}  - Networking Constraints (such as Accelerated Networking or IPv6)\n  - VM Size\n",
        ASYNC,
        "seen",
    ),
    "OverconstrainedZonalAllocationRequest": NamedError(
        "OverconstrainedZonalAllocationRequest",
        200,
        f"{_CONSTRAINED}  - Availability Zone\n  - Low Priority VMs\n  - VM Size\n",
        ASYNC,
        "seen",
    ),
    "SkuNotAvailable": NamedError(
        "SkuNotAvailable",
        409,
        "The requested {tier} for resource '{id}' is currently not available in location '{location}' zones '{zones}' for "
        "subscription '{subscription}'. Please try another {tier} or deploy to a different location or zones. "
        "See https://aka.ms/azureskunotavailable for details.",
        source="seen",
    ),
    # Quotas: one code, told apart by the words alone.
    "QuotaExceeded": NamedError("OperationNotAllowed", 409, _QUOTA.replace("{quota}", "{family} Cores"), source="seen"),
    "RegionalQuotaExceeded": NamedError(
        "OperationNotAllowed", 409, _QUOTA.replace("{quota}", "Total Regional Cores"), source="seen"
    ),
    "SpotQuotaExceeded": NamedError("OperationNotAllowed", 409, _QUOTA.replace("{quota}", "LowPriorityCores"), source="seen"),
    # Network
    "SubnetIsFull": NamedError(
        "SubnetIsFull",
        400,
        "Subnet {subnet} with address prefix {prefix} does not have enough capacity for 1 IP addresses.",
        source="seen",
    ),
    "RetryableError": NamedError("RetryableError", 200, "A retryable error occurred.", ASYNC, "seen"),
    "RetryableErrorDueToAnotherOperation": NamedError(
        "RetryableErrorDueToAnotherOperation",
        429,
        "Operation {operation} on resource {id} was canceled and superseded by another operation. Please retry.",
        source="none",
        headers=(("Retry-After", "10"),),
    ),
    "NetworkingInternalOperationError": NamedError(
        "NetworkingInternalOperationError",
        200,
        "An internal error occurred in processing network profile of the VM.",
        ASYNC,
    ),
    # Compute
    "InternalExecutionError": NamedError("InternalExecutionError", 200, _INTERNAL, ASYNC),
    "InternalOperationError": NamedError("InternalOperationError", 500, _INTERNAL, SYNC, operation=_ARM),
    "OSProvisioningTimedOut": NamedError(
        "OSProvisioningTimedOut",
        200,
        "OS Provisioning for VM '{vm}' did not finish in the allotted time. The VM may still finish provisioning successfully. "
        "Please check provisioning state later.",
        BOOT,
        seconds=2400.0,
    ),
    "OSProvisioningClientError": NamedError(
        "OSProvisioningClientError",
        200,
        "OS provisioning for VM '{vm}' failed. Error details: This installation of the guest is in an error state. "
        "Make sure the image has been properly prepared (generalized).",
        BOOT,
    ),
    "OSProvisioningInternalError": NamedError(
        "OSProvisioningInternalError",
        200,
        "OS Provisioning failed for VM '{vm}' due to an internal error.",
        BOOT,
    ),
    "VMStartTimedOut": NamedError(
        "VMStartTimedOut",
        200,
        "VM '{vm}' did not start in the allotted time. The VM may still start successfully. "
        "Please check the power state later.",
        BOOT,
        seconds=1200.0,
    ),
    "VMExtensionProvisioningError": NamedError(
        "VMExtensionProvisioningError",
        200,
        "VM has reported a failure when processing extension 'joinWorker'. Error message: 'Enable failed'.",
        BOOT,
    ),
    "DiskProcessingError": NamedError(
        "DiskProcessingError",
        200,
        "Encountered an error in processing the disks of VM '{vm}': the image could not be copied.",
        ASYNC,
        "none",
    ),
    "ImageNotFound": NamedError(
        "ImageNotFound", 404, "The platform image of VM '{vm}' is not available.", source="none", target="imageReference"
    ),
    "VMMarketplaceInvalidInput": NamedError(
        "VMMarketplaceInvalidInput",
        400,
        "Creating a virtual machine from Marketplace image or a custom image sourced from a Marketplace image requires Plan "
        "information in the request. VM: '{id}'.",
    ),
    "Conflict": NamedError(
        "Conflict",
        409,
        "The request failed due to conflict with a concurrent request. To resolve it, please refer to "
        "https://aka.ms/activitylog to get more details on the conflicting requests.",
        source="seen",
    ),
    "AnotherOperationInProgress": NamedError(
        "OperationNotAllowed",
        409,
        "Operation '{operation}' is not allowed on VM '{vm}' since another operation is in progress.",
        operation=("creates", "deletes", "VirtualMachines_Update"),
    ),
    "MarkedForDeletion": NamedError(
        "OperationNotAllowed",
        409,
        "Operation '{operation}' is not allowed on VM '{vm}' since the VM is marked for deletion. "
        "You can only retry the Delete operation (or wait for an ongoing one to complete).",
    ),
    "PropertyChangeNotAllowed": NamedError(
        "PropertyChangeNotAllowed",
        409,
        "Changing property 'osProfile.customData' is not allowed.",
        source="none",
        target="osProfile.customData",
    ),
    "InvalidParameter": NamedError(
        "InvalidParameter",
        400,
        "The requested VM size {size} is not available in the current region.",
        target="vmSize",
    ),
    # Spot
    "SpotPriceGreaterThanProvidedMaxPrice": _spot(
        "SpotPriceGreaterThanProvidedMaxPrice",
        "Unable to perform operation '{operation}' since the provided max price '{maxprice} USD' is lower than the current "
        "spot price '{spotprice} USD' for Azure Spot Virtual Machine size '{size}'.",
        409,
    ),
    "MaxPriceValueInvalid": _spot(
        "MaxPriceValueInvalid",
        "Invalid max price value. The only supported values for max price are -1 or a decimal greater than zero. Max price "
        "value of -1 indicates the Azure Spot Virtual Machine won't be evicted for price reasons.",
    ),
    "EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines": _spot(
        "EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines",
        "Eviction policy can be set only on Azure Spot Virtual Machines.",
    ),
    "AzureSpotVMNotSupportedInAvailabilitySet": _spot(
        "AzureSpotVMNotSupportedInAvailabilitySet", "Azure Spot Virtual Machine isn't supported in Availability Set."
    ),
    "AzureSpotFeatureNotEnabledForSubscription": _spot(
        "AzureSpotFeatureNotEnabledForSubscription", "Subscription not enabled with Azure Spot Virtual Machine feature."
    ),
    "AzureSpotIsNotSupportedForThisVMSize": _spot(
        "AzureSpotIsNotSupportedForThisVMSize",
        "Azure Spot Virtual Machine isn't supported for this VM size {size}.",
    ),
    "VMPriorityCannotBeApplied": _spot(
        "VMPriorityCannotBeApplied",
        "The specified priority value 'Spot' cannot be applied to the Virtual Machine '{vm}' since no priority was specified "
        "when the Virtual Machine was created.",
        409,
    ),
    "MaxPriceChangeNotAllowedForAllocatedVMs": _spot(
        "MaxPriceChangeNotAllowedForAllocatedVMs",
        "Max price change isn't allowed when the VM '{vm}' is currently allocated. Please deallocate and try again.",
        409,
    ),
    # Who may do what
    "AuthorizationFailed": NamedError(
        "AuthorizationFailed",
        403,
        "The client '{client}' with object id '{object}' does not have authorization to perform action '{action}' over scope "
        "'{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
        source="arm",
        operation=_ARM,
        headers=_FAILURE,
    ),
    "LinkedAuthorizationFailed": NamedError(
        "LinkedAuthorizationFailed",
        403,
        "The client '{client}' with object id '{object}' has permission to perform action '{action}' on scope '{scope}'; "
        "however, it does not have permission to perform action 'Microsoft.Network/virtualNetworks/subnets/join/action' on the "
        "linked scope(s) '{subnetid}' or the linked scope(s) are invalid.",
        source="seen",
        headers=_FAILURE,
    ),
    "RequestDisallowedByPolicy": NamedError(
        "RequestDisallowedByPolicy",
        403,
        'Resource \'{vm}\' was disallowed by policy. Policy identifiers: \'[{"policyAssignment":{"name":"Allowed sizes"}}]\'.',
        source="arm",
        target="{vm}",
    ),
    "InvalidAuthenticationToken": NamedError(
        "InvalidAuthenticationToken",
        401,
        "The access token is invalid.",
        source="arm",
        operation=_ARM,
        headers=(("WWW-Authenticate", 'Bearer error="invalid_token"'), *_FAILURE),
    ),
    "ExpiredAuthenticationToken": NamedError(
        "ExpiredAuthenticationToken",
        401,
        "The access token has expired.",
        source="arm",
        operation=_ARM,
        headers=(("WWW-Authenticate", 'Bearer error="invalid_token"'), *_FAILURE),
    ),
    "AuthenticationFailed": NamedError(
        "AuthenticationFailed",
        401,
        "Authentication failed. The 'Authorization' header is missing.",
        source="arm",
        operation=_ARM,
        headers=(("WWW-Authenticate", "Bearer"), *_FAILURE),
    ),
    "MissingSubscriptionRegistration": NamedError(
        "MissingSubscriptionRegistration",
        409,
        "The subscription is not registered to use namespace 'Microsoft.Compute'. See https://aka.ms/rps-not-found for how to "
        "register subscriptions.",
        source="arm",
        target="Microsoft.Compute",
    ),
    "ReadOnlyDisabledSubscription": NamedError(
        "ReadOnlyDisabledSubscription",
        409,
        "The subscription '{subscription}' is disabled and therefore marked as read only. You cannot perform any write actions "
        "on this subscription until it is re-enabled.",
        source="seen",
        operation=("creates", "deletes", "VirtualMachines_Update"),
    ),
    "SubscriptionNotFound": NamedError(
        "SubscriptionNotFound", 404, "The subscription '{subscription}' could not be found.", source="arm", operation=_ARM
    ),
    "ResourceGroupNotFound": NamedError(
        "ResourceGroupNotFound", 404, "Resource group '{group}' could not be found.", source="arm", operation=_ARM
    ),
    "ResourceNotFound": NamedError(
        "ResourceNotFound",
        404,
        "The Resource 'Microsoft.Compute/virtualMachines/{vm}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        source="arm",
        operation=("VirtualMachines_Get", "VirtualMachines_InstanceView"),
    ),
    # Trouble of the platform
    "InternalServerError": NamedError(
        "InternalServerError", 500, "Encountered internal server error.", source="none", operation=_ARM
    ),
    "BadGateway": NamedError("BadGateway", 502, "", source="gateway", operation=_ARM, body="html"),
    "ServiceUnavailable": NamedError("ServiceUnavailable", 503, "", source="gateway", operation=_ARM, body="html"),
    "ServerBusy": NamedError(
        "ServerBusy",
        503,
        "The server is busy. Please retry later.",
        source="none",
        operation=_ARM,
        headers=(("Retry-After", "5"),),
    ),
    "GatewayTimeout": NamedError(
        "GatewayTimeout",
        504,
        "The gateway did not receive a response from 'Microsoft.Compute' within the specified time period.",
        source="seen",
        operation=_ARM,
    ),
}

_PLACE = re.compile(r"\{([a-z]+)\}")


def filled(message: str, facts: Mapping[str, str]) -> str:
    """The words with what is known of the request in the place of {vm}, {size} and the like; what is not known stays."""
    return _PLACE.sub(lambda match: facts.get(match[1], match[0]), message)

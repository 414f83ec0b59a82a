"""How the simulated Azure says no: one exception, and the documented codes and texts that are used in more than one place.

Shapes: `CloudError` of Microsoft's OpenAPI files (common-types/v1/common.json). Texts: "Error messages" pages of
Microsoft Learn for Virtual Machines and Azure Resource Manager, where they are documented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Refusal(Exception):
    """A request is answered with an error. `status` is the HTTP status; `code`, `message`, `target`, `details` go into the
    body, which has no `error` around it if not `enveloped` (Compute's throttling answers: "Troubleshooting API throttling
    errors")."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        target: str | None = None,
        headers: Mapping[str, str] | None = None,
        details: Sequence[Mapping[str, Any]] = (),
        enveloped: bool = True,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.target = target
        self.headers = dict(headers or {})
        self.details = tuple(details)
        self.enveloped = enveloped

    def body(self) -> dict[str, Any]:
        """The answer's body."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target is not None:
            error["target"] = self.target
        if self.details:
            error["details"] = [dict(detail) for detail in self.details]
        return {"error": error} if self.enveloped else error


def invalid_parameter(target: str, message: str) -> Refusal:
    """400 InvalidParameter, Compute's answer to a value it cannot take."""
    return Refusal(400, "InvalidParameter", message, target)


def missing_parameter(target: str) -> Refusal:
    """400 InvalidParameter for a value that has to be given."""
    return invalid_parameter(target, f"Required parameter '{target}' is missing (null).")


def malformed(message: str) -> Refusal:
    """400 InvalidRequestContent, for a body that is not what the resource's schema says."""
    return Refusal(400, "InvalidRequestContent", f"The request content was invalid and could not be deserialized: '{message}'.")


def not_simulated(what: str) -> Refusal:
    """501: Azure could do this, and this simulator cannot. Better than an answer that only looks right."""
    return Refusal(501, "NotImplemented", f"{what} is not simulated.")


def resource_not_found(kind: str, name: str, group: str) -> Refusal:
    """404 ResourceNotFound; `kind` such as Microsoft.Compute/virtualMachines."""
    return Refusal(
        404,
        "ResourceNotFound",
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def marked_for_deletion(operation: str, vm_name: str) -> Refusal:
    """409 OperationNotAllowed: the VM is on its way out ("Understand common error messages", Virtual Machines)."""
    return Refusal(
        409,
        "OperationNotAllowed",
        f"Operation '{operation}' is not allowed on VM '{vm_name}' since the VM is marked for deletion. "
        "You can only retry the Delete operation (or wait for an ongoing one to complete).",
    )


def invalid_reference(referenced: str, by: str) -> Refusal:
    """400 InvalidResourceReference of the Network resource provider."""
    return Refusal(
        400,
        "InvalidResourceReference",
        f"Resource {referenced} referenced by resource {by} was not found. Please make sure that the referenced resource "
        "exists, and that both resources are in the same region.",
    )

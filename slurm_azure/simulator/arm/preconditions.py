"""If-Match and If-None-Match (OpenAPI: VirtualMachines_CreateOrUpdate, VirtualMachineScaleSets_CreateOrUpdate)."""

from __future__ import annotations

from typing import Protocol

from slurm_azure.simulator.call import Call
from slurm_azure.simulator.refusal import Refusal


class Versioned(Protocol):
    """What changes its etag with every write."""

    @property
    def etag(self) -> str:
        """The present one."""


def check_conditions(call: Call, present: Versioned | None) -> None:
    """Raises Refusal (412, or 400 for another value than '*' in If-None-Match) unless the call is meant for what is there."""
    unless, only = call.headers.get("If-None-Match"), call.headers.get("If-Match")
    if unless is not None and unless != "*":
        raise Refusal(400, "InvalidParameter", "The If-None-Match header can only be '*'.", "If-None-Match")
    if unless == "*" and present is not None:
        raise Refusal(
            412,
            "PreconditionFailed",
            f"The condition '*' in the If-None-Match header was not satisfied. The current etag value is '{present.etag}'.",
        )
    if only is not None and (present is None or only not in ("*", present.etag)):
        raise Refusal(412, "PreconditionFailed", f"The condition '{only}' in the If-Match header was not satisfied.")

"""Who may do what: role definitions and their assignments."""

from __future__ import annotations

from fnmatch import fnmatchcase

from slurm_azure.simulator.estate import Principal


class Authorization:
    """Answers whether a principal may do an action at a scope."""

    def allows(self, principal: Principal, action: str, scope: str) -> bool:
        """Whether `principal` may do `action` (Microsoft.Compute/virtualMachines/write) at `scope` (a resource id)."""
        return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in principal.actions)

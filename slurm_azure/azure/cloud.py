"""The seam to Azure: a few calls, and what each may raise. compute.py implements it with azure-mgmt-compute."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from slurm_azure.model import Failure, LaunchId, Leftover, NodeName, Offer, PoolName, Vm, VmName


class Call(StrEnum):
    """The kinds of call that have a budget of their own."""

    CREATE = "create"
    DELETE = "delete"
    LIST = "list"
    READ = "read"  # why_failed, power
    UPDATE = "update"  # start
    DEALLOCATE = "deallocate"
    CONSOLE = "console"
    SWEEP = "sweep"  # leftovers: a token for its first request, it waits for those of further ones itself
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class VmOrder:
    """All that a create call needs beyond the pool's settings. `user_data` is cloud-config text, at most 64 KiB."""

    vm_name: VmName
    node: NodeName
    launch: LaunchId
    pool: PoolName
    offer: Offer
    user_data: str


class VmPower(StrEnum):
    """Azure's power states, as far as they matter (instance view, `PowerState/...`)."""

    RUNNING = "running"
    DEALLOCATED = "deallocated"
    OTHER = "other"  # on its way, or stopped (and billed)


class Cloud(Protocol):
    """Azure, as far as the daemon is concerned. Calls block and may be made from several threads at once."""

    def reserve(self, call: Call) -> float:
        """Take one token of the budgets of `call`: 0.0 = taken, go ahead; else seconds until it is worth asking again."""
        ...

    def create(self, order: VmOrder) -> None:
        """Ask for one VM with NIC and disk inline; return when Azure has accepted. Idempotent by VM name: a VM of that name
        which carries our launch's tag counts as accepted.

        Raises CreateRefused (Azure said no; nothing runs), Throttled (nothing was made), CredentialRefused,
        CloudUnreachable (it may or may not have been made; the next list tells).
        """
        ...

    def delete(self, name: VmName) -> bool:
        """Ask that a VM goes, with NIC and disks. True = Azure says it is not there; False = accepted, still going.

        Raises Throttled, CredentialRefused, CloudUnreachable. Deleting what is not there is no error.
        """
        ...

    def list(self) -> Iterable[Vm]:
        """All VMs of the resource group that carry this cluster's tag; never another's. Complete, or it raises
        (Throttled, CredentialRefused, CloudUnreachable): a half list must never look like a whole one."""
        ...

    def why_failed(self, name: VmName) -> Failure | None:
        """Why a VM's provisioning failed, from its instance view; None = the VM is not there (any more).

        Raises Throttled, CredentialRefused, CloudUnreachable.
        """
        ...

    def console(self, name: VmName) -> str | None:
        """The end of a VM's serial console log (at most 64 KiB of text, control characters as they come); None = there is none,
        or no VM.

        Raises Throttled, CredentialRefused, CloudUnreachable.
        """
        ...

    def leftovers(self) -> Iterable[Leftover]:
        """All network interfaces and disks of the resource group that carry this cluster's tag (Azure gives the disk that is
        made along with a VM the VM's tags). Complete, or it raises (Throttled, CredentialRefused, CloudUnreachable)."""
        ...

    def remove(self, leftover: Leftover) -> bool:
        """Ask that a leftover goes. True = it is not there; False = accepted, still going, or in use by a VM again.

        Raises Throttled, CredentialRefused, CloudUnreachable.
        """
        ...

    def deallocate(self, name: VmName) -> bool:
        """Ask that a VM is stopped and its host given back; its disk stays. True = the VM is not there.

        Raises CreateRefused (Azure said no), Throttled, CredentialRefused, CloudUnreachable.
        """
        ...

    def start(self, name: VmName) -> bool:
        """Ask that a deallocated VM starts. True = the VM is not there. Raises as `deallocate`."""
        ...

    def power(self, name: VmName) -> VmPower | None:
        """A VM's power state; None = it is not there. Raises Throttled, CredentialRefused, CloudUnreachable."""
        ...

    def close(self) -> None:
        """Let go of connections. Calls that are still under way fail (CloudUnreachable)."""
        ...

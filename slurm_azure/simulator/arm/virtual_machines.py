"""Microsoft.Compute/virtualMachines: the operations of the OpenAPI file virtualMachine.json that are simulated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from slurm_azure.simulator.arm import asynchronous, scale_sets, vm_json
from slurm_azure.simulator.arm.paging import page
from slurm_azure.simulator.arm.power import find, flag
from slurm_azure.simulator.arm.preconditions import check_conditions
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import invalid_parameter
from slurm_azure.simulator.resource_id import COMPUTE, location_name
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world import vm_change, vm_factory, vm_request
from slurm_azure.simulator.world.linked_actions import of_vm
from slurm_azure.simulator.world.provisioning import Provisioning
from slurm_azure.simulator.world.vm import CREATING, FAILED, VirtualMachine
from slurm_azure.simulator.world.world import World

_KIND = "Microsoft.Compute/virtualMachines"
_GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/" + _KIND
_ONE = _GROUP + "/{vmName}"
_ALL = "/subscriptions/{subscriptionId}/providers/" + _KIND
_BY_LOCATION = "/subscriptions/{subscriptionId}/providers/Microsoft.Compute/locations/{location}/virtualMachines"


class VirtualMachines:
    """Answers the requests on virtual machines. `page_size` is a list's, `retry_after` (seconds, 0 = none) a header's."""

    def __init__(self, world: World, provisioning: Provisioning, page_size: int, retry_after: int) -> None:
        self._world = world
        self._provisioning = provisioning
        self._page_size = page_size
        self._retry_after = retry_after

    def routes(self) -> list[Route]:
        """The operations, with the action of role definitions each needs."""
        read, write, delete = f"{_KIND}/read", f"{_KIND}/write", f"{_KIND}/delete"
        return [
            Route("PUT", _ONE, "VirtualMachines_CreateOrUpdate", write, self.put, of_vm),
            Route("PATCH", _ONE, "VirtualMachines_Update", write, self.patch, of_vm),
            Route("GET", _ONE, "VirtualMachines_Get", read, self.get),
            Route("DELETE", _ONE, "VirtualMachines_Delete", delete, self.delete),
            Route("GET", _ONE + "/instanceView", "VirtualMachines_InstanceView", f"{_KIND}/instanceView/read", self.view),
            Route("GET", _GROUP, "VirtualMachines_List", read, self.list_group),
            Route("GET", _ALL, "VirtualMachines_ListAll", read, self.list_all),
            Route("GET", _BY_LOCATION, "VirtualMachines_ListByLocation", read, self.list_location),
        ]

    def put(self, call: Call) -> Reply:
        """Create (201) or update (200)."""
        group = self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])
        name = call.parameters["vmName"]
        vm = group.vms.get(name.lower())
        if vm is not None and vm.provisioning != CREATING:
            self._provisioning.admit(vm, "create/update")
        check_conditions(call, vm)
        body = call.json_object()
        if vm is not None:
            return self._update(call, vm, body)
        request = vm_request.read(name, body)
        vm = vm_factory.make(self._world, group, name, request)
        self._provisioning.create(vm)
        return self._begun(call, vm, 201)

    def _update(self, call: Call, vm: VirtualMachine, body: dict[str, Any]) -> Reply:
        vm_change.put(self._world, vm, body)
        if vm.provisioning == FAILED and vm.machine is None:
            vm.failure = None
            self._provisioning.create(vm)
        if vm.provisioning == CREATING:
            return self._begun(call, vm, 200)
        return Reply(200, vm_json.model(vm, self._world.estate.tenant))

    def _begun(self, call: Call, vm: VirtualMachine, status: int) -> Reply:
        assert vm.operation is not None
        headers = asynchronous.headers(call, vm.operation, self._retry_after, location=False, provider=COMPUTE)
        return Reply(status, vm_json.model(vm, self._world.estate.tenant), headers)

    def patch(self, call: Call) -> Reply:
        """Change a VM that exists: what the body has takes the place of what the VM has."""
        vm = find(self._world, call)
        if vm.provisioning != CREATING:
            self._provisioning.admit(vm, "update")
        check_conditions(call, vm)
        vm_change.patch(self._world, vm, call.json_object())
        return Reply(200, vm_json.model(vm, self._world.estate.tenant))

    def get(self, call: Call) -> Reply:
        """The VM, with what `$expand` asks for."""
        vm = find(self._world, call)
        expand = call.query.get("$expand", "")
        if expand and not {part.strip().lower() for part in expand.split(",")} <= {"instanceview", "userdata"}:
            raise invalid_parameter("$expand", f"The value of parameter $expand is invalid: '{expand}'.")
        return Reply(200, vm_json.expanded(vm, self._world.estate.tenant, expand))

    def view(self, call: Call) -> Reply:
        """The VM's run-time state."""
        return Reply(200, vm_json.instance_view(find(self._world, call)))

    def delete(self, call: Call) -> Reply:
        """Begin to delete (202), or say that there is nothing to delete (204)."""
        group = self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])
        vm = group.vms.get(call.parameters["vmName"].lower())
        force = flag(call, "forceDeletion")
        if vm is None:
            return Reply(204)
        operation = self._provisioning.delete(vm, force)
        return Reply(202, None, asynchronous.headers(call, operation, self._retry_after, location=True, provider=COMPUTE))

    def list_group(self, call: Call) -> Reply:
        """The VMs of a resource group. `$expand=instanceView` goes only with the `$filter` of a scale set (OpenAPI)."""
        group = self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])
        vms = self._world.history.seen(group.vms.values(), VirtualMachine, lambda vm: vm.group is group)
        expand = call.query.get("$expand", "")
        if "$filter" not in call.query:
            if expand:
                message = "The $expand option of this list can be given only together with a $filter."
                raise invalid_parameter("$expand", message)
            return self._page(call, vms)
        members = scale_sets.filtered(self._world, call.query["$filter"]).vms
        if expand.lower() not in ("", "instanceview"):
            raise invalid_parameter("$expand", f"The value of parameter $expand is invalid: '{expand}'.")
        tenant = self._world.estate.tenant
        found = (vm for vm in vms if vm.id.lower() in members)
        return page(call, found, lambda vm: vm.sequence, lambda vm: vm_json.expanded(vm, tenant, expand), self._page_size)

    def list_all(self, call: Call) -> Reply:
        """The VMs of a subscription; with `statusOnly=true` their states instead of their models."""
        vms = self._of_subscription(call)
        if call.query.get("statusOnly", "").lower() == "true":
            return page(call, vms, lambda vm: vm.sequence, vm_json.status_only, self._page_size)
        return self._page(call, vms)

    def _of_subscription(self, call: Call) -> Iterable[VirtualMachine]:
        groups = list(self._world.groups_of(call.parameters["subscriptionId"]))
        present = sorted((vm for group in groups for vm in group.vms.values()), key=lambda vm: vm.sequence)
        return self._world.history.seen(present, VirtualMachine, lambda vm: vm.group in groups)

    def list_location(self, call: Call) -> Reply:
        """The VMs of a subscription in one region."""
        wanted = location_name(call.parameters["location"])
        return self._page(call, (vm for vm in self._of_subscription(call) if vm.location == wanted))

    def _page(self, call: Call, vms: Iterable[VirtualMachine]) -> Reply:
        tenant = self._world.estate.tenant
        return page(call, vms, lambda vm: vm.sequence, lambda vm: vm_json.model(vm, tenant), self._page_size)

"""The control endpoint, for tests and demonstrations: what was asked, what there is, what goes wrong. No part of Azure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.faults.faults import Faults
from slurm_azure.simulator.faults.requests import FaultRequests
from slurm_azure.simulator.journal import Journal
from slurm_azure.simulator.machines.grades import Grades
from slurm_azure.simulator.packing import unpacked
from slurm_azure.simulator.routes import Match, Route, Router
from slurm_azure.simulator.world.provisioning import Provisioning
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.world import World


class Control:
    """Answers on the control address, in plain HTTP and without a token, but to no page that a browser shows.

    A page may send requests to loopback too. Those that change something bring its Origin; and a page whose own name was made
    to mean 127.0.0.1 (DNS rebinding) brings that name as Host: addresses, localhost and `names` are taken, and no other.
    """

    def __init__(
        self,
        world: World,
        provisioning: Provisioning,
        grades: Grades,
        journal: Journal,
        faults: Faults,
        names: Iterable[str] = (),
    ) -> None:
        self._names = {"localhost", *(name.lower() for name in names)}
        self._world = world
        self._provisioning = provisioning
        self._grades = grades
        self._journal = journal
        self._router = Router(
            [
                Route("GET", "/health", "health", "", self.health),
                Route("GET", "/requests", "requests", "", self.requests),
                Route("DELETE", "/requests", "forget requests", "", self.forget),
                Route("GET", "/operations", "operations", "", self.operations),
                Route("GET", "/vms", "vms", "", self.vms),
                Route("GET", "/vms/{name}", "vm", "", self.vm),
                Route("GET", "/vms/{name}/console", "console", "", self.console),
                Route("POST", "/vms/{name}/halt", "halt", "", self.halt),
                *FaultRequests(faults).routes(),
            ]
        )

    def answer(self, call: Call) -> Reply:
        """The answer to a call."""
        if "Origin" in call.headers:
            return Reply(403, {"error": "the control endpoint is not for web pages: the request has an Origin header"})
        if not self._is_own(call.host):
            known = "an address, localhost or one of --names"
            return Reply(403, {"error": f"the control endpoint is asked by {known}, not as {call.host[:100]!r} (Host header)"})
        match: Match | None = self._router.match(call.method, call.path)
        if match is None or match.route is None:
            return Reply(404 if match is None else 405, {"error": f"no such thing: {call.method} {call.path}"})
        call.parameters = match.parameters
        return match.route.handler(call)

    def health(self, call: Call) -> Reply:
        """That the simulator runs, and the time of its world."""
        return Reply(200, {"status": "ok", "time": self._world.clock.now(), "vms": sum(1 for _ in self._all())})

    def requests(self, call: Call) -> Reply:
        """Counts by operation, and the last requests (`?recent=N`, 100 unless told) with what became of their answers and the
        faults that struck them; `?operation=` and `?vm=` are patterns of those wanted."""
        recent = call.query.get("recent", "100")
        if not (recent.isascii() and recent.isdecimal() and len(recent) < 10):
            return Reply(400, {"error": f"recent has to be a whole number, not {recent[:40]!r}"})
        operation, vm = call.query.get("operation", "*"), call.query.get("vm", "*")
        return Reply(200, self._journal.as_json(int(recent), operation, vm))

    def forget(self, call: Call) -> Reply:
        """Start counting anew."""
        self._journal.clear()
        return Reply(204)

    def operations(self, call: Call) -> Reply:
        """The asynchronous operations on VMs that are running, oldest first."""
        busy = [(vm, vm.operation) for vm in self._all() if vm.operation is not None]
        busy.sort(key=lambda pair: pair[1].started)
        return Reply(
            200,
            {
                "value": [
                    {
                        "id": operation.id,
                        "vm": vm.name,
                        "resourceGroup": vm.group.name,
                        "provisioningState": vm.provisioning,
                        "started": operation.started,
                        "seconds": round(self._world.clock.now() - operation.started, 3),
                    }
                    for vm, operation in busy
                ]
            },
        )

    def vms(self, call: Call) -> Reply:
        """All VMs, briefly."""
        return Reply(200, {"value": [self._brief(vm) for vm in self._all()]})

    def vm(self, call: Call) -> Reply:
        """One VM with its customData and userData (base64), which Azure itself never shows again."""
        vm = self._find(call)
        if vm is None:
            return _absent(call)
        data = {"customData": unpacked(vm.custom_data), "userData": unpacked(vm.user_data)}
        return Reply(200, self._brief(vm) | data)

    def console(self, call: Call) -> Reply:
        """What a VM's machine has written to its console."""
        vm = self._find(call)
        if vm is None:
            return _absent(call)
        text = vm.machine.console() if vm.machine is not None else b""
        return Reply(200, raw=text, content_type="text/plain; charset=utf-8")

    def halt(self, call: Call) -> Reply:
        """Let the guest of a VM without a real machine power itself off, as `shutdown -h` in the guest would."""
        vm = self._find(call)
        if vm is None:
            return _absent(call)
        if self._grades.grade(vm.computer_name) != "none":
            return Reply(409, {"error": f"{vm.name} has a machine of its own: halt it from within"})
        self._provisioning.guest_stopped(vm, "halted through the control endpoint")
        return Reply(204)

    def _is_own(self, host: str) -> bool:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return host in self._names
        return True

    def _all(self) -> list[VirtualMachine]:
        return [vm for group in self._world.groups.values() for vm in group.vms.values()]

    def _find(self, call: Call) -> VirtualMachine | None:
        name = call.parameters["name"].lower()
        found = (group.vms.get(name) for group in self._world.groups.values())
        return next((vm for vm in found if vm is not None), None)

    def _brief(self, vm: VirtualMachine) -> dict[str, Any]:
        return {
            "name": vm.name,
            "resourceGroup": vm.group.name,
            "computerName": vm.computer_name,
            "vmId": vm.vm_id,
            "vmSize": vm.model["hardwareProfile"]["vmSize"],
            "grade": self._grades.grade(vm.computer_name),
            "provisioningState": vm.provisioning,
            "powerState": vm.power,
            "failure": None if vm.failure is None else {"code": vm.failure[0], "message": vm.failure[1]},
            "ip": vm.primary.ip,
            "mac": vm.primary.mac,
            "created": vm.created,
            "tags": vm.tags,
        }


def _absent(call: Call) -> Reply:
    return Reply(404, {"error": f"there is no VM {call.parameters['name']}"})

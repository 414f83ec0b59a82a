"""The wire server (168.63.129.16): where a guest agent reports that provisioning is done, or why it failed.

Source: the protocol as cloud-init (cloudinit/sources/helpers/azure.py) and the Azure Linux agent speak it, version 2012-11-30.
"""

from __future__ import annotations

import logging
import uuid
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.faults.faults import Faults
from slurm_azure.simulator.world.provisioning import Provisioning
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.world import World

log = logging.getLogger(__name__)

_XML = "text/xml; charset=utf-8"
_VERSIONS = (
    '<?xml version="1.0" encoding="utf-8"?>\n<Versions><Preferred><Version>2015-04-05</Version></Preferred>'
    "<Supported><Version>2015-04-05</Version><Version>2012-11-30</Version></Supported></Versions>"
)
_GOAL_STATE = (
    '<?xml version="1.0" encoding="utf-8"?>\n<GoalState xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    "<Version>2012-11-30</Version><Incarnation>1</Incarnation><Machine><ExpectedState>Started</ExpectedState>"
    "<StopRolesDeadlineHint>300000</StopRolesDeadlineHint></Machine><Container><ContainerId>{container}</ContainerId>"
    "<RoleInstanceList><RoleInstance><InstanceId>{instance}</InstanceId><State>Started</State>"
    "<Configuration></Configuration></RoleInstance></RoleInstanceList></Container></GoalState>"
)


class WireServer:
    """Answers the guest agent of the VM that the call comes from."""

    def __init__(self, world: World, provisioning: Provisioning, faults: Faults | None = None) -> None:
        self._world = world
        self._provisioning = provisioning
        self._faults = faults or Faults()

    def answer(self, call: Call) -> Reply | None:
        """The answer, or None where the path is not the wire server's."""
        component = call.query.get("comp", "").lower()
        if call.path == "/" and component == "versions":
            call.operation = "Wire_Versions"
            self._faults.before(call)
            return _xml(_VERSIONS)
        if call.path.rstrip("/").lower() != "/machine":
            return None
        call.operation = {"goalstate": "Wire_GoalState", "health": "Wire_Health"}.get(component, "Wire_Other")
        self._faults.before(call)
        vm = self._world.vms_by_address.get(call.remote)
        if vm is None:
            return Reply(410)
        if component == "goalstate" and call.method == "GET":
            return _xml(_GOAL_STATE.format(container=_container(vm), instance=escape(vm.computer_name)))
        if component == "health" and call.method == "POST":
            return self._health(call, vm)
        return Reply(404)

    def _health(self, call: Call, vm: VirtualMachine) -> Reply:
        try:
            report = ElementTree.fromstring(call.body)
        except ElementTree.ParseError:
            return Reply(400)
        state = (report.findtext(".//Health/State") or "").strip()
        substatus = (report.findtext(".//Details/SubStatus") or "").strip()
        log.info("VM %s reports %s %s", vm.name, state, substatus)
        if state == "Ready":
            self._provisioning.guest_ready(vm)
        elif state == "NotReady" and substatus == "ProvisioningFailed":
            # A plain NotReady means "still at it" and changes nothing.
            self._provisioning.guest_failed(vm, (report.findtext(".//Details/Description") or "").strip())
        elif state != "NotReady":
            return Reply(400)
        return Reply(200)


def _container(vm: VirtualMachine) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, vm.vm_id))


def _xml(text: str) -> Reply:
    return Reply(200, raw=text.encode(), content_type=_XML)

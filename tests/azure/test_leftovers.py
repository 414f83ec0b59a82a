"""What VMs leave behind, against a simulated Azure and against answers that are not what Azure sends; and stop and start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.mgmt.compute.operations._operations import build_disks_list_by_resource_group_request

from slurm_azure.azure.cloud import Call, VmPower
from slurm_azure.azure.compute import AzureCompute
from slurm_azure.errors import CloudUnreachable, CreateRefused, CredentialRefused, Throttled
from slurm_azure.model import LaunchId, Leftover, LeftoverKind, NodeName, Offer, PoolName, VmState
from tests.azure.test_compute import NAME, OURS, Azure
from tests.azure.test_on_simulator import an_order, compute
from tests.simulator.faulty import put
from tests.simulator.raw import arm, vm_path
from tests.support.clouds import config_for
from tests.support.processes import until
from tests.support.scripted_arm import Answer, ScriptedArm, error, scripted_arm
from tests.support.simulated_azure import ROLE_FILE, SimulatedAzure, product_role, simulated_azure, vm_body

NIC = Leftover(LeftoverKind.INTERFACE, "nic-1", NodeName("az-1"), LaunchId("l1"), PoolName("hb"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedArm]:
    with scripted_arm(tmp_path_factory.mktemp("arm")) as arm:
        yield arm


@pytest.fixture
def scripted(server: ScriptedArm) -> Iterator[Azure]:
    server.asked.clear()
    held = Azure(server)
    yield held
    held.cloud.close()
    assert not server._queue, "answers were left over"


def leave_behind(azure: SimulatedAzure, name: str = "az-9-l9", tags: dict[str, str] = OURS) -> None:
    """Make a VM whose interface and disk stay when it is deleted, and delete it."""
    body = vm_body(azure, top={"tags": tags})
    (nic,) = body["properties"]["networkProfile"]["networkInterfaceConfigurations"]
    nic["tags"] = tags
    del nic["properties"]["deleteOption"], body["properties"]["storageProfile"]["osDisk"]["deleteOption"]
    arm(azure, "PUT", vm_path(azure, name), body)
    arm(azure, "DELETE", vm_path(azure, name))


def settled(cloud: AzureCompute) -> None:
    """Wait until nothing is going on with any VM: Azure lets one operation on a VM wait for another by refusing it."""
    until(lambda: all(vm.state is VmState.SUCCEEDED for vm in cloud.list()))


class TestOnSimulator:
    """The life of leftovers."""

    def test_a_vm_has_one_of_each(self) -> None:
        """Interface and disk of a VM of ours are seen, with our tags (the disk has the VM's), attached to it."""
        with simulated_azure() as azure, compute(config_for(azure)) as cloud:
            cloud.create(an_order())
            nic, disk = cloud.leftovers()
            assert (nic.kind, disk.kind) == (LeftoverKind.INTERFACE, LeftoverKind.DISK)
            for one in (nic, disk):
                assert (one.node, one.launch, one.pool, one.vm) == ("az-1", "l1", "hb", "az-1-l")
            assert disk.created_at is not None
            assert cloud.remove(nic) is cloud.remove(disk) is False
            assert len(cloud.leftovers()) == 2, "what a VM uses stays"
            assert azure.counts()["NetworkInterfaces_List"] == azure.counts()["Disks_ListByResourceGroup"] == 2

    def test_left_behind_and_removed(self) -> None:
        """Those that outlive their VM are attached to nothing; two deletes, and they are gone; again is no error."""
        with simulated_azure() as azure, compute(config_for(azure)) as cloud:
            leave_behind(azure)
            left = cloud.leftovers()
            assert [(one.kind, one.vm, one.launch) for one in left] == [
                (LeftoverKind.INTERFACE, None, "l1"),
                (LeftoverKind.DISK, None, "l1"),
            ]
            assert left[1].name.startswith("az-9-l9_OsDisk_")
            assert [cloud.remove(one) for one in left] == [False, False]
            assert cloud.leftovers() == ()
            assert [cloud.remove(one) for one in left] == [True, True]

    def test_strangers_are_not_seen(self) -> None:
        """What carries another cluster's tag, or none, is nobody's business."""
        with simulated_azure() as azure, compute(config_for(azure)) as cloud:
            put(
                azure,
                {"what": {"kind": "stranger", "resource": "nic", "tags": {"slurm-azure-cluster": "other"}}},
                {"what": {"kind": "stranger", "resource": "disk"}},
            )
            leave_behind(azure, "az-9-l8", OURS | {"slurm-azure-cluster": "other"})
            assert cloud.leftovers() == ()

    def test_pages(self) -> None:
        """Seven VMs on pages of three: three requests for each kind, everything seen once."""
        with simulated_azure(page_size=3) as azure, compute(config_for(azure)) as cloud:
            for number in range(7):
                cloud.create(an_order(number))
            azure.forget()
            found = cloud.leftovers()
            assert len({(one.kind, one.name) for one in found}) == len(found) == 14
            assert azure.counts() == {"NetworkInterfaces_List": 3, "Disks_ListByResourceGroup": 3}

    def test_a_role_of_an_older_release(self) -> None:
        """Without the new actions everything old works, and each new thing is refused as a matter of rights."""
        role = product_role()
        old = ("instanceView/read", "virtualMachines/read", "virtualMachines/write", "virtualMachines/delete", "join", "assign")
        role["Actions"] = [one for one in role["Actions"] if any(word in one for word in old)]
        assert len(role["Actions"]) < len(json.loads(ROLE_FILE.read_text())["Actions"])
        with simulated_azure(role=role) as azure, compute(config_for(azure)) as cloud:
            order = an_order()
            cloud.create(order)
            for call in (cloud.console, cloud.deallocate, cloud.start):
                with pytest.raises(CredentialRefused):
                    call(order.vm_name)
            for refused in (cloud.leftovers, lambda: cloud.remove(NIC)):
                with pytest.raises(CredentialRefused):
                    refused()
            settled(cloud)
            assert cloud.power(order.vm_name) is VmPower.RUNNING
            cloud.delete(order.vm_name)


class TestStopAndStart:
    """Deallocated VMs."""

    def test_stopped_and_started(self) -> None:
        """Stop, start: two writes; the disk is the same, the list shows the VM as provisioned all the time."""
        with simulated_azure() as azure, compute(config_for(azure)) as cloud:
            order = an_order()
            cloud.create(order)
            settled(cloud)
            (disk,) = (one for one in cloud.leftovers() if one.kind is LeftoverKind.DISK)
            azure.forget()
            assert cloud.deallocate(order.vm_name) is False
            settled(cloud)
            assert cloud.power(order.vm_name) is VmPower.DEALLOCATED
            assert cloud.deallocate(order.vm_name) is False, "again is no error"
            settled(cloud)
            assert cloud.start(order.vm_name) is False
            until(lambda: cloud.power(order.vm_name) is VmPower.RUNNING)
            assert [one for one in cloud.leftovers() if one.kind is LeftoverKind.DISK] == [disk]
            counts = azure.counts()
            assert (counts["VirtualMachines_Deallocate"], counts["VirtualMachines_Start"]) == (2, 1)

    def test_no_host_for_a_start(self) -> None:
        """A start that finds no host is accepted, and fails later: the VM is Failed, and says why."""
        with simulated_azure() as azure, compute(config_for(azure)) as cloud:
            order = an_order()
            cloud.create(order)
            settled(cloud)
            cloud.deallocate(order.vm_name)
            settled(cloud)
            assert cloud.power(order.vm_name) is VmPower.DEALLOCATED
            put(azure, {"what": {"kind": "capacity", "hosts": 0}})
            cloud.start(order.vm_name)
            until(lambda: [vm.state for vm in cloud.list()] == [VmState.FAILED])
            failure = cloud.why_failed(order.vm_name)
            assert failure is not None
            assert failure.reason == "capacity"
            assert cloud.power(order.vm_name) is VmPower.DEALLOCATED

    def test_refused(self) -> None:
        """An ephemeral disk cannot be kept: Azure's no comes as it is."""
        with simulated_azure() as azure:
            config = config_for(azure)
            hb = config.pools["hb"]
            local = hb.model_copy(update={"os_disk": hb.os_disk.model_copy(update={"kind": "ephemeral"})})
            config = config.model_copy(update={"pools": {"hb": local}})
            with compute(config) as cloud:
                order = an_order()
                cloud.create(replace(order, offer=Offer("Standard_D8ds_v5")))
                settled(cloud)
                with pytest.raises(CreateRefused, match="ephemeral"):
                    cloud.deallocate(order.vm_name)

    def test_not_there(self) -> None:
        """True: there is no such VM; its power is None."""
        with simulated_azure() as azure, compute(config_for(azure)) as cloud:
            assert cloud.start(NAME) is cloud.deallocate(NAME) is True
            assert cloud.power(NAME) is None


class TestScripted:
    """What Azure says once in a blue moon."""

    def test_refusal_after_a_fault_proves_nothing(self, scripted: Azure) -> None:
        """The first try's reply was lost, the second meets the first at work."""
        scripted.arm.answer(Answer(cut=True), error(409, "Conflict", "another operation is in progress"))
        with pytest.raises(CloudUnreachable):
            scripted.cloud.start(NAME)

    def test_a_policys_no_is_a_refusal(self, scripted: Azure) -> None:
        """403 is not always a missing right."""
        scripted.arm.answer(error(403, "RequestDisallowedByPolicy", "not at night"))
        with pytest.raises(CreateRefused, match="not at night"):
            scripted.cloud.start(NAME)

    def test_throttled_lists_of_interfaces_do_not_stop_the_list_of_vms(self, scripted: Azure) -> None:
        """The Network provider's 429 is not Compute's."""
        scripted.arm.answer(error(429, "TooManyRequests", Retry_After="300"))
        with pytest.raises(Throttled):
            scripted.cloud.leftovers()
        assert scripted.cloud.reserve(Call.SWEEP) == pytest.approx(300)
        assert scripted.cloud.reserve(Call.LIST) == scripted.cloud.reserve(Call.DELETE) == 0

    @pytest.mark.parametrize(
        "second",
        [
            error(404, "ResourceGroupNotFound"),
            Answer(200, {"value": [{"name": "d", "tags": OURS}]}),
            Answer(200, {"value": None}),
            Answer(200, {"value": [], "nextLink": "https://example.org/next"}),
        ],
    )
    def test_half_a_look_is_none(self, scripted: Azure, second: Answer) -> None:
        """Interfaces are listed, disks are not: nothing is told."""
        scripted.arm.answer(Answer(200, {"value": []}), second)
        with pytest.raises(CloudUnreachable):
            scripted.cloud.leftovers()

    @pytest.mark.parametrize(
        ("answer", "gone"),
        [
            (Answer(204), True),
            (Answer(200), True),
            (Answer(202), False),
            (error(404, "ResourceNotFound"), True),
            (error(400, "NicInUse", "is used by existing resource"), False),
            (error(400, "NicReservedForAnotherVm", "reserved for 180 seconds"), False),
            (error(409, "OperationNotAllowed", "Disk d is attached to VM v."), False),
        ],
    )
    def test_remove(self, scripted: Azure, answer: Answer, gone: bool) -> None:
        """Gone, going, or in use again."""
        scripted.arm.answer(answer)
        assert scripted.cloud.remove(NIC) is gone

    @pytest.mark.parametrize(
        "answer", [error(404, "ResourceGroupNotFound"), error(400, "InvalidApiVersion"), Answer(403, b"<p>")]
    )
    def test_remove_that_says_neither(self, scripted: Azure, answer: Answer) -> None:
        """Anything else proves nothing."""
        scripted.arm.answer(answer)
        with pytest.raises(CloudUnreachable):
            scripted.cloud.remove(NIC)

    def test_odd_names_stay_in_their_place(self, scripted: Azure) -> None:
        """A name that Azure would never send does not become another path."""
        scripted.arm.answer(Answer(204))
        scripted.cloud.remove(Leftover(LeftoverKind.DISK, "../virtualMachines/x?y", NIC.node, NIC.launch, NIC.pool))
        assert scripted.arm.asked[0].path.endswith("/disks/..%2FvirtualMachines%2Fx%3Fy")


def test_the_versions_that_are_asked_for(scripted: Azure) -> None:
    """Disks are asked for in the version of the SDK's own calls, interfaces in that of the file they are judged by."""
    nics, disks = Answer(200, {"value": []}), Answer(200, {"value": []})
    scripted.arm.answer(nics, disks)
    scripted.cloud.leftovers()
    sdk = build_disks_list_by_resource_group_request("rg", scripted.config.azure.subscription)
    versions = [asked.query["api-version"][0] for asked in scripted.arm.asked]
    assert versions == ["2024-01-01", parse_qs(urlsplit(sdk.url).query)["api-version"][0]]

"""`slurm-azure sweep`: found, shown, and only with --yes and after a second look removed; on both sides."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slurm_azure.azure.cloud import Call, VmOrder
from slurm_azure.cli.context import Context
from slurm_azure.cli.sweep import LAG, REASON, Broom, Outcome
from slurm_azure.config import load_config
from slurm_azure.errors import CloudUnreachable, Throttled
from slurm_azure.intake import SUFFIX
from slurm_azure.model import LaunchId, Leftover, LeftoverKind, NodeName, Offer, PoolName, Power, VmName
from slurm_azure.slurm.scheduler import Tell
from tests.azure.test_leftovers import leave_behind
from tests.azure.test_on_simulator import compute
from tests.support.clouds import config_for
from tests.support.nodes import a_launch
from tests.support.recording_cloud import RecordingCloud
from tests.support.recording_scheduler import RecordingScheduler
from tests.support.simulated_azure import SimulatedAzure, simulated_azure
from tests.support.sites import Site

NIC = Leftover(LeftoverKind.INTERFACE, "nic-1", NodeName("az-5"), LaunchId("gone"), PoolName("hb"))


class Swept:
    """A broom whose clouds record, on a site with a journal; `slept` has its waits, during which `meanwhile` happens."""

    def __init__(self, site: Site) -> None:
        self.cloud, self.slurm = RecordingCloud(), RecordingScheduler()
        self.slept: list[float] = []
        self.now = 1_800_000_000.0
        self.meanwhile: Callable[[], None] = lambda: None
        self.context = Context(site.config, site.state, clock=lambda: self.now)
        self.broom = Broom(self.context, load_config(site.config), self.cloud, self.slurm, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.meanwhile()

    def vm(self, node: str, launch: str = "lost", age: float = 3600) -> VmName:
        """A VM of ours that no launch explains."""
        name = VmName(f"{node}-{launch}")
        order = VmOrder(name, NodeName(node), LaunchId(launch), PoolName("hb"), Offer("Standard_F2s_v2"), "")
        self.cloud.make(order)
        made = self.cloud.vms[name]
        self.cloud.vms[name] = type(made)(
            made.name, made.node, made.launch, made.pool, made.state, made.size, created_at=self.now - age
        )
        return name

    def put_right(self) -> list[tuple[str, str, bool]]:
        return [(one.orphan.name, one.done, one.ok) for one in self.broom.put_right(self.broom.look())]


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    site = Site(tmp_path, capsys)
    site.journal()
    return site


@pytest.fixture
def swept(site: Site) -> Swept:
    return Swept(site)


def test_everything_is_put_right(swept: Swept) -> None:
    """A VM, an interface and a node, after a second look: deleted, removed, told to Slurm with our reason."""
    vm = swept.vm("az-1")
    swept.cloud.left = [NIC]
    swept.slurm.set_power(Power.UP, "az-3")
    assert swept.put_right() == [(vm, "deleted", True), ("nic-1", "deleted", True), ("az-3", "set down, powered down", True)]
    assert swept.slept == [LAG]
    assert (swept.cloud.deleted, swept.cloud.removed) == ([vm], [NIC])
    assert swept.slurm.told == [(Tell.DOWN, ("az-3",), REASON), (Tell.POWER_DOWN_FORCE, ("az-3",), "")]


def test_what_a_launch_explains_stays(site: Site) -> None:
    """Also one that came into the journal between the two looks."""
    swept = Swept(site)
    name = swept.vm("az-1", "l1")

    def plan() -> None:
        site.journal(launches=[a_launch("az-1", "l1", vm_name=name)])

    swept.meanwhile = plan
    assert swept.put_right() == [(name, "is not so any more", True)]
    assert swept.cloud.deleted == []
    assert swept.broom.look() == ()


def test_what_cannot_be_done_is_said(swept: Swept) -> None:
    """One that Azure does not delete does not stop the others, nor does a node that Slurm refuses."""
    one, two = swept.vm("az-1"), swept.vm("az-2")

    def fail(name: VmName) -> None:
        if name == one:
            raise CloudUnreachable("the VM is locked")

    swept.cloud.on_delete = fail
    swept.slurm.set_power(Power.UP, "az-3", "az-4")
    swept.slurm.refuse = {NodeName("az-3"): "Invalid node name"}
    assert swept.put_right() == [
        (one, "not deleted: the VM is locked", False),
        (two, "deleted", True),
        ("az-3", "refused by Slurm: Invalid node name", False),
        ("az-4", "set down, powered down", True),
    ]


def test_without_slurm_only_what_is_certain(swept: Swept, capsys: pytest.CaptureFixture[str]) -> None:
    """A VM that might serve stays; a leftover goes; a remark says why."""
    vm = swept.vm("az-1")
    swept.cloud.left = [NIC]
    swept.slurm.reachable = False
    assert swept.put_right() == [(vm, "left alone", False), ("nic-1", "deleted", True)]
    assert "nothing is concluded from Slurm" in capsys.readouterr().err


def test_a_waking_node_with_its_request_in_the_spool(site: Site, swept: Swept) -> None:
    """The daemon is down: what waits in the spool may be for any node that is waking."""
    swept.slurm.set_power(Power.WAKING, "az-3")
    assert [one.name for one in swept.broom.look()] == ["az-3"]
    (site.state / "spool").mkdir(exist_ok=True)
    (site.state / "spool" / f"1{SUFFIX}").write_text("{}")
    assert swept.broom.look() == ()


def test_tokens_are_waited_for(swept: Swept) -> None:
    """Not sent into an empty bucket: it waits for a token, two minutes at most."""
    swept.vm("az-1")
    swept.cloud.wait[Call.LIST] = 50.0
    with pytest.raises(Throttled):
        swept.broom.look()
    assert swept.slept == [50.0, 50.0]


def test_price(swept: Swept) -> None:
    """A VM costs what its pool's VMs cost; an interface has no price."""
    swept.vm("az-1")
    swept.cloud.left = [NIC]
    vm, nic = swept.broom.look()
    assert (swept.broom.price(vm) or 0) > 0
    assert swept.broom.price(nic) is None


@pytest.fixture
def azure() -> Iterator[SimulatedAzure]:
    with simulated_azure() as simulated:
        yield simulated


def on(azure: SimulatedAzure, site: Site) -> None:
    """The site's Azure is the simulated one; its nodes are off."""
    where: dict[str, Any] = config_for(azure).azure.model_dump(mode="json", exclude_unset=True)
    site.configure("az-[1-9]", azure=where)
    site.slurm(**{f"az_{number}": "IDLE+CLOUD+POWERED_DOWN" for number in range(1, 10)})


def test_nothing_to_sweep(azure: SimulatedAzure, site: Site) -> None:
    """Exit code 0, and a line that says so."""
    on(azure, site)
    ran = site.run("sweep")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("nothing:")


def test_shown_as_table_and_as_json(azure: SimulatedAzure, site: Site) -> None:
    """What was left behind in a whole simulated Azure: exit code 1, a line for it (the disk is too young yet), and nothing
    removed."""
    on(azure, site)
    leave_behind(azure)
    ran = site.run("sweep")
    assert ran.code == 1, ran.err
    assert [line.split()[0] for line in ran.out.splitlines()] == ["WHAT", "network"]
    document = json.loads(site.run("sweep", "--json").out)
    [found] = document["found"]
    assert (found["what"], found["done"], found["node"]) == ("network interface", "would delete", "az-1")
    with compute(config_for(azure)) as cloud:
        assert len(cloud.leftovers()) == 2


def test_removed_in_a_whole_azure(azure: SimulatedAzure, site: Site) -> None:
    """With --yes, through the real SDK under the product's role."""
    on(azure, site)
    leave_behind(azure)
    config = load_config(site.config)
    later: list[float] = [600.0]
    with compute(config) as cloud:
        context = Context(site.config, site.state, clock=lambda: time.time() + sum(later))
        broom = Broom(context, config, cloud, RecordingScheduler(), later.append)
        outcomes: list[Outcome] = broom.put_right(broom.look())
        assert sorted(one.orphan.kind for one in outcomes) == ["disk", "network interface"]
        assert all(one.ok and one.done == "deleted" for one in outcomes)
        assert cloud.leftovers() == ()

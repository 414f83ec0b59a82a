"""Requests, faults, crashes and time in any order, through the whole loop: what must always hold, and how it always ends."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from slurm_azure.azure.cloud import VmOrder
from slurm_azure.errors import CloudUnreachable, CreateRefused
from slurm_azure.model import Power, Stage, VmState
from slurm_azure.slurm.scheduler import Tell
from tests.support.configs import a_config
from tests.support.daemons import Daemon

NODES = [f"az-{number}" for number in range(1, 4)]
nodes = st.sampled_from(NODES)


class LifeOfNodes(RuleBasedStateMachine):
    """Slurm is played by the rules: what it would show after each of its own and our actions."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.daemon = Daemon(Path(self.folder.name), a_config("az-[1-3]"))
        self.heard = 0

    def _let_slurm_act(self) -> None:
        """Slurm does what it was told: down keeps its reason, power_down_force powers down, resume clears."""
        slurm = self.daemon.slurm
        for what, names, reason in slurm.told[self.heard :]:
            for name in names:
                if what is Tell.DOWN:
                    power = slurm.states[name].power if name in slurm.states else Power.OFF
                    slurm.set_power(power, name, reason=reason, down=True)
                elif what is Tell.POWER_DOWN_FORCE:
                    node = slurm.states.get(name)
                    slurm.set_power(Power.OFF, name, reason=node.reason if node else "", down=bool(node and node.down))
                else:
                    slurm.set_power(Power.OFF, name)
        self.heard = len(slurm.told)

    @rule(node=nodes)
    def slurm_resumes(self, node: str) -> None:
        state = self.daemon.slurm.states.get(node)  # type: ignore[call-overload]
        if state is None or (state.power is Power.OFF and not state.down):
            self.daemon.power(Power.WAKING, node)
            self.daemon.hook("resume", node)

    @rule(node=nodes, heard=st.booleans())
    def slurm_suspends(self, node: str, heard: bool) -> None:
        """`heard` false: the hook was lost (a full disk); Slurm's state alone must do."""
        self.daemon.power(Power.OFF, node)
        if heard:
            self.daemon.hook("suspend", node)

    @rule(node=nodes)
    def resume_program_is_run_by_hand(self, node: str) -> None:
        self.daemon.hook("resume", node)

    @rule(node=nodes)
    def node_registers(self, node: str) -> None:
        state = self.daemon.slurm.states.get(node)  # type: ignore[call-overload]
        if state is not None and state.power is Power.WAKING and any(vm.node == node for vm in self.daemon.cloud.vms.values()):
            self.daemon.power(Power.UP, node)

    @rule(node=nodes)
    def resume_fails(self, node: str) -> None:
        state = self.daemon.slurm.states.get(node)  # type: ignore[call-overload]
        if state is not None and state.power is Power.WAKING:
            self.daemon.power(Power.OFF, node, reason="ResumeTimeout reached", down=True)
            self.daemon.hook("resume-fail", node)

    @rule(kind=st.sampled_from(["works", "refused", "reply lost", "never arrived"]))
    def azure_answers_creates(self, kind: str) -> None:
        def answer(order: VmOrder) -> None:
            if kind == "refused":
                raise CreateRefused("ZonalAllocationFailed", "no capacity", 409)
            if kind == "reply lost":
                self.daemon.cloud.make(order)
            if kind in ("reply lost", "never arrived"):
                raise CloudUnreachable("connection reset")

        self.daemon.cloud.on_create = answer

    @rule(state=st.sampled_from([VmState.SUCCEEDED, VmState.CREATING, VmState.FAILED]), slow=st.booleans())
    def azure_makes_vms_so(self, state: VmState, slow: bool) -> None:
        self.daemon.cloud.new_state, self.daemon.cloud.slow_deletes = state, slow
        self.daemon.cloud.finish_deletes()

    @rule(data=st.data())
    def somebody_deletes_a_vm(self, data: st.DataObject) -> None:
        if self.daemon.cloud.vms:
            self.daemon.cloud.vms.pop(data.draw(st.sampled_from(sorted(self.daemon.cloud.vms))))

    @rule(data=st.data())
    def somebody_takes_the_tags_of_a_serving_vm(self, data: st.DataObject) -> None:
        serving = [
            one.vm_name for one in self.daemon.launches() if one.stage is Stage.JOINED and one.vm_name in self.daemon.cloud.vms
        ]
        if serving:
            self.daemon.cloud.untagged.add(data.draw(st.sampled_from(sorted(serving))))

    @rule(reachable=st.booleans())
    def slurmctld_comes_or_goes(self, reachable: bool) -> None:
        self.daemon.slurm.reachable = reachable

    @rule(seconds=st.sampled_from([0, 1, 12, 70, 400]))
    def time_goes_by(self, seconds: int) -> None:
        for _ in range(max(1, seconds // 10)):
            self.daemon.settle(min(seconds, 10))
            self._let_slurm_act()

    @rule()
    def daemon_is_killed(self) -> None:
        self.daemon.parts.loop.turn()
        self.daemon.restart()

    @invariant()
    def one_live_launch_a_node(self) -> None:
        live = Counter(launch.node for launch in self.daemon.launches() if launch.live)
        assert all(count == 1 for count in live.values()), live

    @invariant()
    def every_vm_is_in_the_journal(self) -> None:
        known = {launch.vm_name for launch in self.daemon.launches()}
        assert set(self.daemon.cloud.vms) <= known

    def teardown(self) -> None:
        """Faults stop, Slurm wants nothing any more: within minutes nothing is left, and no node of ours stays down."""
        cloud, slurm = self.daemon.cloud, self.daemon.slurm
        cloud.on_create, cloud.new_state, cloud.slow_deletes = lambda order: None, VmState.SUCCEEDED, False
        cloud.finish_deletes()
        slurm.reachable = True
        for node in NODES:
            state = slurm.states.get(node)  # type: ignore[call-overload]
            self.daemon.power(Power.OFF, node, reason=state.reason if state else "", down=bool(state and state.down))
            self.daemon.hook("suspend", node)
        for _ in range(90):
            self.daemon.settle(10)
            self._let_slurm_act()
        try:
            assert cloud.vms == {}
            assert {launch.stage for launch in self.daemon.launches()} <= {Stage.GONE}
            assert [name for name, state in slurm.states.items() if state.down] == []
            assert self.daemon.parts.journal.wishes() == []
        finally:
            self.daemon.parts.close()
            self.folder.cleanup()


LifeOfNodes.TestCase.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLifeOfNodes = LifeOfNodes.TestCase

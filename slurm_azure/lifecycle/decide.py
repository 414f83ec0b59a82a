"""The fixed order of the steps over one node record."""

from __future__ import annotations

from slurm_azure.lifecycle.effects import Effect
from slurm_azure.lifecycle.join import join
from slurm_azure.lifecycle.launch import launch
from slurm_azure.lifecycle.record import Facts, NodeRecord
from slurm_azure.lifecycle.release import release
from slurm_azure.lifecycle.sweep import sweep
from slurm_azure.lifecycle.watch import watch

STEPS = (release, launch, join, watch, sweep)


def decide(record: NodeRecord, facts: Facts) -> list[Effect]:
    """Everything that should be done about one node now. Asking again changes nothing: effects are safe to repeat."""
    effects: list[Effect] = []
    for step in STEPS:
        record, more = step(record, facts)
        effects += more
    return effects

"""`slurm-azure check` about the names of nodes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from slurm_azure.cli.findings import Finding, Level
from slurm_azure.cli.names import check_names
from tests.support.configs import a_config, a_document


def head(folder: Path) -> Path:
    """The slurm.conf of a head node."""
    (folder / "slurm.conf").write_text("ClusterName=c\n")
    return folder / "slurm.conf"


def two_pools() -> dict[str, object]:
    """Pools `hb` and `nc`."""
    pool = a_document()["pools"]["hb"]
    return {"hb": pool, "nc": {**pool, "nodes": "nc-[1-2]"}}


def found(config_nodes: str, conf: Path, known: set[str]) -> list[Finding]:
    """What is found where just these names are known."""

    def resolve(name: str) -> None:
        if name not in known:
            raise OSError(-2, "Name or service not known")

    return list(check_names(a_config(config_nodes), conf, resolve))


def test_names_that_are_known_are_well(tmp_path: Path) -> None:
    """One line for all pools."""
    (finding,) = found("az-[1-3]", head(tmp_path), {"az-1", "az-2", "az-3"})
    assert finding.level is Level.OK


@pytest.mark.parametrize("missing", ["az-1", "az-2", "az-3"])
def test_a_name_that_nobody_knows_is_a_warning(tmp_path: Path, missing: str) -> None:
    """It is named with the cause, what it does, and the command that mends it."""
    (finding,) = found("az-[1-3]", head(tmp_path), {"az-1", "az-2", "az-3"} - {missing})
    assert (finding.level, finding.about) == (Level.WARN, "pools.hb.nodes")
    assert f"{missing} cannot be looked up on this machine (Name or service not known)" in finding.text
    assert finding.remedy == "slurm-azure generate --hosts /etc/hosts"


def test_a_large_pool_costs_three_look_ups(tmp_path: Path) -> None:
    """First, middle and last: ten thousand nodes are not asked for."""
    asked: list[str] = []
    assert [one.level for one in check_names(a_config("az-[1-10000]"), head(tmp_path), asked.append)] == [Level.OK]
    assert sorted(asked) == ["az-1", "az-10000", "az-5001"]


def test_a_resolver_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    """All pools together have one deadline, and each is told of."""
    never = threading.Event()
    began = time.monotonic()
    try:
        findings = list(check_names(a_config(pools=two_pools()), head(tmp_path), lambda _: never.wait(60), patience=0.05))
    finally:
        never.set()
    assert time.monotonic() - began < 30
    assert [(one.level, one.about) for one in findings] == [(Level.WARN, "pools.hb.nodes"), (Level.WARN, "pools.nc.nodes")]
    assert "az-50 has not been looked up within 0.05 s" in findings[0].text


def test_off_the_head_node_nothing_is_asked(tmp_path: Path) -> None:
    """In CI the names mean nothing."""
    asked: list[str] = []
    assert list(check_names(a_config(), tmp_path / "slurm.conf", asked.append)) == []
    assert asked == []

"""The join script as a whole: order, what is kept, what is told; and that the oldest Python it names can read it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import join
import pytest
from slurm_node.node import Controller, Mount, MungeKey, Node, Spot, read_node
from slurm_node.outcome import Outcome, Patience, StepFailed, one_line

from slurm_azure.boot.user_data import UserData
from tests.boot.conftest import CLOUD_INIT
from tests.boot.patience import Clock
from tests.boot.test_user_data import node_json, the_pool
from tests.support.configs import a_config

NODE = Node("az-1", "hb", "test", [Controller("10.0.0.4", 6817)], MungeKey("image"), None, [], 600.0)


def test_reads_what_is_rendered(tmp_path: Path) -> None:
    """node.json as it is rendered becomes the node with its controllers, key and mounts."""
    azure = a_config().azure.model_dump() | {"node_identity": None}
    config = a_config(
        azure=azure,
        munge={"source": "key-vault", "vault": "https://v.vault.azure.net"},
        slurm={"controllers": ["head:7000"]},
        mounts=[{"source": "f:/e", "path": "/x", "required": False}],
        pools=the_pool(priority="spot", spot={"signal": "USR1", "grace": 7.0}),
    )
    file = tmp_path / "node.json"
    file.write_text(json.dumps(node_json(UserData(config).render("az-1", "hb", "l1"))), encoding="utf-8")
    node = read_node(str(file))
    assert (node.name, node.pool, node.cluster, node.give_up_after) == ("az-1", "hb", "test", 240.0)
    assert node.controllers == [Controller("head", 7000)]
    assert node.munge == MungeKey("key-vault", "https://v.vault.azure.net", "munge-key", None)
    assert (node.launch, node.spot) == ("l1", Spot("USR1", 7.0))
    assert node.mounts == [Mount("f:/e", "/x", "rw,vers=4.1,proto=tcp,hard,noatime", False)]


def test_slurmd_is_last() -> None:
    """No step comes after slurmd, and the mounts are made before it."""
    names = [name for name, _ in join.STEPS]
    assert names[-1] == "slurmd"
    assert names.index("munged") < names.index("mounts")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (StepFailed("the server\nsays no"), "mounts: the server says no"),
        (PermissionError(13, "Permission denied", "/x"), "mounts: [Errno 13] Permission denied: '/x'"),
        (KeyError("oops"), "mounts: KeyError: 'oops'"),
    ],
)
def test_first_failure_ends_it(error: Exception, failure: str) -> None:
    """Whatever a step raises becomes a one-line cause, and nothing after it is done."""
    done: list[str] = []

    def well(node: Node, patience: Patience, outcome: Outcome) -> None:
        done.append("well")

    def badly(node: Node, patience: Patience, outcome: Outcome) -> None:
        raise error

    outcome = join.join(NODE, Clock().patience(60), (("names", well), ("mounts", badly), ("slurmd", well)))
    assert (done, outcome.failure, list(outcome.stages)) == (["well"], failure, ["names", "mounts"])


def test_eviction_ends_it(tmp_path: Path) -> None:
    """When the watcher says that Azure takes the VM back, no step is begun beyond what it takes to tell slurmctld."""
    evicted = tmp_path / "evicted"

    def step(node: Node, patience: Patience, outcome: Outcome) -> None:
        evicted.touch()

    names = ("munged", "scontrol", "mounts", "slurmd")
    outcome = join.join(NODE, Clock().patience(60), tuple((name, step) for name in names), str(evicted))
    assert outcome.failure == "mounts: evicted while booting"


def test_document() -> None:
    """boot.json tells the node, whether it went well, and each step's seconds."""
    outcome = Outcome()
    outcome.stages["mounts"] = 1.23456
    document = outcome.document("az-1")
    assert (document["node"], document["ok"], document["stages"]) == ("az-1", True, {"mounts": 1.235})
    outcome.fail("mounts", "no")
    assert outcome.document("az-1")["ok"] is False


def test_one_line() -> None:
    """A reason is one printable line of bounded length, whatever a server sent."""
    assert one_line(" a\x1b[31m\n\tb ") == "a [31m b"
    assert one_line("x" * 1000, 10) == "xxxxxxx..."


def test_part_of_patience_never_outlasts_the_whole() -> None:
    """A step that may take long gets no more than what is left of all."""
    clock = Clock()
    whole = clock.patience(10)
    assert whole.pause(7)
    assert whole.part(60).left() == 3
    assert not whole.pause(3)
    assert clock.pauses == [7]


@pytest.mark.parametrize(
    "file", [*sorted(CLOUD_INIT.glob("*.py")), *sorted((CLOUD_INIT / "slurm_node").glob("*.py"))], ids=lambda file: file.name
)
def test_python_3_6_can_read_it(file: Path) -> None:
    """The grammar is that of Python 3.6, and nothing but the standard library of then is imported."""
    tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 6))
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert "dataclasses" not in imported
    assert "__future__" not in imported  # `annotations` is Python 3.7's
    known = {"base64", "binascii", "email", "fcntl", "http", "json", "os", "pwd", "random", "re", "shlex", "signal", "socket"}
    known |= {"ssl", "subprocess", "sys", "tempfile", "time", "typing", "urllib", "slurm_node"}
    assert {name.partition(".")[0] for name in imported} <= known

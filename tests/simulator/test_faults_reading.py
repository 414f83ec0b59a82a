"""Plans of faults as they are written: what is taken, and what is said of mistakes."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurm_azure.errors import ConfigError
from slurm_azure.simulator.faults import catalog, kinds
from slurm_azure.simulator.faults.kinds import Stage, stage
from slurm_azure.simulator.faults.plan import Fault
from slurm_azure.simulator.faults.reading import explain, read_faults, read_file, read_plan

ROOT = Path(__file__).parents[2]
EXAMPLE, DOCUMENT = ROOT / "etc" / "faults.yaml", ROOT / "docs" / "simulator.md"

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(["all", "*", "evict"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)

# One good fault of each kind.
GOOD: dict[str, Any] = {
    "error": {"kind": "error", "code": "ZonalAllocationFailed", "seconds": "uniform(1,3)"},
    "latency": {"kind": "latency", "seconds": "lognormal(1,3)", "when": "after"},
    "reset": {"kind": "reset", "when": "after"},
    "lost": {"kind": "lost"},
    "garbage": {"kind": "garbage", "form": "html"},
    "throttle": {"kind": "throttle", "by": "compute", "retry_after": 120},
    "another_client": {"kind": "another_client", "requests": 100, "budget": "PutVM", "region": "West Europe"},
    "storm": {"kind": "storm", "statuses": [500, 503], "seconds": 20},
    "list_lag": {"kind": "list_lag", "seconds": 10},
    "list_incomplete": {"kind": "list_incomplete", "how": "page", "status": 503},
    "power_state_missing": "power_state_missing",
    "login_down": {"kind": "login_down", "how": "slow", "seconds": 3},
    "vault_down": {"kind": "vault_down", "how": "forbidden"},
    "imds_down": {"kind": "imds_down", "status": 503},
    "clock_skew": {"kind": "clock_skew", "seconds": -600},
    "pause": {"kind": "pause", "seconds": 5},
    "boot": {"kind": "boot", "slower": 600, "cloud_init_fails": "no NFS", "dies_after": 3},
    "slow_delete": {"kind": "slow_delete", "seconds": 900},
    "failed_delete": "failed_delete",
    "capacity": {"kind": "capacity", "hosts": 10, "zone": 2, "priority": "Spot"},
    "quota": {"kind": "quota", "usage": "cores", "limit": 100},
    "price": {"kind": "price", "size": "Standard_D2s_v5", "usd": 0.1},
    "evict": {"kind": "evict", "vms": "all", "notice": 30},
    "die": {"kind": "die", "vms": 3, "state": "running"},
    "scheduled_event": {"kind": "scheduled_event", "event": "Reboot"},
    "vanish": {"kind": "vanish", "at_once": True},
    "stranger": {"kind": "stranger", "resource": "nic", "tags": {"a": "b"}},
}
PLAN: dict[str, Any] = {
    "seed": 7,
    "faults": [
        {"name": "a", "what": "SkuNotAvailable", "zone": 2, "priority": "Spot", "count": 3, "until": 60},
        {"what": GOOD["latency"], "operation": ["creates", "*_List"], "method": "PUT", "probability": 0.5, "every": 2},
        {"what": GOOD["evict"], "pool": "hb*", "tags": {"x": "y"}, "after": 10, "interval": 5, "count": 3, "from": "start"},
    ],
}


def one(written: Any) -> Fault:
    faults, mistakes = read_faults(written, ())
    assert not mistakes
    return faults[0]


def mistakes_of(written: Any) -> list[str]:
    return explain(read_faults(written, ())[1])


def taken_or_refused(file: Path) -> bool:
    """Whether a file is a plan, or is refused with words."""
    try:
        read_file(file)
    except ConfigError as error:
        return bool(error.mistakes)
    return True


def test_there_is_a_good_example_of_each_kind() -> None:
    """The table below is complete."""
    assert set(GOOD) == set(kinds.KINDS)


@pytest.mark.parametrize("kind", GOOD)
def test_each_kind_is_read(kind: str) -> None:
    """Its parameters are taken, it has a stage, and it is a value that can be compared and kept."""
    found = one({"what": GOOD[kind]})
    assert isinstance(found.what, kinds.KINDS[kind])
    assert isinstance(stage(found.what), Stage)
    assert found == one({"what": GOOD[kind]})


@pytest.mark.parametrize("name", catalog.NAMED)
def test_each_error_of_azure_is_known_by_name(name: str) -> None:
    """As a text alone it is a fault of its own nature, at the operations that can have it."""
    found = one({"what": name})
    named = catalog.NAMED[name]
    expected = {"sync": Stage.REQUEST, "async": Stage.ALLOCATION, "boot": Stage.BOOT}[named.nature]
    assert stage(found.what) is expected
    assert named.nature != "sync" or found.matchers.operation == tuple(named.operation)


def test_the_same_code_can_come_with_the_answer_or_at_the_end() -> None:
    """`when` decides: AllocationFailed as a refusal, OperationNotAllowed as the end of an operation."""
    assert stage(one({"what": {"kind": "error", "code": "AllocationFailed", "when": "sync"}}).what) is Stage.REQUEST
    assert stage(one({"what": {"kind": "error", "code": "SkuNotAvailable", "when": "async"}}).what) is Stage.ALLOCATION


def test_names_are_given_where_they_are_not() -> None:
    """fault-1, fault-2 .. as far as they are free."""
    faults, mistakes = read_faults([{"what": "evict"}, {"what": "evict", "name": "fault-1"}, {"what": "evict"}], ["fault-2"])
    assert not mistakes
    assert [fault.name for fault in faults] == ["fault-3", "fault-1", "fault-4"]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"what": "latenzy"}, "what: 'latenzy' is not known; did you mean latency?"),
        ({}, "what is missing: the kind of fault"),
        ({"what": {"kind": "latency"}}, "what: seconds is missing"),
        ({"what": {"kind": "latency", "seconds": -1}}, "what.seconds: a number from 0 to"),
        ({"what": {"kind": "latency", "seconds": "soon"}}, "what.seconds: 'soon' is not a span of time: write seconds such as"),
        ({"what": {"kind": "latency", "seconds": 1, "second": 1}}, "what.second: 'second' is not known; did you mean seconds?"),
        ({"what": "evict", "zne": 1}, "zne: 'zne' is not known; did you mean zone?"),
        ({"what": "evict", "count": 0}, "count: a whole number from 1 to"),
        ({"what": "evict", "operation": "creates"}, "operation: is about requests, and evict strikes none"),
        ({"what": "evict", "every": 2}, "every: is for what strikes requests and VMs"),
        ({"what": "reset", "interval": 2}, "interval: is for what happens by itself; every counts requests"),
        ({"what": {"kind": "list_lag", "seconds": 1}, "count": 2}, "count: list_lag holds for everybody while it is in force"),
        ({"what": "reset", "probability": 1.5}, "probability: a probability from 0 to 1 is expected, not 1.5"),
        ({"what": "reset", "after": 5, "until": 5}, "until: has to be later than after, which is 5"),
        ({"what": "reset", "tags": {"a": [1]}}, "tags.a: a text is expected, not a list of 1"),
        ({"what": "reset", "vm": ["a", {}]}, "vm: a text is expected, not an object"),
        ({"what": "reset", "name": "a/b"}, "name: a name of at most 100 printable characters without / is expected"),
        ({"what": {"kind": "error", "code": "X", "status": 200}}, "what.status: a whole number from 400 to 599"),
        (
            {"what": {"kind": "error", "code": "X", "headers": {"a b": "c"}}},
            "what.headers: 'a b' cannot be the name of a header",
        ),
        (
            {"what": {"kind": "error", "code": "X", "headers": {"a": "b\r\nc: d"}}},
            "what.headers: the value of header a has to be",
        ),
        ({"what": {"kind": "error", "code": "X", "details": [{"code": "a"}, 1]}}, "what.details[1]: an object with code"),
        (
            {"what": {"kind": "error", "code": "AllocationFailed", "status": 409}},
            "what: an error of an operation has a code and a",
        ),
        ({"what": {"kind": "quota", "usage": "cores", "limit": 1}, "vm": "x"}, "vm: quota says itself what it is for"),
        (
            {"what": {"kind": "quota", "usage": "cores", "limit": 1}, "location": "west*"},
            "location: quota needs names of regions",
        ),
        ({"what": "evict", "pool": "a", "tags": {"slurm-azure-pool": "b"}}, "pool: is the same as the tag slurm-azure-pool"),
        ([{"what": "evict", "name": "a"}, {"what": "die", "name": "a"}], "[1].name: there is a fault 'a' already"),
        ({"what": {"kind": "another_client", "requests": 1, "budget": "PutVMs"}}, "what.budget: one of reads, writes, deletes"),
        ({"what": "pause"}, "what: seconds is missing"),
        ({"what": "die", "interval": 0}, "interval: a number of seconds from 0.001 on is expected, not 0"),
        (3, "a fault (an object with what, and more) is expected, not 3"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_was_expected(written: Any, message: str) -> None:
    """One line for one mistake."""
    (found,) = mistakes_of(written)
    assert found.startswith(message)


def test_all_mistakes_of_a_file_are_told_with_their_lines(tmp_path: Path) -> None:
    """Not the first one alone."""
    file = tmp_path / "plan.yaml"
    file.write_text("seed: x\nfaults:\n  - what: {kind: reset}\n    cuont: 3\n  - name: b\n  - what: evikt\nfalts: []\n")
    with pytest.raises(ConfigError) as caught:
        read_file(file)
    assert caught.value.exit_code == 78
    assert [mistake.split(";")[0] for mistake in caught.value.mistakes] == [
        "line 7: falts: 'falts' is not known",
        "line 1: seed: a whole number from 0 to 9223372036854775808 is expected, not 'x'",
        "line 4: faults[0].cuont: 'cuont' is not known",
        f"line 5: faults[1]: what is missing: the kind of fault, one of {', '.join(kinds.KINDS)}, or the name of an error",
        "line 6: faults[2].what: 'evikt' is not known",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.yaml", b"faults: [", "line 1: not YAML: "),
        ("a.yaml", b"a: 1\na: 2", "line 2: not YAML: "),
        ("a.yaml", b"\xff", "is not UTF-8 (byte 0)"),
        ("a.yaml", b"[" * 5000, "not YAML: "),
        ("a.yaml", b"*x", "not YAML: "),
        ("a.yaml", b"a: !!python/object:os.system x", "line "),
        ("a.yaml", b"x" * (1 << 21), "is larger than 1048576 bytes"),
        ("a.json", b'{"faults": [,]}', "line 1: not JSON: "),
        ("a.json", b"[" * 100_000, "not JSON: "),
        ("a.json", b"3", "an object with seed and faults, or a list of faults, is expected, not 3"),
    ],
)
def test_what_is_no_plan_at_all(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """Neither YAML nor JSON, or too much of it: ConfigError with one line, and never anything else."""
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_file(file)
    assert message in caught.value.mistakes[0]
    assert len(caught.value.mistakes[0]) < 400


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The message names it, and the option that it comes from."""
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file or directory; --faults names the file"):
        read_file(tmp_path / "none.yaml")


def test_aliases_that_hold_each_other_ten_thousandfold_are_refused_briefly(tmp_path: Path) -> None:
    """A few lines of YAML that are gigabytes when written out end as a short mistake."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    file = tmp_path / "laughs.yaml"
    file.write_text("\n".join(lines) + "\nfaults:\n  - what: reset\n    vm: *i\n")
    with pytest.raises(ConfigError) as caught:
        read_file(file)
    assert all(len(mistake) < 400 for mistake in caught.value.mistakes)


def test_an_empty_file_is_an_empty_plan(tmp_path: Path) -> None:
    """Nothing goes wrong."""
    (tmp_path / "a.yaml").write_text("# nothing\n")
    assert read_file(tmp_path / "a.yaml").faults == ()


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all members of a plan."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return ([way] if way else []) + [place for key, item in members for place in places(item, (*way, key))]


MOST = {**PLAN, "faults": [*PLAN["faults"], *({"what": what} for what in GOOD.values())]}


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(places(MOST)), ANYTHING)
def test_a_plan_with_anything_anywhere_is_taken_or_refused(place: tuple[Any, ...], value: Any) -> None:
    """One member replaced by any value: a plan, or mistakes in words with the place; never an exception."""
    plan = copy.deepcopy(MOST)
    owner: Any = plan
    for part in place[:-1]:
        owner = owner[part]
    owner[place[-1]] = value
    found, mistakes = read_plan(plan)
    assert all(text and len(text) < 500 for text in explain(mistakes))
    assert mistakes or len(found.faults) == len(plan["faults"] or ())


@settings(max_examples=100, deadline=None)
@given(ANYTHING)
def test_any_value_at_all_is_taken_or_refused(value: Any) -> None:
    """As a plan and as faults to be added."""
    for mistakes in (read_plan(value)[1], read_faults(value, ["a"])[1]):
        assert all(isinstance(text, str) for text in explain(mistakes))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_file_at_all_is_taken_or_refused(tmp_path_factory: pytest.TempPathFactory, content: str | bytes) -> None:
    """Whatever bytes a file holds: a plan or a ConfigError."""
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    assert taken_or_refused(file)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_mangled_file_is_taken_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """The example with a piece cut out, doubled or replaced: a plan or a ConfigError."""
    text = EXAMPLE.read_text(encoding="utf-8")
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 40)))
    middle = data.draw(st.sampled_from(["", text[begin:end] * 2, "\t", ": ", "- ", "{", "]", "&a ", "*a ", "\x00", "|"]))
    file = tmp_path_factory.getbasetemp() / "mangled.yaml"
    file.write_text(text[:begin] + middle + text[end:], encoding="utf-8")
    assert taken_or_refused(file)


def test_the_example_that_is_shipped_is_good() -> None:
    """etc/faults.yaml is a plan; every kind is in it, if only in a comment."""
    text = EXAMPLE.read_text(encoding="utf-8")
    assert read_file(EXAMPLE).faults
    assert [kind for kind in kinds.KINDS if kind not in text] == []


def test_all_plans_of_the_document_are_good(tmp_path: Path) -> None:
    """Each YAML block can be copied as it stands, each JSON body too; every kind is shown."""
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S) if "what:" in block]
    shown = set()
    for number, block in enumerate(blocks):
        file = tmp_path / f"{number}.yaml"
        file.write_text(block, encoding="utf-8")
        shown |= {type(fault.what) for fault in read_file(file).faults}
    assert shown == set(kinds.KINDS.values())
    for body in re.findall(r"-d '(.*?)'", text, re.S):
        assert mistakes_of(json.loads(body)) == []


def test_the_document_lists_all_errors_and_kinds() -> None:
    """The reference tables are complete: each kind, each of its parameters, each named error."""
    text = DOCUMENT.read_text(encoding="utf-8")
    names = [*kinds.KINDS, *catalog.NAMED]
    names += [item.name for kind in kinds.KINDS.values() for item in dataclasses.fields(kind)]
    assert [name for name in names if f"`{name}`" not in text] == []

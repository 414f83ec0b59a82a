"""slurm_azure.hostlist against Slurm's own answers (captured, and live where a scontrol is found)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurm_azure.errors import HostlistError
from slurm_azure.hostlist import MAX_NAMES, MAX_RANGE, expand, fold

FIXTURES = Path(__file__).parent / "fixtures"
RELEASES = ("22.05", "24.11", "26.05")
ANSWERS = {release: json.loads((FIXTURES / f"slurm-{release}" / "hostlists.json").read_text()) for release in RELEASES}
NEWEST = ANSWERS["26.05"]

numbers = st.integers(0, 12_000).flatmap(lambda n: st.integers(0, 6).map(lambda width: f"{n:0{width}d}"))
stems = st.sampled_from(["az", "az-hb-", "rack1n", "n0", "", "A", "node-"])
names = st.lists(st.builds(lambda stem, number: stem + number, stems, numbers), min_size=1, max_size=40)
texts = st.text(alphabet="n1209-[], \tx/a", max_size=14)


def answer(text: str) -> list[str] | None:
    """What expand says, None for a refusal: the shape of the captured answers."""
    try:
        return expand(text)
    except HostlistError:
        return None


BRACKET_IN_NAME = {"n[1]]", "n[[1]]"}  # refused by 22.05; 24.11 takes a bracket for part of the name; no node is meant


@pytest.mark.parametrize("text", sorted(NEWEST["expand"].keys() - BRACKET_IN_NAME))
def test_expands_what_slurm_expands(text: str) -> None:
    """Each captured hostlist gives the names, order and repetitions of the newest Slurm, or is refused with it."""
    assert answer(text) == NEWEST["expand"][text]


@pytest.mark.parametrize("release", RELEASES)
def test_agrees_with_every_release_on_what_that_release_accepts(release: str) -> None:
    """Whatever any of the captured releases expands, we expand to the same names."""
    captured = ANSWERS[release]["expand"]
    accepted = {text: captured[text] for text in captured.keys() - BRACKET_IN_NAME if captured[text] is not None}
    assert {text: answer(text) for text in accepted} == accepted


@pytest.mark.parametrize("text", sorted({*NEWEST["slips"], *BRACKET_IN_NAME}))
def test_refuses_the_slips_of_slurms_number_parser(text: str) -> None:
    """Texts that Slurm reads by accident (half a range, an open bracket) are mistakes here, not nodes."""
    with pytest.raises(HostlistError):
        expand(text)


@pytest.mark.parametrize("release", RELEASES)
def test_folds_as_slurm_folds(release: str) -> None:
    """fold writes, character for character, what `scontrol show hostlistsorted` writes."""
    folds = ANSWERS[release]["fold"]
    assert {text: fold(text.split(",")) for text in folds} == folds


@given(names)
def test_fold_loses_and_invents_no_name(nodes: list[str]) -> None:
    """Expanding what was folded gives the same set of names, padding included, each once."""
    expanded = expand(fold(nodes))
    assert sorted(expanded) == sorted(set(nodes))


@given(names)
def test_fold_does_not_depend_on_the_order(nodes: list[str]) -> None:
    """The same set of names always folds to the same text."""
    assert fold(nodes) == fold(sorted(nodes, reverse=True))


@given(st.text(max_size=200) | texts)
def test_expand_answers_or_refuses_anything(text: str) -> None:
    """No input makes expand raise anything but HostlistError, and no name it gives holds a bracket or a blank."""
    for name in answer(text) or []:
        assert name
        assert not set("[], \t\n") & set(name)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a[1-2],n[5-", "'['"),
        ("n1]", "']'"),
        ("n[1-9/2]", "'1-9/2'"),
        ("n[4-2]", "'4-2'"),
        ("n[1-65537]", "65,536"),
        ("n[1-1000][1-1000]", f"{MAX_NAMES:,}"),
    ],
)
def test_says_which_place_cannot_be_read(text: str, place: str) -> None:
    """The message quotes the offending piece or the limit that was passed."""
    with pytest.raises(HostlistError, match=r"hostlist '") as caught:
        expand(text)
    assert place in str(caught.value)


def test_messages_stay_short_for_huge_texts() -> None:
    """100 kB of rubbish do not end up in the log."""
    with pytest.raises(HostlistError) as caught:
        expand("x" * 100_000 + "[1-")
    assert len(str(caught.value)) < 200


def test_refuses_a_hostlist_of_endless_names_at_once() -> None:
    """A short text that stands for 10^36 names is refused before a single name is made."""
    with pytest.raises(HostlistError, match="stands for more"):
        expand("n[0-999]" * 12)


def test_a_list_of_many_full_ranges_is_bounded() -> None:
    """The cap holds for the whole list, not for each piece."""
    piece = f"n[1-{MAX_RANGE}]"
    assert len(expand(",".join([piece] * 4))) == MAX_NAMES
    with pytest.raises(HostlistError):
        expand(",".join([piece] * 4) + ",m[1-2]")


@pytest.mark.parametrize("name", ["", "a b", "a,b", "a[1]", "a\nb", "a\x00b"])
def test_fold_refuses_what_is_no_name(name: str) -> None:
    """A name that would change the meaning of the list cannot get into it."""
    with pytest.raises(HostlistError):
        fold(["good1", name])


def test_ten_thousand_names_survive_the_round_trip() -> None:
    """10,000 names, some padded, some in two brackets, come back as they were."""
    nodes = expand("az-[1-4000],r[01-60]n[001-100]")
    assert len(nodes) == 10_000
    assert sorted(expand(fold(nodes))) == sorted(nodes)
    assert fold(expand("az-[1-10000]")) == "az-[1-10000]"


def scontrol() -> list[str]:
    """The scontrol to compare with: $SLURM_AZURE_SCONTROL (a command line), or the one in PATH."""
    given_command = os.environ.get("SLURM_AZURE_SCONTROL", "").split()
    found = shutil.which("scontrol")
    return given_command or ([found] if found else [])


def ask(command: list[str], what: str, text: str, conf: Path) -> list[str] | None:
    """Slurm's own answer, None for a refusal."""
    environ = {"PATH": os.environ["PATH"], "SLURM_CONF": os.environ.get("SLURM_CONF", str(conf)), "LC_ALL": "C.UTF-8"}
    done = subprocess.run([*command, "show", what, text], capture_output=True, text=True, env=environ, timeout=20)
    assert "configuration source" not in done.stderr, done.stderr
    return None if "nvalid" in done.stdout + done.stderr else done.stdout.splitlines()


@pytest.mark.skipif(not scontrol(), reason="no scontrol here: set SLURM_AZURE_SCONTROL or PATH for the live comparison")
def test_live_scontrol_agrees(tmp_path: Path) -> None:
    """A real scontrol expands what we fold, and reads random hostlists as we do (or we refuse)."""
    command = scontrol()
    conf = tmp_path / "slurm.conf"
    conf.write_text("ClusterName=x\nSlurmctldHost=localhost\nNodeName=n1\n")

    @settings(max_examples=30, deadline=None)
    @given(names)
    def folds(nodes: list[str]) -> None:
        assert ask(command, "hostnames", fold(nodes), conf) == expand(fold(nodes))
        assert ask(command, "hostlistsorted", ",".join(sorted(set(nodes))), conf) is not None

    @settings(max_examples=60, deadline=None)
    @given(texts)
    def expands(text: str) -> None:
        ours = answer(text)
        theirs = ask(command, "hostnames", text, conf) if text else []
        assert ours is None or theirs is None or ours == theirs

    folds()
    expands()

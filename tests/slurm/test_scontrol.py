"""slurm_azure.slurm.scontrol against captured outputs, and against a slurmctld that behaves as the real one was seen to."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.errors import SchedulerUnreachable
from slurm_azure.hostlist import expand
from slurm_azure.model import NodeName, Power
from slurm_azure.slurm.command import ARGUMENT_LIMIT, Outcome, run_command
from slurm_azure.slurm.output import TEXT_LIMIT, one_line, parse_nodes
from slurm_azure.slurm.scheduler import Tell
from slurm_azure.slurm.scontrol import JOBS_A_CALL, SlurmCommands

FIXTURES = Path(__file__).parent.parent / "fixtures"
RELEASES = ("22.05", "24.11", "26.05")
RECORD = (
    "NodeName={name} CoresPerSocket=1  CPUAlloc=0 State={state} ThreadsPerCore=1 TmpDisk=0 CfgTRES=cpu=1 AllocTRES= {rest}\n"
)


def names(*texts: str) -> list[NodeName]:
    """Node names from hostlists."""
    return [NodeName(name) for text in texts for name in expand(text)]


def replying(out: bytes = b"", err: bytes = b"", code: int = 0) -> Callable[[Sequence[str], Mapping[str, str], float], Outcome]:
    """A command that always ends like this."""
    return lambda argv, environ, timeout: Outcome(code, out, err)


class Slurmctld:
    """Nodes behind scontrol: update goes through the list, does what it can and reports one error, as Slurm does; it
    `stops` at a name it does not know, or not."""

    def __init__(self, states: Mapping[str, str], refusing: Mapping[str, str] | None = None, stops: bool = False) -> None:
        self.states = dict(states)
        self.stops = stops
        self.refusing = dict(refusing or {})
        self.updates: list[list[str]] = []

    def __call__(self, argv: Sequence[str], environ: Mapping[str, str], timeout: float) -> Outcome:
        """Run `argv`."""
        if "update" not in argv:
            text = "".join(RECORD.format(name=name, state=state, rest="") for name, state in self.states.items())
            return Outcome(0, text.encode(), b"")
        self.updates.append(list(argv))
        given_values = dict(argument.split("=", 1) for argument in argv[2:])
        error = ""
        for name in expand(given_values["nodename"]):
            error = self._change(name, given_values["state"]) or error
            if self.stops and name not in self.states:
                break
        return Outcome(1, b"", f"slurm_update error: {error}\n".encode()) if error else Outcome(0, b"", b"")

    def _change(self, name: str, what: str) -> str:
        if name not in self.states:
            return "Invalid node name specified"
        if name in self.refusing:
            return self.refusing[name]
        if what in ("resume", "idle") and "DOWN+" not in self.states[name] and "DRAIN" not in self.states[name]:
            return "Invalid node state specified"
        self.states[name] = {"down": "DOWN+CLOUD", "resume": "IDLE+CLOUD+POWERED_DOWN", "idle": "IDLE+CLOUD"}.get(
            what, "IDLE+CLOUD+POWERING_DOWN"
        )
        return ""


@pytest.mark.parametrize("release", RELEASES)
def test_reads_the_nodes_of_a_real_slurmctld(release: str) -> None:
    """A node in each state of its life, with hostile reasons and comments, is read as it is; no other node is invented."""
    output = (FIXTURES / f"slurm-{release}" / "nodes.txt").read_bytes()
    found = SlurmCommands(Path("/usr/bin"), run=replying(output)).nodes(names("c[101-119]", "c999"))
    assert sorted(found) == names("c[101-119]")
    assert {name: node.power for name, node in found.items() if name in names("c[101-107]")} == {
        "c101": Power.UP,
        "c102": Power.UP,
        "c103": Power.WAKING,
        "c104": Power.WAKING,
        "c105": Power.WAKING,
        "c106": Power.OFF,
        "c107": Power.OFF,
    }
    assert found[NodeName("c105")].reason == "slurm-azure: quota"
    assert found[NodeName("c106")].reason == 'slurm-azure: no capacity (AllocationFailed) = try "later", or zone 2'
    assert found[NodeName("c107")].reason.startswith("admin: State=IDLE ThreadsPerCore=1")
    assert found[NodeName("c107")].drained
    assert found[NodeName("c108")].reason == "failing"
    assert found[NodeName("c109")].reason == "kernel update"
    assert found[NodeName("c110")].flags == {"IDLE", "CLOUD", "POWERED_DOWN"}
    assert found[NodeName("c101")].reason == ""


def test_returns_only_the_nodes_that_were_asked_for() -> None:
    """Other nodes of the cluster are none of our business."""
    output = (FIXTURES / "slurm-22.05" / "nodes.txt").read_bytes()
    assert list(SlurmCommands(Path("/usr/bin"), run=replying(output)).nodes(names("c102"))) == ["c102"]


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ("Reason=not enough memory [slurm@2026-01-01T00:00:00]", "not enough memory"),
        ("Reason=no time [slurm@Unknown] Comment=x", "no time"),
        ("Reason=nobody set it", "nobody set it"),
        ("Reason=nobody set it Comment=Reason=x [a@b]", "nobody set it"),
        ("Reason=(null)", ""),
        ("Comment=no reason", ""),
        ("Reason=user by number [4294967294@2026-01-01T00:00:00]", "user by number"),
    ],
)
def test_reads_the_reason_alone(rest: str, reason: str) -> None:
    """Who set a reason and when, and what follows it, is not part of it."""
    (node,) = parse_nodes(RECORD.format(name="n1", state="DOWN", rest=rest), {"n1"})
    assert node.reason == reason


REPORT = "slurm-azure boot=ok launch=1a seconds=1.2 stages=a:0.01,b:2 memory=7900 cpus=2"


@pytest.mark.parametrize(
    ("rest", "reason", "comment"),
    [
        (f"Reason=slurm-azure: t [root@2026-11-21T11:03:57] Comment={REPORT}", "slurm-azure: t", REPORT),
        (f"Comment={REPORT}", "", REPORT),
        (f"Reason=nobody set it Comment={REPORT} Extra=x", "nobody set it", REPORT),
        ('Comment=a"b Reason=x [a@b] State=DOWN', "", 'a"b Reason=x [a@b] State=DOWN'),
        ("Reason=x [a@b] Comment=(null) Extra=Comment=y", "x", ""),
        ("Reason=x [a@b] Comment=two\nlines InstanceId=i-1", "x", "two\nlines"),
        ("Reason=x [a@b] Extra=e", "x", ""),
        ("", "", ""),
    ],
)
def test_reads_the_comment_alone(rest: str, reason: str, comment: str) -> None:
    """A node's comment is what somebody set, to its end; it is never taken for a reason, nor a reason's end for a comment."""
    (node,) = parse_nodes(RECORD.format(name="n1", state="IDLE", rest=rest), {"n1"})
    assert (node.reason, node.comment) == (reason, comment)


@given(st.text(max_size=300).map(one_line).filter(lambda text: not re.search(r"(Extra|InstanceId|InstanceType)=", text)))
def test_any_comment_comes_back_as_it_was_set(comment: str) -> None:
    """Whatever a comment of one line says, it comes back, and the reason before it stays what it is."""
    rest = f"Reason=slurm-azure: t [root@2026-11-21T11:03:57] Comment={comment} "
    (node,) = parse_nodes(RECORD.format(name="n1", state="IDLE", rest=rest), {"n1"})
    assert (node.reason, node.comment) == ("slurm-azure: t", "" if comment == "(null)" else comment)


@given(st.text(max_size=300))
def test_reading_nodes_never_fails(text: str) -> None:
    """Whatever scontrol prints, reading it raises nothing."""
    list(parse_nodes(text, {"n1"}))
    list(parse_nodes(RECORD.format(name="n1", state="IDLE", rest=text), {"n1"}))


def test_asks_with_a_minimal_environment_and_no_shell() -> None:
    """Commands get PATH, LC_ALL and SLURM_CONF and nothing of ours, their full path, and the time limit."""
    seen: list[tuple[Sequence[str], Mapping[str, str], float]] = []

    def run(argv: Sequence[str], environ: Mapping[str, str], timeout: float) -> Outcome:
        seen.append((argv, environ, timeout))
        return Outcome(0, b"", b"")

    SlurmCommands(Path("/opt/slurm/bin"), Path("/etc/slurm/slurm.conf"), run, timeout=7).nodes(names("n1"))
    ((argv, environ, timeout),) = seen
    assert argv == ("/opt/slurm/bin/scontrol", "--all", "--oneliner", "show", "nodes")
    assert set(environ) == {"PATH", "LC_ALL", "SLURM_CONF"}
    assert timeout == 7


def test_tells_thousands_of_nodes_in_one_call() -> None:
    """10,000 nodes are one scontrol with a folded hostlist."""
    slurmctld = Slurmctld({name: "IDLE+CLOUD" for name in expand("az-[1-10000]")})
    assert SlurmCommands(Path("/b"), run=slurmctld).tell(Tell.DOWN, names("az-[1-10000]"), "slurm-azure: x") == {}
    assert slurmctld.updates == [["/b/scontrol", "update", "nodename=az-[1-10000]", "state=down", "reason=slurm-azure: x"]]


def test_splits_what_does_not_fit_into_one_argument() -> None:
    """Names that cannot be folded are told in pieces below Linux's limit for one argument, none is lost."""
    nodes = [NodeName(f"node{number}-with-a-rather-long-name-that-cannot-be-folded") for number in range(5000)]
    slurmctld = Slurmctld(dict.fromkeys(nodes, "IDLE+CLOUD"))
    assert SlurmCommands(Path("/b"), run=slurmctld).tell(Tell.POWER_DOWN, nodes) == {}
    assert max(len(argument) for argv in slurmctld.updates for argument in argv) <= ARGUMENT_LIMIT + len("nodename=")
    assert sum(len(expand(argv[2].removeprefix("nodename="))) for argv in slurmctld.updates) == 5000
    assert len(slurmctld.updates) <= 4


def test_no_names_no_call() -> None:
    """Nothing to tell and nothing to ask costs no process."""
    slurmctld = Slurmctld({})
    slurm = SlurmCommands(Path("/b"), run=slurmctld)
    assert slurm.tell(Tell.DOWN, [], "x") == {}
    assert slurm.nodes([]) == {}
    assert slurm.jobs([]) == []
    assert slurmctld.updates == []


def test_unknown_nodes_stop_no_other() -> None:
    """Names that Slurm does not know are reported; all others are told, with no further call."""
    slurmctld = Slurmctld({name: "IDLE+CLOUD" for name in expand("n[1-100]")})
    refused = SlurmCommands(Path("/b"), run=slurmctld).tell(Tell.DOWN, names("n[1-100]", "ghost[1-3]"), "slurm-azure: x")
    assert refused == dict.fromkeys(names("ghost[1-3]"), "Invalid node name specified")
    assert set(slurmctld.states.values()) == {"DOWN+CLOUD"}
    assert len(slurmctld.updates) == 1


def test_an_update_that_stops_at_an_unknown_name_is_said_again() -> None:
    """22.05 and 24.11 leave the nodes behind an unknown name as they are, even if it is a single one: they are told again."""
    for known in (["b2"], expand("b[2-40]")):
        slurmctld = Slurmctld({name: "IDLE+CLOUD" for name in known}, stops=True)
        refused = SlurmCommands(Path("/b"), run=slurmctld).tell(Tell.DOWN, names("b1", *known), "slurm-azure: x")
        assert refused == {"b1": "Invalid node name specified"}
        assert set(slurmctld.states.values()) == {"DOWN+CLOUD"}
        assert len(slurmctld.updates) == 2


def test_refused_nodes_are_found_by_halving() -> None:
    """Of 200 nodes the two that slurmctld refuses are found with its words, in few calls."""
    slurmctld = Slurmctld(
        {name: "IDLE+CLOUD" for name in expand("n[1-200]")},
        {"n17": "Access/permission denied", "n150": "Invalid node state specified"},
    )
    refused = SlurmCommands(Path("/b"), run=slurmctld).tell(Tell.DOWN, names("n[1-200]"), "slurm-azure: x")
    assert refused == {
        "n17": "slurm_update error: Access/permission denied",
        "n150": "slurm_update error: Invalid node state specified",
    }
    assert len(slurmctld.updates) <= 3


def test_a_second_resume_is_no_refusal() -> None:
    """Nodes that the first, half-refused call has resumed already are not reported as refused."""
    slurmctld = Slurmctld(
        {name: "DOWN+CLOUD" for name in expand("n[1-9]")} | {"bad": "DOWN+CLOUD"}, {"bad": "Invalid node state"}
    )
    assert list(SlurmCommands(Path("/b"), run=slurmctld).tell(Tell.RESUME, names("n[1-9]", "bad"))) == ["bad"]


def test_resuming_what_is_up_already_is_no_refusal() -> None:
    """Slurm calls it an invalid state; what was wanted is so."""
    slurmctld = Slurmctld({"n1": "IDLE+CLOUD"})
    assert SlurmCommands(Path("/b"), run=slurmctld).tell(Tell.RESUME, names("n1")) == {}


def test_a_refusal_of_everything_is_bounded() -> None:
    """If slurmctld refuses all of 2,000 nodes, it is not asked 4,000 times."""
    slurmctld = Slurmctld(dict.fromkeys(expand("n[1-2000]"), "IDLE+CLOUD"), dict.fromkeys(expand("n[1-2000]"), "no"))
    refused = SlurmCommands(Path("/b"), run=slurmctld).tell(Tell.DOWN, names("n[1-2000]"), "slurm-azure: x")
    assert len(refused) == 2000
    assert len(slurmctld.updates) < 80


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("slurm-azure: a\nb\tc", "slurm-azure: a b c"),
        ('"quoted"', "'quoted'"),
        ("$(reboot) `id` ; | \\", "$(reboot) `id` ; | \\"),
        ("bell\x07 esc\x1b[0m \ud800", "bell? esc?[0m ?"),
        ("Größe 日本", "Größe 日本"),
    ],
)
def test_reasons_are_one_printable_line(text: str, shown: str) -> None:
    """Line ends, control characters and double quotes, which scontrol would take off, do not get through."""
    assert one_line(text) == shown


@given(st.text(max_size=3000))
def test_reasons_are_bounded(text: str) -> None:
    """Any text becomes at most TEXT_LIMIT characters that can be encoded and shown."""
    line = one_line(text)
    assert len(line) <= TEXT_LIMIT
    assert line == "" or line.isprintable()
    line.encode()


@pytest.mark.parametrize("release", RELEASES)
def test_reads_the_jobs_of_a_real_squeue(release: str) -> None:
    """A job whose name holds line ends and separators neither breaks its own record nor invents another job."""
    output = (FIXTURES / f"slurm-{release}" / "squeue.txt").read_bytes()
    slurm = SlurmCommands(Path("/usr/bin"), run=replying(output), nonce=lambda: "@mark@")
    held = {job.id: job for job in slurm.jobs(names("c[101-113]"))}
    assert sorted(held) == [5, 6]
    assert (held[6].state, held[6].nodes, held[6].partition, held[6].user) == ("CONFIGURING", "c[112-113]", "cloud", "root")
    assert held[6].name == "evil|name 99|RUNNING|cloud|c101|root|x é"
    assert [job.id for job in slurm.jobs(names("c113"))] == [6]
    assert slurm.jobs(names("c101")) == []


def test_the_separator_of_jobs_is_new_each_time() -> None:
    """No user can know the mark beforehand: two calls use two of them, each long."""
    seen: list[str] = []

    def run(argv: Sequence[str], environ: Mapping[str, str], timeout: float) -> Outcome:
        seen.append(argv[-1].partition("%")[0])
        return Outcome(0, b"", b"")

    slurm = SlurmCommands(Path("/b"), run=run)
    slurm.jobs(names("n1"))
    slurm.jobs(names("n1"))
    assert len(set(seen)) == 2
    assert min(map(len, seen)) >= 16


@pytest.mark.parametrize(
    "words",
    [
        "slurm_load_node error: Unable to contact slurm controller (connect failure)",
        "slurm_load_node error: Socket timed out on send/recv operation",
        "scontrol: error: Munge encode failed: Failed to access\nslurm_load_node error: Protocol authentication error",
        "scontrol: error: ClusterName needs to be specified\nscontrol: fatal: Unable to process configuration file",
        "scontrol: fatal: Could not establish a configuration source",
        "slurm_update error: Slurm backup controller in standby mode",
    ],
)
@pytest.mark.parametrize("call", ["nodes", "tell", "jobs", "version"])
def test_what_does_not_reach_slurmctld_is_told_apart_from_a_refusal(words: str, call: str) -> None:
    """Captured complaints of the commands become SchedulerUnreachable with a remedy, whatever was asked."""
    slurm = SlurmCommands(Path("/b"), run=replying(err=words.encode(), code=1), sleep=lambda seconds: None)
    calls: dict[str, Callable[[], object]] = {
        "nodes": lambda: slurm.nodes(names("n1")),
        "tell": lambda: slurm.tell(Tell.DOWN, names("n[1-2]"), "x"),
        "jobs": lambda: slurm.jobs(names("n1")),
        "version": slurm.version,
    }
    with pytest.raises(SchedulerUnreachable, match=": "):
        calls[call]()


def test_a_read_that_is_refused_is_never_half_an_answer() -> None:
    """Even an unknown complaint of `show nodes` raises: no node may be taken for missing."""
    slurm = SlurmCommands(Path("/b"), run=replying(out=b"NodeName=n1 ", err=b"slurm_load_node error: weird", code=1))
    with pytest.raises(SchedulerUnreachable, match="weird"):
        slurm.nodes(names("n1"))


def test_quick_faults_are_tried_three_times() -> None:
    """A munged that is just restarting costs two further tries, not the tick."""
    calls: list[Sequence[str]] = []
    pauses: list[float] = []

    def run(argv: Sequence[str], environ: Mapping[str, str], timeout: float) -> Outcome:
        calls.append(argv)
        if len(calls) < 3:
            return Outcome(1, b"", b"slurm_load_node error: Protocol authentication error")
        return Outcome(0, RECORD.format(name="n1", state="IDLE", rest="").encode(), b"")

    found = SlurmCommands(Path("/b"), run=run, sleep=pauses.append).nodes(names("n1"))
    assert list(found) == ["n1"]
    assert len(pauses) == 2
    assert max(pauses) <= 1.0


def test_refusals_are_not_tried_again() -> None:
    """What slurmctld answered is an answer."""
    slurmctld = Slurmctld({"n1": "IDLE+CLOUD"}, {"n1": "no"})
    SlurmCommands(Path("/b"), run=slurmctld).tell(Tell.DOWN, names("n1"), "x")
    assert len(slurmctld.updates) == 1


def test_missing_commands_and_hanging_ones_are_named(tmp_path: Path) -> None:
    """A wrong bin_dir names the file and the remedy; a command that hangs is ended at its time limit (real processes)."""
    nothing = SlurmCommands(tmp_path, sleep=lambda seconds: None)
    with pytest.raises(SchedulerUnreachable, match=f"{tmp_path}/scontrol: No such file.*bin_dir"):
        nothing.nodes(names("n1"))
    (tmp_path / "scontrol").write_text(f"#!{sys.executable}\nimport time\ntime.sleep(50)\n")
    (tmp_path / "scontrol").chmod(0o755)
    with pytest.raises(SchedulerUnreachable, match="no answer within"):
        SlurmCommands(tmp_path, timeout=0.2, sleep=lambda seconds: None).nodes(names("n1"))


def test_real_commands_see_no_variable_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SLURM_* and SQUEUE_* of the daemon's own environment do not change what the commands print (real process)."""
    monkeypatch.setenv("SQUEUE_FORMAT", "x")
    outcome = run_command(["/usr/bin/env"], {"LC_ALL": "C"}, 10)
    assert outcome.out == b"LC_ALL=C\n"
    with pytest.raises(subprocess.TimeoutExpired):
        run_command(["/bin/sleep", "30"], {}, 0.1)


def test_reads_ten_thousand_nodes_quickly() -> None:
    """10,000 nodes are read in one pass: each state and reason is right (the figure itself is bench's business)."""
    text = "".join(
        RECORD.format(
            name=name, state="DOWN+CLOUD+POWERED_DOWN", rest=f"Reason=slurm-azure: {name} [slurm@2026-01-01T00:00:00]"
        )
        for name in expand("az-[1-10000]")
    )
    found = {node.name: node for node in parse_nodes(text, frozenset(expand("az-[1-10000]")))}
    assert len(found) == 10_000
    assert all(node.reason == f"slurm-azure: {name}" and node.power is Power.OFF for name, node in found.items())


class Queue:
    """Jobs behind `scontrol update jobid=`: it goes through the whole list and has a line for each one it refuses (words of
    22.05.8, 24.11.5 and 26.05.5)."""

    def __init__(self, waiting: Sequence[int] = (), running: Sequence[int] = (), over: Sequence[int] = ()) -> None:
        self.waiting, self.running, self.over = set(waiting), set(running), set(over)
        self.comments: dict[int, str] = {}
        self.begins: dict[int, str] = {}
        self.calls: list[list[str]] = []

    def __call__(self, argv: Sequence[str], environ: Mapping[str, str], timeout: float) -> Outcome:
        """Run `argv`."""
        self.calls.append(list(argv))
        values = dict(argument.split("=", 1) for argument in argv[2:])
        lines = [self._change(int(job), values) for job in values["jobid"].split(",")]
        err = "".join(f"{line}\n" for line in lines if line)
        return Outcome(1 if err else 0, b"", err.encode())

    def _change(self, job: int, values: Mapping[str, str]) -> str:
        if job in self.over:
            return f"Job has already finished for job {job}"
        if job not in self.waiting | self.running:
            return f"Invalid job id specified for job {job}"
        if "starttime" in values and job in self.running:
            return f"Job is no longer pending execution for job {job}"
        if "admincomment" in values:
            self.comments[job] = values["admincomment"]
        if "starttime" in values:
            self.begins[job] = values["starttime"]
        return ""


def test_tells_jobs_and_holds_back_those_that_wait() -> None:
    """All that are there get the comment; those that wait are held back; jobs that are over or unknown are reported, and stop
    no other; one that runs is none of these."""
    queue = Queue(waiting=[1, 2], running=[3], over=[4])
    refused = SlurmCommands(Path("/b"), run=queue).tell_jobs([1, 2, 3, 4, 9999], "slurm-azure: no room", 29.2)
    assert refused == {4: "Job has already finished", 9999: "Invalid job id specified"}
    assert queue.comments == dict.fromkeys([1, 2, 3], "slurm-azure: no room")
    assert queue.begins == dict.fromkeys([1, 2], "now+30")
    assert queue.calls[0] == ["/b/scontrol", "update", "jobid=1,2,3,4,9999", "admincomment=slurm-azure: no room"]
    assert len(queue.calls) == 2


def test_jobs_without_a_delay_are_only_commented() -> None:
    """No delay, no start time; no job, no call."""
    queue = Queue(waiting=[1])
    slurm = SlurmCommands(Path("/b"), run=queue)
    assert slurm.tell_jobs([1, 1], "x") == {}
    assert slurm.tell_jobs([], "x", 60.0) == {}
    assert queue.calls == [["/b/scontrol", "update", "jobid=1", "admincomment=x"]]


def test_thousands_of_jobs_are_told_in_few_calls() -> None:
    """2,000 jobs with the same text are four calls, each of which fits into an argument."""
    queue = Queue(waiting=range(1, 2001))
    assert SlurmCommands(Path("/b"), run=queue).tell_jobs(range(1, 2001), "x") == {}
    assert len(queue.calls) == 2000 // JOBS_A_CALL
    assert len(queue.comments) == 2000
    assert max(len(argument) for argv in queue.calls for argument in argv) < ARGUMENT_LIMIT


@given(st.text(max_size=600))
def test_what_jobs_are_told_is_one_harmless_argument(text: str) -> None:
    """Any text becomes one printable line without double quotes, in an argument of its own; nothing becomes another option."""
    queue = Queue(waiting=[1])
    SlurmCommands(Path("/b"), run=queue).tell_jobs([1], text, 5.0)
    assert queue.comments == {1: one_line(text)}
    assert [len(argv) for argv in queue.calls] == [4, 4]
    assert '"' not in queue.comments[1]
    assert len(queue.comments[1]) <= TEXT_LIMIT


def test_a_refusal_without_a_job_is_everyones() -> None:
    """Words that name no job (no right to do so) are reported for all that were told; nothing is taken for done."""
    slurm = SlurmCommands(Path("/b"), run=replying(err=b"slurm_update error: Access/permission denied", code=1))
    assert slurm.tell_jobs([1, 2], "x") == dict.fromkeys([1, 2], "slurm_update error: Access/permission denied")


def test_jobs_are_not_refused_by_a_slurmctld_that_does_not_answer() -> None:
    """Without an answer nothing is known of any job."""
    silent = replying(err=b"slurm_update error: Unable to contact slurm controller (connect failure)", code=1)
    with pytest.raises(SchedulerUnreachable):
        SlurmCommands(Path("/b"), run=silent, sleep=lambda seconds: None).tell_jobs([1], "x")


def test_pending_jobs_are_seen_with_those_that_hold_nodes() -> None:
    """A job that waits again is in no node, and yet it is not gone; whoever asks for jobs learns of it in the same call."""
    lines = ["@7|PENDING|cloud||alice|again", "@8|RUNNING|cloud|n[1-2]|bob|b", "@9|RUNNING|cloud|n9|bob|other"]
    calls: list[Sequence[str]] = []

    def run(argv: Sequence[str], environ: Mapping[str, str], timeout: float) -> Outcome:
        calls.append(argv)
        return Outcome(0, "\n".join(lines).encode(), b"")

    found = SlurmCommands(Path("/b"), run=run, nonce=lambda: "@").jobs(names("n[1-3]"))
    assert [(job.id, job.state, job.nodes) for job in found] == [(7, "PENDING", ""), (8, "RUNNING", "n[1-2]")]
    assert len(calls) == 1

"""A chaos run: the plan is carried out on a site, then everything is left in peace, and what has become of it is looked at."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from slurm_azure.demo.site import Site
from slurm_azure.demo.story import audit
from tests.chaos import aftermath
from tests.chaos.plan import STRANGERS, Action, Administration, Kill, Submission, Trouble, actions, kind_of
from tests.chaos.report import Report
from tests.chaos.site import Head, configuration, machines_argv, told, witness_argv, write_yaml

USER = ["setpriv", "--reuid=games", "--regid=games", "--clear-groups"]
UNSAVED = 7.0  # seconds: slurmctld saves jobs every 5 s at most, and forgets a newer one if it is killed
DRAINED, WHY = "az-zoned-{}", "its memory is to be changed"
JOURNAL = "/var/lib/slurm-azure/journal.db"


class Chaos:
    """One run on a site that is up."""

    def __init__(self, site: Site, report: Report, folder: Path, say: Callable[[str], None]) -> None:
        self._site, self._report, self._folder, self._say = site, report, folder, say
        self._plan = actions(report.seed, report.seconds, report.nodes)
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._began = time.monotonic()
        self._pool = ThreadPoolExecutor(4)
        self._submitted: list[Future[int | None]] = []
        self._faults: dict[str, Mapping[str, Any]] = {}
        self._down: set[str] = set()
        self._starting: list[subprocess.Popen[bytes]] = []
        self._at_rest: dict[str, int] = {}
        self._ctld_kills = [a.at for a in self._plan if isinstance(a, Kill) and a.who == "slurmctld"]
        self.drained = DRAINED.format(report.nodes // 3)
        self.journal_lost = False

    @property
    def _now(self) -> float:
        return time.monotonic() - self._began

    def prepare(self) -> None:
        """Machines and witness, and what is not ours."""
        site = self._site
        site.control("/faults", list(STRANGERS))
        aftermath.until(lambda: len(site.control("/vms")["value"]) == 2, 30, "the strangers")
        aftermath.until(lambda: all(vm["powerState"] == "running" for vm in site.control("/vms")["value"]), 60, "strangers up")
        self._at_rest = audit(site)
        site.control("/faults", method="DELETE")
        site.launch("machines", machines_argv(site, self._report.seed))
        site.launch("witness", witness_argv(site))
        aftermath.until(lambda: told(site, "machines/told.json") and told(site, "witness.json"), 30, "machines and witness")

    def run(self) -> None:
        """Carry out the plan."""
        self._began = time.monotonic()
        for action in self._plan:
            self._at(action.at, self._step(action))
        while self._due and self._now < self._report.seconds + 15:
            at, _, step = self._due[0]
            if at > self._now:
                time.sleep(min(0.2, at - self._now))
                continue
            heapq.heappop(self._due)
            began = self._now
            try:
                step()
            except subprocess.SubprocessError as error:
                self._say(f"{self._now:6.1f} {str(getattr(error, 'stderr', None) or error).strip().splitlines()[-1]}")
            if self._now - began > 2:
                self._say(f"{self._now:6.1f} took {self._now - began:.1f} s")

    def _at(self, at: float, step: Callable[[], None]) -> None:
        heapq.heappush(self._due, (at, next(self._number), step))

    def _step(self, action: Action) -> Callable[[], None]:
        match action:
            case Kill():
                return (lambda: self._kill_hook(action)) if action.who == "hook" else (lambda: self._kill(action))
            case Trouble():
                return lambda: self._trouble(action)
            case Submission():
                return lambda: self._submit(action)
            case Administration():
                return lambda: self._administrate(action.what)

    # Kills

    def _kill(self, kill: Kill) -> None:
        who = kill.who
        if who in self._down:
            return
        if who == "simulator":
            self._count()
            self._site.kill("simulator")
        else:
            service = "slurm-azured" if who == "daemon" else who
            self._site.head.run(["service", "kill", service])
        self._down.add(who)
        self._report.kills[who] += 1
        self._say(f"{self._now:6.1f} kill -9 {who}, for {kill.down:.1f} s")
        self._at(self._now + kill.down, lambda: self._start(who))

    def _start(self, who: str) -> None:
        if who == "simulator":
            self._site.start_simulator()
            self._at(self._now + 0.5, self._simulator_back)
        else:
            self._down.discard(who)
            service = "slurm-azured" if who == "daemon" else who
            argv = self._site.head.argv(["service", "start", service])
            self._starting.append(subprocess.Popen(argv, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL))

    def _simulator_back(self) -> None:
        """It takes its time to come up; it has forgotten the faults then, but for what they did."""
        if not self._answers():
            self._at(self._now + 0.3, self._simulator_back)
            return
        self._down.discard("simulator")
        once = ("stranger", "evict", "die", "vanish", "scheduled_event", "another_client")
        left = [fault for fault in self._faults.values() if kind_of(fault) not in once]
        if left:
            self._site.control("/faults", left)

    def _kill_hook(self, kill: Kill) -> None:
        self._site.head.run(
            ["sh", "-c", f"echo {kill.down:.4f} > /run/chaos/hook.new && mv /run/chaos/hook.new /run/chaos/hook"]
        )

    # Faults

    def _trouble(self, trouble: Trouble) -> None:
        number = next(self._number)
        name = f"{kind_of(trouble.fault)} {number}"
        fault: dict[str, Any] = {"name": name, "until": round(trouble.seconds, 1)} | dict(trouble.fault)
        what = fault["what"]
        if isinstance(what, dict) and what["kind"] == "stranger":
            tags = dict(what["tags"])
            tags["slurm-azure-launch"] += str(number)
            fault["what"] = what | {"name": f"{what['name']}{number}", "tags": tags}
        self._report.armed[kind_of(fault)] += 1
        self._faults[name] = fault
        self._at(self._now + trouble.seconds, lambda: self._over(name))
        if "simulator" not in self._down:
            self._site.control("/faults", [fault])

    def _over(self, name: str) -> None:
        """A fault's time is over: what it did is counted, and it is forgotten."""
        fault = self._faults.pop(name)
        if "simulator" in self._down:
            return
        with contextlib.suppress(subprocess.SubprocessError):
            found = self._site.control(f"/faults/{name.replace(' ', '%20')}")
            self._report.hits[kind_of(fault)] += found["hits"]
            self._site.control(f"/faults/{name.replace(' ', '%20')}", method="DELETE")

    def _count(self) -> None:
        """What the simulator has counted, before it is killed."""
        with contextlib.suppress(subprocess.SubprocessError):
            self._report.azure += Counter(self._site.control("/requests?recent=0")["counts"])
            for fault in self._site.control("/faults")["faults"]:
                self._report.hits[kind_of(fault)] += fault["hits"]

    # Jobs

    def _submit(self, job: Submission) -> None:
        soon = next((at for at in self._ctld_kills if at - UNSAVED < self._now <= at + 3), None)
        if soon is not None or "slurmctld" in self._down:
            self._at((self._now if soon is None else soon) + 4.0, lambda: self._submit(job))
            return
        self._submitted.append(self._pool.submit(self._sbatch, job))

    def _sbatch(self, job: Submission) -> int | None:
        command = [*USER, "sbatch", "--parsable", "--requeue", "--chdir=/tmp", "--output=/mnt/%A-%a.txt", *job.options]
        # No srun: a slurmctld of 22.05 that is killed forgets the addresses of nodes that boot, and steps fail or hang by that.
        command += ["--wrap", f"sleep {job.seconds}"]
        try:
            number = int(self._site.head.run(command, timeout=90).stdout.split(";")[0])
        except (subprocess.SubprocessError, ValueError) as error:
            self._say(f"{self._now:6.1f} sbatch: {getattr(error, 'stderr', error)}")
            return None
        if job.cancelled_after is not None:
            self._at(self._now + job.cancelled_after, lambda: self._cancel(number))
        return number

    def _cancel(self, number: int) -> None:
        self._report.jobs["cancelled by their owner"] += 1
        self._pool.submit(self._site.head.run, [*USER, "scancel", str(number)], check=False, timeout=90)

    # The administrator

    def _administrate(self, what: str) -> None:
        self._say(f"{self._now:6.1f} {what}")
        if what == "drain":
            self._site.head.run(["scontrol", "update", f"nodename={self.drained}", "state=drain", f"reason={WHY}"])
        elif what == "reload":
            document = configuration(self._report.nodes)
            document["limits"] |= {"list_interval": "3s", "delete_retry": "15s"}
            file = self._folder / "changed.yaml"
            write_yaml(file, document)
            self._site.head.run(["tee", "/etc/slurm-azure/slurm-azure.yaml"], stdin=file.read_text())
            self._site.head.run(["sh", "-c", "kill -HUP $(cat /run/services/slurm-azured.pid)"], check=False)
        else:
            self._kill(Kill(self._now, "daemon", 1.0))
            self._site.head.run(["sh", "-c", f"rm -f {JOURNAL}*"])
            self.journal_lost = True

    # The end

    def peace(self, patience: float) -> None:
        """No faults, no kills, no new jobs: wait for rest, `patience` seconds at most."""
        if "simulator" not in self._down:
            self._count()
        self._site.head.run(["rm", "-f", "/run/chaos/hook"])
        for who in sorted(self._down):
            if who != "simulator" or not self._answers():
                self._start(who)
        for process in self._starting:
            process.wait(60)
        aftermath.until(lambda: self._answers(), 60, "the simulator")
        self._site.control("/faults", method="DELETE")
        self._site.control("/requests", method="DELETE")
        subprocess.run(self._site.inside(["touch", str(self._site.folder / "calm")]), check=True)
        self._pool.shutdown(wait=True)
        numbers = {job for future in self._submitted if (job := future.result()) is not None}
        self._report.jobs["submitted"] = len(numbers)
        self._say(f"{self._now:6.1f} peace")
        aftermath.settle(self._site, self._report, self.drained, self._at_rest, patience, self._say)
        aftermath.judge_jobs(self._site, self._report, numbers)
        aftermath.judge(self._site, self._report, self.drained, WHY, self._at_rest, self.journal_lost)
        self._count()

    def _answers(self) -> bool:
        try:
            return bool(self._site.control("/health"))
        except subprocess.SubprocessError:
            return False


def run_chaos(
    seed: int, seconds: float, nodes: int, folder: Path, patience: float, say: Callable[[str], None] = print
) -> Report:
    """A whole run: site, chaos, peace, judgement. Logs of the daemons are kept in `folder`."""
    report = Report(seed, seconds, nodes)
    say(f"chaos: seed {seed}, {seconds:.0f} s, {nodes} nodes")
    with Head(folder, nodes, seed).site() as site:
        chaos = Chaos(site, report, folder, say)
        try:
            chaos.prepare()
            chaos.run()
            chaos.peace(patience)
        finally:
            aftermath.keep_logs(site, folder)
        report.fates = Counter(told(site, "machines/told.json").get("fates", {}))
    (folder / "report.json").write_text(json.dumps({"good": report.good, "text": report.text()}), encoding="utf-8")
    return report

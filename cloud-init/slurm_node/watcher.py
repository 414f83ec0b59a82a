"""Does what Scheduled Events call for, for as long as the VM lives. Asked for once a second, as Microsoft's page advises.

An eviction leaves 30 s: the node is drained, its jobs are back in the queue and the event is acknowledged within some 3 s.
"""

import json
import os
import random
import re
import time
from typing import Callable, Dict, List, Optional

from slurm_node import events
from slurm_node.events import Event, Handling, Situation
from slurm_node.jobs import CALL_TIMEOUT, Away, ended_badly, explain, jobs_on, requeue, send_signal
from slurm_node.metadata import Metadata, NoAnswer, launch_of
from slurm_node.node import Node
from slurm_node.outcome import Outcome, one_line
from slurm_node.report import boot_report
from slurm_node.scontrol import CONFIG, EVICTED, EVICTED_CAUSE, JOINING, RUN, slurm, update_node
from slurm_node.system import say, say_on_console, write_file

POLL, LONGEST_PAUSE = 1.0, 5.0
SPREAD = 1.0
"""Seconds over which VMs that hear of their end together come to slurmctld."""


class Watcher:
    """The events of one VM. Clock, sleep and chance are arguments; the clock is time of day, as NotBefore is. `folder` is where
    join.py and we leave what the other has to know; `tell` says a line where an administrator looks."""

    def __init__(
        self,
        node: Node,
        metadata: Metadata,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        folder: str = RUN,
        tell: Callable[[str], None] = say_on_console,
    ) -> None:
        self._node, self._metadata = node, metadata
        self._clock, self._sleep, self._chance = clock, sleep, chance
        self._tell = tell
        self._state, self._evicted, self._joining, self._config = (
            os.path.join(folder, os.path.basename(file)) for file in ("events.json", EVICTED, JOINING, CONFIG)
        )
        self._vm, self._launch = "", node.launch
        self._handlings = _load(self._state)
        self._failures = 0
        self._trouble = ""
        self._acts: Dict[str, Callable[[Handling], Handling]] = {
            events.DRAIN: self._drain,
            events.SIGNAL: self._signal,
            events.REQUEUE: self._requeue,
            events.LOOK: self._look,
            events.REPORT: self._report,
            events.ACKNOWLEDGE: self._acknowledge,
            events.RESUME: self._resume,
            events.GIVE_UP: self._give_up,
        }

    def run(self) -> None:
        """For ever, whatever happens."""
        while True:
            begun = time.monotonic()
            try:
                self.look()
            except Exception as error:  # nobody else on this VM hears of its end
                self._complain(f"{type(error).__name__}: {error}")
            self._sleep(self.pause(time.monotonic() - begun))

    def pause(self, spent: float) -> float:
        """Seconds until the next look: what is left of a second, and more while the service does not answer."""
        if self._failures:
            return min(LONGEST_PAUSE, POLL * 2.0 ** min(self._failures, 9)) * (0.5 + self._chance() / 2)
        return max(0.1, POLL - spent) * (0.9 + self._chance() / 5)

    def look(self) -> None:
        """Ask once, and do what is to be done now."""
        announced = self._ask()
        before = dict(self._handlings)
        for event in announced or []:
            self._take(event)
        shown = None if announced is None else {event.id for event in announced}
        for handling in list(self._handlings.values()):
            self._advance(handling, shown is None or handling.id in shown)
        if shown is not None:
            self._handlings = {key: one for key, one in self._handlings.items() if key in shown or not events.is_over(one)}
        if self._handlings != before:
            _save(self._state, self._handlings)

    def _ask(self) -> Optional[List[Event]]:
        """The events of this VM; None if that is not known."""
        try:
            if not self._vm:
                compute = self._metadata.compute()
                self._vm, self._launch = str(compute["name"]), launch_of(compute) or self._launch
            found = events.read_events(self._metadata.events(), self._vm)
        except (NoAnswer, ValueError, KeyError, TypeError) as error:
            self._failures += 1
            self._complain(f"no Scheduled Events: {error!r}")
            return None
        self._failures, self._trouble = 0, ""
        return found

    def _take(self, event: Event) -> None:
        known = self._handlings.get(event.id)
        if known is None:
            when = "now" if event.not_before is None else time.strftime("%H:%M:%SZ", time.gmtime(event.not_before))
            acted = event.kind in events.ACTED_UPON
            self._tell(f"Azure announces {event.kind}, {when}" + ("" if acted else ": nothing to be done"))
            known = events.begin(event, self._clock())
        self._handlings[event.id] = events.follow(known, event, self._clock())

    def _advance(self, handling: Handling, announced: bool) -> None:
        """Stage by stage, as far as it goes now."""
        while True:
            node = Situation(os.path.exists(self._joining), self._node.spot.signal, self._node.spot.grace)
            act = events.decide(handling, announced, self._clock(), node)
            if act is None:
                return
            try:
                after = self._acts[act](handling)
            except (Away, NoAnswer) as error:
                self._complain(f"{act}: {error}")
                return
            done = after.stage != handling.stage
            self._handlings[handling.id] = handling = after
            if not done:
                return

    def _drain(self, handling: Handling) -> Handling:
        if handling.end - self._clock() > SPREAD:
            self._sleep(self._chance() * SPREAD)
        reason = self._reason()
        if reason and not reason.startswith("slurm-azure:"):
            self._tell("the node is drained already, for a reason that is not ours")
        else:
            self._update("state=drain", f"reason={handling.reason}")
            self._tell("drained")
        return self._reach(handling, events.DRAINED)

    def _signal(self, handling: Handling) -> Handling:
        jobs = jobs_on(self._node.name)
        for words in send_signal(jobs, self._node.spot.signal):
            self._tell(f"signal: {words}")
        return self._reach(handling, events.SIGNALLED if jobs else events.REQUEUED)._replace(jobs=tuple(jobs))

    def _requeue(self, handling: Handling) -> Handling:
        jobs = jobs_on(self._node.name) + ended_badly(handling.jobs)
        left = requeue(jobs)
        self._tell(f"requeued {','.join(jobs) or 'no job'}" + "".join(f", but: {words}" for words in left))
        # Afterwards, as nothing may hold the requeue up; a job that is requeued keeps what is told of it.
        unheard = explain(jobs, f"{handling.reason} ({self._node.name})")
        if unheard:
            self._tell(f"AdminComment: {unheard}")
        return self._reach(handling, events.REQUEUED)._replace(left=tuple(left))

    def _look(self, handling: Handling) -> Handling:
        if not jobs_on(self._node.name):
            return self._reach(handling, events.REQUEUED)
        return handling._replace(looked=self._clock())

    def _report(self, handling: Handling) -> Handling:
        """Not a node of the cluster yet. join.py looks for our file after it has made its own, we do it the other way round:
        one of us sees the other's."""
        write_file(self._evicted, b"", 0o644)
        if os.path.exists(self._joining):
            return handling
        if not os.path.exists(self._config):
            raise Away("munge does not run yet")
        outcome = Outcome(self._launch)
        outcome.fail("spot", EVICTED_CAUSE)
        self._update("comment=" + boot_report(outcome))
        self._tell("evicted while booting")
        return self._reach(handling, events.REPORTED)

    def _acknowledge(self, handling: Handling) -> Handling:
        started = self._metadata.acknowledge(handling.id)
        self._tell("acknowledged" if started else "not acknowledged: the event waits no more")
        return self._reach(handling, events.DONE)

    def _resume(self, handling: Handling) -> Handling:
        """Azure has thought better of it."""
        others = [one for one in self._handlings.values() if one.id != handling.id and one.kind in events.ACTED_UPON]
        drained = handling.stage not in (events.SEEN, events.REPORTED)
        if drained and not others and self._reason().startswith(handling.notice):
            self._update("state=resume")
            self._tell("undrained")
        self._tell(f"{handling.kind} will not take place")
        return self._reach(handling, events.DONE)

    def _give_up(self, handling: Handling) -> Handling:
        self._tell(f"{handling.kind}: got no further than {handling.stage}")
        return self._reach(handling, events.DONE)

    def _reach(self, handling: Handling, stage: str) -> Handling:
        return handling._replace(stage=stage, since=self._clock())

    def _reason(self) -> str:
        """Why this node is drained or down, "" if it is neither. Raises Away."""
        code, output = slurm(["scontrol", "--oneliner", "show", "node", self._node.name], CALL_TIMEOUT, limit=1 << 14)
        if code != 0:
            raise Away(one_line(output))
        found = re.search(r" Reason=(.*?)(?: \[[^\[\]\s]*@[^\[\]\s]*\]|$)", output)
        return found.group(1) if found else ""

    def _update(self, *changes: str) -> None:
        code, output = update_node(self._node, *changes, timeout=CALL_TIMEOUT)
        if code != 0:
            raise Away(output)

    def _complain(self, text: str) -> None:
        """Once, not every second."""
        if text != self._trouble:
            self._trouble = text
            say(text)


def _load(file: str) -> Dict[str, Handling]:
    """What an earlier watcher of this boot has dealt with."""
    try:
        with open(file, encoding="ascii") as stream:
            return {one["id"]: Handling(**one) for one in json.load(stream)}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _save(file: str, handlings: Dict[str, Handling]) -> None:
    text = json.dumps([one._asdict() for one in handlings.values()])
    write_file(file, text.encode("ascii"), 0o600)

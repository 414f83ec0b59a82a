"""The demonstration: an animation rendered by a job array on nodes that exist only while they render."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slurm_azure.demo import estate
from slurm_azure.demo.ledger import ledger
from slurm_azure.demo.site import Site
from slurm_azure.demo.watch import Look, changes, look
from slurm_azure.errors import SlurmAzureError

HERE = Path(__file__).parent
PARTITION, USER = "cloud", "alice"
HOME = "/shared/alice"
SIZE = (576, 324)
FRAMES = 24
LIMIT = 300.0  # seconds for all of it: far more than it takes
_LOGS = ("slurm-azured.log", "slurmctld.log", "slurm/slurmctld.log", "nfs.log")


class DemoFailed(SlurmAzureError):
    """The demonstration did not come to its end."""


@dataclass(frozen=True, slots=True)
class Demo:
    """One run on a site that is up. Pictures go to the folder `output`; `say` prints a line."""

    site: Site
    output: Path
    say: Callable[[str], None] = print
    clock: Callable[[], float] = time.monotonic
    frames: int = FRAMES

    def run(self) -> None:
        """Submit, watch, fetch the pictures, tell what it cost. Raises DemoFailed."""
        began = self.clock()
        try:
            self._submit()
            self._watch(began)
            self._fetch()
            self._tell()
            self._audit()
        except SlurmAzureError:
            self._keep_logs()
            raise
        self.say(
            f"\nDone, {self.clock() - began:.0f} s after sbatch. Look at {self.output}/contact-sheet.png and animation.gif"
        )

    def _submit(self) -> None:
        head = self.site.head
        head.run(["mkdir", "-p", f"{HOME}/frames", f"{HOME}/log"], user=USER)
        for name in ("knot.pov", "render.sh"):
            text = (HERE / "scene" / name).read_text(encoding="utf-8")
            head.run(["tee", f"{HOME}/{name}"], user=USER, stdin=text)
        words = ["sbatch", f"--array=0-{self.frames - 1}", f"{HOME}/render.sh", str(self.frames), *map(str, SIZE)]
        self.say(f"\n{USER}@head$ {' '.join(words)}")
        self.say(head.run(["env", f"--chdir={HOME}", *words], user=USER).stdout.rstrip())

    def _watch(self, began: float) -> None:
        before = Look()
        for now in self._looks(began):
            for who, what in changes(before, now):
                self.say(f"{self.clock() - began:6.1f} s  {who:<6} {what}")
            before = now

    def _looks(self, began: float) -> Iterator[Look]:
        """A look each second, until all frames are there and everything is at rest again."""
        while self.clock() - began < LIMIT:
            now = look(self.site, PARTITION, USER, f"{HOME}/frames")
            yield now
            bad = {"FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "CANCELLED"} & now.tasks.keys()
            if bad:
                raise DemoFailed(f"tasks ended badly: {dict(now.tasks)}")
            if now.pictures >= self.frames and now.at_rest and not self._moving():
                return
            time.sleep(1.0)
        raise DemoFailed(f"not at its end after {LIMIT:.0f} s")

    def _moving(self) -> bool:
        """Whether the daemon still has something on its way: it hears of a deletion's end a list later than Azure does it."""
        return bool(json.loads(self.site.head.run(["slurm-azure", "status", "--json"]).stdout)["moving"])

    def _fetch(self) -> None:
        """Make contact sheet and animation on the head node, and copy them out with the frames."""
        head = self.site.head
        script = (HERE / "pictures.py").read_text(encoding="utf-8")
        head.run(["python3", "-", f"{HOME}/frames", HOME], user=USER, stdin=script)
        frames = self.output / "frames"
        frames.mkdir(parents=True, exist_ok=True)
        for old in frames.glob("frame-*.png"):
            old.unlink()
        for name in ("contact-sheet.png", "animation.gif"):
            (self.output / name).write_bytes(head.read(f"{HOME}/{name}"))
        for name in head.run(["ls", f"{HOME}/frames"]).stdout.split():
            (frames / name).write_bytes(head.read(f"{HOME}/frames/{name}"))

    def _tell(self) -> None:
        self.say("")
        for line in ledger(self._launches(), self._frames_by_node(), self.site.control("/requests")["counts"]):
            self.say(line)

    def _launches(self) -> list[dict[str, Any]]:
        """What `slurm-azure why --json` knows of each node that was used."""
        nodes = sorted(self._frames_by_node())
        return [json.loads(self.site.head.run(["slurm-azure", "why", node, "--json", "--last", "0"]).stdout) for node in nodes]

    def _frames_by_node(self) -> dict[str, int]:
        logs = self.site.head.run(["sh", "-c", f"cat {HOME}/log/frame-*.txt"]).stdout
        nodes = [line.split()[3] for line in logs.splitlines() if line.startswith("frame ")]
        return {node: nodes.count(node) for node in nodes}

    def _audit(self) -> None:
        """Ask Azure itself, through its API, what there still is. Raises DemoFailed if there is anything."""
        left = audit(self.site)
        self.say(f"Azure's own lists say: {', '.join(f'{count} {what}' for what, count in left.items())}.")
        if any(left.values()):
            raise DemoFailed(f"something is left in Azure: {left}")

    def _keep_logs(self) -> None:
        """What one wants to read after a failure, beside the pictures."""
        folder = self.output / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        for name in _LOGS:
            done = self.site.head.run(["cat", f"/var/log/{name}"], check=False)
            (folder / name.replace("/", "-")).write_text(done.stdout, encoding="utf-8")
        for name, command in (("status", ["slurm-azure", "status"]), ("sinfo", ["sinfo", "-R"])):
            done = self.site.head.run(command, check=False)
            (folder / f"{name}.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
        self.say(f"The logs are in {folder}")


def audit(site: Site) -> dict[str, int]:
    """How many VMs, network interfaces and disks Azure's own lists show to somebody who has the role Reader."""
    script = (HERE / "audit.py").read_text(encoding="utf-8")
    files = ["/root/auditor.secret", "/etc/slurm-azure/simulator-ca.pem"]
    who = [estate.TENANT, estate.AUDITOR, *files, estate.SUBSCRIPTION, estate.RESOURCE_GROUP]
    found: dict[str, int] = json.loads(site.head.run(["python3", "-", *who], stdin=script).stdout)
    return found

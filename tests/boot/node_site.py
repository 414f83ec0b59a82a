"""A head node with a real slurmctld and some nodes that boot with rendered user data; prints what became of them as JSON.

Run as the first process of namespaces of its own: `python -m tests.boot.node_site ROOT FOLDER`, where ROOT is a Debian
root file system with Slurm, munge and cloud-init, and FOLDER is an empty one. Each node is a box in which the real
cloud-init takes the user data from a seed folder (its NoCloud datasource) and runs it; metadata service and vault are scripted.
"""

from __future__ import annotations

import base64
import json
import math
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import IO, Any, TypeVar

from slurm_azure.boot.user_data import UserData
from slurm_azure.simulator.authority import tls_context
from slurm_azure.simulator.machines import box as boxes
from slurm_azure.simulator.machines.box import Bind, Box
from tests.boot.services import Reply, ScriptedServer
from tests.support.configs import SUBSCRIPTION, a_config

T = TypeVar("T")

GATEWAY, HEAD = "10.99.0.1", "10.99.0.2"
NODES = {
    "joins": "10.99.1.1",
    "lacks-share": "10.99.1.2",
    "no-key": "10.99.1.3",
    "evicted": "10.99.1.4",
    "caught": "10.99.1.5",
}
EVENTS = "/metadata/scheduledevents"
METADATA = "169.254.169.254"
IDENTITY = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
SITE_PART = """#cloud-config
hostname: not-your-business
users:
  - name: alice
    uid: 2001
write_files:
  - path: /etc/site
    content: "naïve ☃"
  - path: /etc/broken
    owner: nobody-knows:them
runcmd:
  - touch /run/site-was-here
  - exit 3
  - "echo 'never closed"
"""
SLURM_CONF = f"""ClusterName=test
SlurmctldHost=head({HEAD})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MailProg=/bin/true
ReturnToService=2
SlurmdParameters=config_overrides
PrivateData=cloud
SlurmctldParameters=enable_configless,cloud_reg_addrs,power_save_interval=1
ResumeProgram=/bin/true
SuspendProgram=/bin/true
ResumeTimeout=120
SuspendTime=600
TreeWidth=65533
NodeName={",".join(NODES)} CPUs=4 RealMemory=100 State=CLOUD
PartitionName=cloud Nodes=ALL Default=YES State=UP
"""
HEAD_INIT = f"""#!/bin/sh
exec 2>&1
ip address add {HEAD}/16 dev eth0; ip link set eth0 up
echo "{HEAD} head" >> /etc/hosts
mkdir -p /run/munge /var/spool/slurmctld
chown -R munge:munge /etc/munge /run/munge /var/lib/munge /var/log/munge
chmod 400 /etc/munge/munge.key
setpriv --reuid=munge --regid=munge --clear-groups munged
exec slurmctld -D
"""
NODE_INIT = f"""#!/bin/sh
exec 2>&1
trap 'exit 0' TERM
: > /etc/fstab
ip address add "$ADDRESS/16" dev eth0; ip link set eth0 up; ip route add default via {GATEWAY}
stages() {{ for mode in 'init --local' init 'modules --mode=config' 'modules --mode=final'; do cloud-init $mode; done; }}
# What a reboot leaves: files, but no process, no mount and nothing in /run. (Where the test has its exports is not the VM's.)
reboot() {{
    echo rebooting; kill -KILL -1; umount /shared
    find /run -mindepth 1 -maxdepth 1 ! -name exports -exec rm -rf {{}} +
    hostname localhost; stages
}}
trap reboot USR1
stages
while :; do sleep infinity & wait $!; done
"""
MEMORY = "grep -h Rss /proc/$(pgrep -f [w]atch.py)/status"
# Stand-in where the kernel has no NFS client: `mount.nfs4 SOURCE FOLDER -o OPTIONS` binds a folder of the outside.
MOUNT_NFS4 = """#!/bin/sh
share=/run/exports/${1#*:/}
[ "$1" != "10.99.0.1:/slow" ] || sleep 4
[ -d "$share" ] || { echo "mount.nfs4: mounting $1 failed, reason given by server: No such file or directory"; exit 32; }
exec mount --bind "$share" "$2"
"""


def main(root: Path, folder: Path) -> None:
    """Run the site and print the findings. Its end is the end of the namespaces, and so of all that was started."""
    lay_network()
    key = secrets.token_bytes(128)
    tls, ca = tls_context(folder, [GATEWAY])
    metadata = ScriptedServer(metadata_script(), (METADATA, 80))
    vault = ScriptedServer(vault_script(key), (GATEWAY, 443), tls)
    for share in ("shared", "slow"):
        (folder / "exports" / share).mkdir(parents=True)
    start(head_box(root, folder, key), folder / "head.log")
    slurmctld = boxes.enter(wait_for(lambda: boxes.first_process(folder / "head"), 20))
    wait_for(lambda: run([*slurmctld, "scontrol", "ping"])[0] == 0, 20)
    run([*slurmctld, "scontrol", "update", f"nodename={','.join(NODES)}", "state=power_up"])
    wait_for(lambda: shown(slurmctld).count("POWERING_UP") == len(NODES), 20)
    nodes = {name: Node(name, root, folder, ca) for name in NODES}
    findings: dict[str, Any] = {name: node.findings(slurmctld) for name, node in nodes.items()}
    findings["reboot"] = reboot(nodes["joins"], slurmctld, metadata)
    findings["eviction"] = evict(nodes["evicted"], slurmctld, metadata)
    findings["asked"] = {"metadata": sorted({a.peer for a in metadata.asked}), "vault": sorted({a.peer for a in vault.asked})}
    findings["key"] = base64.b64encode(key).decode()
    print(json.dumps(findings))


def metadata_script() -> Mapping[str, list[Reply]]:
    """An identity that is refused at first, as one that was just assigned is."""
    refused = Reply(400, {"error": "invalid_request", "error_description": "Identity not found"})
    token = Reply(body={"access_token": "sesame"})
    quiet = Reply(body={"DocumentIncarnation": 1, "Events": []})
    return {
        "/metadata/instance/compute": [Reply(503), Reply(body={"name": "another"})],
        **{f"{address} /metadata/instance/compute": [Reply(body={"name": f"{name}-l1"})] for name, address in NODES.items()},
        f"{NODES['joins']} /metadata/instance/compute": [Reply(503), Reply(body={"name": "joins-l1"})],
        EVENTS: [quiet],
        f"{NODES['caught']} {EVENTS}": [Reply(body=announcement("caught-l1", 90))],
        f"{NODES['joins']} /metadata/identity/oauth2/token": [refused, token],
        "/metadata/identity/oauth2/token": [token],
    }


def announcement(vm: str, seconds: float) -> dict[str, Any]:
    """A document that announces the end of a Spot VM in so many seconds, in the shape of Microsoft's page."""
    event = {
        "EventId": "C7061BAC-AFDC-4513-B24B-AA5F13A16123",
        "EventStatus": "Scheduled",
        "EventType": "Preempt",
        "ResourceType": "VirtualMachine",
        "Resources": [vm],
        "NotBefore": formatdate(math.ceil(time.time() + seconds), usegmt=True),
        "Description": "",
        "EventSource": "Platform",
        "DurationInSeconds": -1,
    }
    return {"DocumentIncarnation": 2, "Events": [event]}


def reboot(node: Node, slurmctld: list[str], metadata: ScriptedServer) -> dict[str, Any]:
    """A node that boots again, its VM now being another launch's."""
    tags = [{"name": "slurm-azure-launch", "value": "second"}]
    metadata.say(f"{NODES[node.name]} /metadata/instance/compute", Reply(body={"name": "joins-l1", "tagsList": tags}))
    pid = wait_for(lambda: boxes.first_process(node.folder), 20)
    before = len(node.log.read_text(encoding="utf-8"))
    os.kill(pid, signal.SIGUSR1)
    wait_quietly(lambda: "launch=second" in shown(slurmctld, node.name), 60)
    wait_quietly(lambda: "IDLE" in shown(slurmctld, node.name), 20)
    job = "hostname; grep -c ' /shared ' /proc/self/mounts"
    return {
        "job": run([*slurmctld, "srun", "--immediate=20", "-w", node.name, "sh", "-c", job]),
        "slurm": shown(slurmctld, node.name),
        "processes": run([*boxes.enter(pid), "ps", "-eo", "args"])[1],
        "console": node.log.read_text(encoding="utf-8")[before:],
    }


def evict(node: Node, slurmctld: list[str], metadata: ScriptedServer) -> dict[str, Any]:
    """Azure takes back a VM on which jobs run: one of its own, one task of an array (another task is still to come), one that
    must not run twice. Times are in seconds since the announcement."""
    sleep = ["--output=/dev/null", "-w", node.name, "--wrap", "exec sleep 600"]
    plain = run([*slurmctld, "sbatch", "--parsable", *sleep])[1].strip()
    once = run([*slurmctld, "sbatch", "--parsable", "--no-requeue", *sleep])[1].strip()
    array = run([*slurmctld, "sbatch", "--parsable", "--array=1-9", *sleep])[1].strip()
    running = [*slurmctld, "squeue", "-h", "-t", "RUNNING", "-o", "%i"]
    wait_for(lambda: len(run(running)[1].split()) == 4, 30)
    begun = time.time()
    metadata.say(f"{NODES[node.name]} {EVENTS}", Reply(body=announcement("evicted-l1", 30)))
    found: dict[str, Any] = {"jobs": {"plain": plain, "array": array, "once": once}}
    wait_for(lambda: "slurm-azure: evicted" in shown(slurmctld, node.name), 10)
    found["drained"] = time.time() - begun
    wait_for(lambda: len(run(running)[1].split()) == 1, 10)
    found["requeued"] = time.time() - begun
    posts = wait_for(lambda: [a for a in metadata.asked if a.method == "POST" and a.peer == NODES[node.name]], 10)
    found["acknowledged"] = (posts[0].at - begun, json.loads(posts[0].body))
    metadata.say(f"{NODES[node.name]} {EVENTS}", Reply(body={"DocumentIncarnation": 3, "Events": []}))
    wait_quietly(lambda: False, 2.5)
    jobs = [*slurmctld, "squeue", "-h", "-o", "%i %T"]
    told = {job: run([*slurmctld, "scontrol", "-o", "show", "job", job])[1] for job in (plain, once, array + "_1")}
    return found | {
        "told": told,
        "slurm": shown(slurmctld, node.name),
        "squeue": run(jobs)[1],
        "posts": len([a for a in metadata.asked if a.method == "POST" and a.peer == NODES[node.name]]),
        "polls": [a.at for a in metadata.asked if a.path == EVENTS and a.method == "GET" and a.peer == NODES[node.name]],
        "log": run([*boxes.enter(boxes.first_process(node.folder) or 0), "cat", "/var/log/slurm-azure-watch.log"])[1],
        "memory": run([*boxes.enter(boxes.first_process(node.folder) or 0), "sh", "-c", MEMORY])[1],
    }


def vault_script(key: bytes) -> Mapping[str, list[Reply]]:
    """A vault that lets in all but one."""
    forbidden = Reply(
        403, {"error": {"code": "Forbidden", "message": "Caller is not authorized to perform action on resource."}}
    )
    return {
        f"{NODES['no-key']} /secrets/munge-key": [forbidden],
        "/secrets/munge-key": [Reply(body={"value": base64.b64encode(key).decode(), "id": "x"})],
    }


def lay_network() -> None:
    """A bridge for all, which also has the addresses of what Azure provides."""
    for line in (
        "link set lo up",
        # With an address of its own: else it is the lowest of its ports', and changes under the nodes when one goes.
        "link add br0 address 02:00:00:00:00:fe type bridge",
        f"address add {GATEWAY}/16 dev br0",
        f"address add {METADATA}/32 dev br0",
        "link set br0 up",
    ):
        subprocess.run(["ip", *line.split()], check=True)


def head_box(root: Path, folder: Path, key: bytes) -> Box:
    """The head node: slurmctld and munged."""
    files = {
        "etc/munge/munge.key": key,
        "etc/slurm/slurm.conf": SLURM_CONF.encode(),
        "etc/slurm/cgroup.conf": b"CgroupPlugin=cgroup/v1\n",
        "usr/lib/boot-test/init": HEAD_INIT.encode(),
    }
    put_files(folder / "head/files", files)
    return Box("head", folder / "head", (root,), "br0", "02:00:00:00:00:01", "/usr/lib/boot-test/init")


class Node:
    """A node that boots."""

    def __init__(self, name: str, root: Path, folder: Path, ca: Path) -> None:
        self.name, self.folder = name, folder / name
        files = {
            "var/lib/cloud/seed/nocloud/user-data": render(name, folder, ca).encode(),
            "var/lib/cloud/seed/nocloud/meta-data": f"instance-id: {name}\nlocal-hostname: from-azure\n".encode(),
            "var/lib/cloud/seed/nocloud/network-config": b"version: 2\n",
            "etc/cloud/cloud.cfg.d/99-seed.cfg": b"datasource_list: [ NoCloud, None ]\n",
            "etc/slurm/slurm.conf": b"ClusterName=of-the-image\n",
            "usr/lib/boot-test/init": NODE_INIT.encode(),
            "usr/sbin/mount.nfs4": MOUNT_NFS4.encode(),
            "usr/sbin/poweroff": b"#!/bin/sh\nkill -TERM 1\n",
        }
        put_files(self.folder / "files", files)
        bind = Bind(folder / "exports", "/run/exports")
        mac = f"02:00:00:00:01:{int(NODES[name].rpartition('.')[2]):02x}"
        environment = {"ADDRESS": NODES[name]}
        box = Box(name, self.folder, (root,), "br0", mac, "/usr/lib/boot-test/init", environment, (bind,), own_clock=True)
        self.log = folder / f"{name}.log"
        self.process = start(box, self.log)

    def findings(self, slurmctld: list[str]) -> dict[str, Any]:
        """What became of it: its console, boot.json, how Slurm sees it, and what a job on it sees."""
        pid = wait_for(lambda: boxes.first_process(self.folder), 20)
        boot_file = Path(f"/proc/{pid}/root/run/slurm-azure/boot.json")
        wait_for(lambda: self.process.poll() is not None or boot_file.exists(), 60)
        found: dict[str, Any] = {}
        if (
            "joined" in self.log.read_text(encoding="utf-8")
            or wait_quietly(lambda: self.process.poll() is not None, 10) is None
        ):
            inside = boxes.enter(pid)
            found["boot"] = json.loads(boot_file.read_text(encoding="utf-8"))
            wait_quietly(lambda: "POWERING_UP" not in shown(slurmctld, self.name), 20)
            job = (
                "hostname; grep -c ' /shared ' /proc/self/mounts; id -u alice; cat /etc/site; ls /run/site-was-here /etc/slurm"
            )
            found["job"] = run([*slurmctld, "srun", "--immediate=20", "-w", self.name, "sh", "-c", job])
            wait_quietly(lambda: "COMPLETING" not in shown(slurmctld, self.name), 20)
            found["key"] = run([*inside, "stat", "-c", "%a %U %G", "/etc/munge/munge.key"])[1]
            found["files"] = run([*inside, "cat", "/etc/hosts", "/run/slurm-azure/slurm.conf"])[1]
            found["arguments"] = run([*inside, "pgrep", "-a", "slurmd"])[1]
        return found | {
            "off": self.process.poll(),
            "slurm": shown(slurmctld, self.name),
            "console": self.log.read_text(encoding="utf-8"),
        }


def render(name: str, folder: Path, ca: Path) -> str:
    """The user data of that node, by the configuration of a site that has what the node's name says."""
    site = folder / "site.yaml"
    site.write_text(SITE_PART, encoding="utf-8")
    hb = {"nodes": ",".join(NODES), "sizes": ["s"], "image": {"marketplace": "a:b:c:d"}, "user_data": str(site)}
    first = "slow" if name == "caught" else "missing"
    missing = {"source": f"{GATEWAY}:/{first}", "path": f"/{first}", "required": name == "lacks-share"}
    base = a_config().azure.model_dump() | {"node_identity": IDENTITY, "ca_file": str(ca)}
    config = a_config(
        azure=base,
        slurm={"controllers": [HEAD]},
        munge={"source": "key-vault", "vault": f"https://{GATEWAY}"},
        mounts=[missing, {"source": f"{GATEWAY}:/shared", "path": "/shared"}],
        pools={"hb": hb},
        partitions={"cloud": {"pools": ["hb"], "resume_timeout": 60.0 if name == "no-key" else 240.0}},
    )
    return UserData(config, overrides=folder / "none").render(name, "hb", f"l1-{name}")


def put_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Files of a box, all of them root's; programs are executable."""
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o755 if path.startswith("usr/") else 0o644)


def start(box: Box, log: Path) -> subprocess.Popen[bytes]:
    """Boot a box; its console goes to `log`."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(boxes.command(box), env=boxes.variables(box), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    for stream in (process.stdout, process.stderr):
        # Not the file itself: cloud-init opens /dev/console for writing, which truncates what is a plain file.
        threading.Thread(target=copy, args=(stream, log), daemon=True).start()
    return process


def copy(stream: IO[bytes], log: Path) -> None:
    """Append what comes, as it comes."""
    while data := os.read(stream.fileno(), 1 << 16):
        with log.open("ab") as file:
            file.write(data)


def shown(slurmctld: list[str], node: str = "") -> str:
    """What scontrol shows of one node, or of all."""
    return run([*slurmctld, "scontrol", "show", "node", "-o", *([node] if node else [])])[1]


def run(argv: list[str]) -> tuple[int, str]:
    """Run a command to its end; its code and output."""
    done = subprocess.run(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=40, check=False, stdin=subprocess.DEVNULL
    )
    return done.returncode, done.stdout


def wait_quietly(what: Callable[[], T], seconds: float) -> T | None:
    """The first true answer of `what`, or None when time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := what():
            return answer
        time.sleep(0.05)
    return None


def wait_for(what: Callable[[], T | None], seconds: float) -> T:
    """The first true answer of `what`; the site has failed if there is none in time."""
    answer = wait_quietly(what, seconds)
    if answer is None:
        raise TimeoutError(f"waited {seconds} s in vain at line {sys._getframe(1).f_lineno}")
    return answer


if __name__ == "__main__":
    os.umask(0o022)
    main(Path(sys.argv[1]), Path(sys.argv[2]))

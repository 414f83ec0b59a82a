#!/usr/bin/env python3
"""Makes a Slurm node of a freshly booted VM. Run as root by cloud-init; reads /etc/slurm-azure/node.json.

Steps in a fixed order, slurmd last; the first that fails ends it. Then slurmctld is told why (`sinfo -R` shows
`slurm-azure: boot: STEP: CAUSE`) and the VM powers off; the daemon on the head node deletes it. What was done is left in
/run/slurm-azure/boot.json; all that is printed is in the console log and in /var/log/cloud-init-output.log.

Python 3.6 and newer, standard library only. Works with systemd and without.
"""

import base64
import binascii
import grp
import json
import os
import pwd
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

NODE_FILE = "/etc/slurm-azure/node.json"
RUN = "/run/slurm-azure"
IMDS = "http://169.254.169.254"
MUNGE_KEY = "/etc/munge/munge.key"
MUNGE_FOLDERS = (("/etc/munge", 0o700), ("/var/log/munge", 0o700), ("/var/lib/munge", 0o711), ("/run/munge", 0o755))
SLURM_FOLDERS = ("/var/spool/slurmd", "/var/spool/slurm", "/var/log/slurm", "/run/slurm")
OWN_CONFIGS = ("/etc/slurm/slurm.conf", "/etc/slurm-llnl/slurm.conf", "/usr/local/etc/slurm.conf")
FETCHED_CONFIG = "/run/slurm/conf/slurm.conf"
RETRY_PAUSE = 2.0
LONGEST_PAUSE = 15.0
CALL_TIMEOUT = 10.0
MOUNT_TIMEOUT = 60.0
ANSWER_TIMEOUT = 15.0
IMDS_PATIENCE = 90.0
VAULT_PATIENCE = 90.0
MUNGE_PATIENCE = 20.0
MOUNT_PATIENCE = 90.0
SLURMD_PATIENCE = 60.0
SLURMD_SETTLES = 1.0


class StepFailed(Exception):
    """A step cannot be done; the text is its cause, for a person, on one line."""


class Mount(NamedTuple):
    """One NFS share: `source` is host:/path, `options` as mount(8) takes them."""

    source: str
    path: str
    options: str
    required: bool


class Controller(NamedTuple):
    """Where slurmctld listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return ("[%s]:%d" if ":" in self.host else "%s:%d") % self


class Node(NamedTuple):
    """What node.json says."""

    name: str
    pool: str
    cluster: str
    controllers: List[Controller]
    munge: Dict[str, Optional[str]]
    authorities: Optional[str]
    mounts: List[Mount]
    give_up_after: float
    imds: str


class Patience:
    """Time that may be spent, in seconds; a part of it never outlasts the whole."""

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._end - self._clock())

    def part(self, seconds: float) -> "Patience":
        """At most `seconds` of it."""
        return Patience(min(seconds, self.left()), self._clock, self._sleep)

    def pause(self, seconds: float) -> bool:
        """Wait, if there is time for that; False = there is not, give up."""
        if seconds >= self.left():
            return False
        self._sleep(seconds)
        return True


class Outcome:
    """What has been done so far: seconds by step, warnings, and why it ended if it failed."""

    def __init__(self) -> None:
        self.stages = {}  # type: Dict[str, float]
        self.warnings = []  # type: List[str]
        self.failure = None  # type: Optional[str]

    def document(self, node: Node) -> Dict[str, Any]:
        """What boot.json holds; times in seconds."""
        return {
            "node": node.name,
            "ok": self.failure is None,
            "failure": self.failure,
            "warnings": self.warnings,
            "stages": {step: round(seconds, 3) for step, seconds in self.stages.items()},
            "ended_at": round(time.time(), 3),
            "uptime": round(uptime(), 3),
        }


# --- what is told ------------------------------------------------------------------------------------------------


def read_node(file: str = NODE_FILE) -> Node:
    """Read node.json. Raises OSError, ValueError, KeyError or TypeError when it is not what slurm-azure wrote."""
    with open(file, encoding="utf-8") as stream:
        document = json.load(stream)
    settings = document["settings"]
    return Node(
        name=document["node"],
        pool=document["pool"],
        cluster=settings["cluster"],
        controllers=[Controller(**controller) for controller in settings["controllers"]],
        munge=settings["munge"],
        authorities=settings["authorities"],
        mounts=[Mount(**mount) for mount in settings["mounts"]],
        give_up_after=settings["give_up_after"],
        imds=settings.get("imds", IMDS),
    )


def uptime() -> float:
    """Seconds since boot."""
    with open("/proc/uptime", encoding="ascii") as stream:
        return float(stream.read().split()[0])


# --- commands ----------------------------------------------------------------------------------------------------


def run(argv: List[str], timeout: float, env: Optional[Dict[str, str]] = None) -> Tuple[int, str]:
    """Run a command; its exit code and its output (both streams) on one line.

    After `timeout` seconds the command and its children are killed, and the code is 124. A process that hangs in the
    kernel, as one on a dead NFS server, cannot be killed: it is left alone.
    """
    try:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, start_new_session=True
        )
    except OSError as error:
        return 127, "%s: %s" % (argv[0], error.strerror)
    try:
        output = child.communicate(timeout=timeout)[0]
    except subprocess.TimeoutExpired:
        kill_session(child)
        return 124, "no end after %.0f s" % timeout
    return child.returncode, one_line(output.decode("utf-8", "replace"))


def kill_session(child: "subprocess.Popen[bytes]") -> None:
    """Kill a child that leads a session, with all in it; wait a moment, not for ever."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(2)
    except (OSError, subprocess.TimeoutExpired):
        pass


def one_line(text: str, limit: int = 300) -> str:
    """`text` on one line of printable characters, at most `limit` of them."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def has_systemd() -> bool:
    """Whether systemd runs this machine (man sd_booted)."""
    return os.path.isdir("/run/systemd/system")


def has_unit(unit: str) -> bool:
    """Whether systemd runs this machine and knows `unit`."""
    return has_systemd() and run(["systemctl", "cat", unit], CALL_TIMEOUT)[0] == 0


def say(text: str) -> None:
    """A line for the console log."""
    print("slurm-azure: " + text, flush=True)


def write_file(path: str, text: bytes, mode: int, owner: Tuple[int, int] = (0, 0)) -> None:
    """Put a file in place at once and whole; nobody but root ever sees it with other rights than `mode`."""
    draft = path + ".new"
    if os.path.lexists(draft):
        os.unlink(draft)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(text)
        os.fchown(stream.fileno(), owner[0], owner[1])
        os.fchmod(stream.fileno(), mode)
    os.rename(draft, path)


# --- host name, /etc/hosts ---------------------------------------------------------------------------------------


def set_host_name(node: Node, patience: Patience, outcome: Outcome) -> None:
    """The host name is the node's name: Slurm learns NodeHostName from it, and an FQDN would be another node."""
    if socket.gethostname() != node.name:
        write_file("/etc/hostname", (node.name + "\n").encode("ascii"), 0o644)
        socket.sethostname(node.name)


def add_to_hosts(node: Node, patience: Patience, outcome: Outcome) -> None:
    """A line for the node itself, so that nothing waits for a DNS that does not know it (munged does, 20 s long)."""
    with open("/etc/hosts", "a+", encoding="utf-8") as stream:
        stream.seek(0)
        text = hosts_text(stream.read(), own_address(node.controllers[0]), node.name)
    write_file("/etc/hosts", text.encode("utf-8"), 0o644)


def hosts_text(text: str, address: str, name: str) -> str:
    """/etc/hosts with `name` at `address` and nowhere else; all other lines as they were."""
    kept = []
    for line in text.splitlines():
        fields = line.split("#", 1)[0].split()
        if name not in fields[1:]:
            kept.append(line)
        elif len(fields) > 2:
            kept.append(" ".join(field for field in fields if field != name))
    return "\n".join(kept + ["%s %s" % (address, name), ""])


def own_address(controller: Controller) -> str:
    """The address this machine has towards slurmctld; nothing is sent for it."""
    try:
        family, kind, protocol, _, there = socket.getaddrinfo(controller.host, controller.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(there)
            return str(probe.getsockname()[0])
    except OSError as error:
        raise StepFailed("no way to slurmctld at %s: %s" % (controller, error.strerror or error)) from error


# --- identity and key --------------------------------------------------------------------------------------------


class Answer(NamedTuple):
    """An HTTP reply; `status` 0 means there was none, and `body` says why."""

    status: int
    body: bytes
    retry_after: float


def fetch(url: str, headers: Dict[str, str], timeout: float, opener: urllib.request.OpenerDirector) -> Answer:
    """GET. Never raises for what the network or the server does."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with opener.open(request, timeout=timeout) as reply:
            return Answer(reply.status, reply.read(1 << 20), 0.0)
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read(1 << 16), seconds_of(error.headers.get("Retry-After")))
    except (OSError, ValueError, EOFError) as error:
        return Answer(0, str(getattr(error, "reason", error)).encode("utf-8", "replace"), 0.0)


def seconds_of(header: Optional[str]) -> float:
    """Retry-After in seconds; its form as a date is not used by these services."""
    return float(header) if header is not None and header.isdigit() else 0.0


def ask(
    url: str, headers: Dict[str, str], opener: urllib.request.OpenerDirector, patience: Patience, final: Tuple[int, ...]
) -> Dict[str, Any]:
    """GET a JSON object, again and again until it is there. Raises StepFailed on a status in `final`, or when patience ends.

    An identity that was just assigned may be refused for a minute (Microsoft, "How to use managed identities on an Azure
    VM to acquire an access token", retry guidance), so nearly every refusal is worth another try.
    """
    pause = RETRY_PAUSE
    while True:
        answer = fetch(url, headers, min(CALL_TIMEOUT, max(1.0, patience.left())), opener)
        if answer.status == 200:
            try:
                return dict(json.loads(answer.body.decode("utf-8")))
            except ValueError:
                raise StepFailed("%s did not answer with JSON" % place(url)) from None
        if answer.status in final or not patience.pause(max(pause, answer.retry_after)):
            raise StepFailed("%s: %s" % (place(url), refusal(answer)))
        pause = min(pause * 2, LONGEST_PAUSE)


def place(url: str) -> str:
    """URL without its query."""
    return url.split("?", 1)[0]


def refusal(answer: Answer) -> str:
    """What a reply other than 200 says: Azure's error code and message if it has them."""
    text = answer.body.decode("utf-8", "replace")
    try:
        error = json.loads(text)
        if isinstance(error.get("error"), dict):
            text = "%s: %s" % (error["error"].get("code"), error["error"].get("message"))
        else:
            text = "%s: %s" % (error.get("error"), error.get("error_description"))
    except (ValueError, AttributeError):
        pass
    return one_line("%s %s" % (answer.status or "no answer:", text), 200)


def imds_opener() -> urllib.request.OpenerDirector:
    """For the metadata service, which must not be asked through a proxy."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def vault_opener(authorities: Optional[str]) -> urllib.request.OpenerDirector:
    """For the vault: the image's own certificate authorities, and those of the configuration."""
    context = ssl.create_default_context()
    if authorities is not None:
        context.load_verify_locations(cadata=authorities)
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))


def wait_for_imds(node: Node, patience: Patience, outcome: Outcome) -> None:
    """The metadata service may lag behind the network by some seconds; without a key to fetch it is not needed."""
    if node.munge["source"] == "key-vault":
        url = node.imds + "/metadata/instance/compute?api-version=2021-02-01"
        ask(url, {"Metadata": "true"}, imds_opener(), patience.part(IMDS_PATIENCE), final=())


def token_url(node: Node) -> str:
    """Where IMDS hands out a token for the vault, for the node's own identity if one is named."""
    query = {"api-version": "2018-02-01", "resource": vault_resource(str(node.munge["vault"]))}
    if node.munge.get("identity"):
        query["msi_res_id"] = str(node.munge["identity"])
    return node.imds + "/metadata/identity/oauth2/token?" + urllib.parse.urlencode(query)


def vault_resource(vault: str) -> str:
    """What a token for `vault` must be for: https://vault.azure.net, or its likes in national clouds (vault.azure.cn)."""
    domain = (urllib.parse.urlsplit(vault).hostname or "").partition(".vault.")[2]
    return "https://vault." + (domain or "azure.net")


def put_munge_key(node: Node, patience: Patience, outcome: Outcome) -> None:
    """The cluster's munge key, from the vault by the node's identity, or already in the image."""
    prepare_munge_folders()
    if node.munge["source"] == "key-vault":
        write_file(MUNGE_KEY, fetch_key(node, patience), 0o400, munge_owner())
    elif not os.path.isfile(MUNGE_KEY):
        raise StepFailed("the image has no %s, and munge.source is image" % MUNGE_KEY)
    else:
        os.chown(MUNGE_KEY, *munge_owner())
        os.chmod(MUNGE_KEY, 0o400)


def fetch_key(node: Node, patience: Patience) -> bytes:
    """The munge key from the vault. Raises StepFailed."""
    token = ask(token_url(node), {"Metadata": "true"}, imds_opener(), patience.part(VAULT_PATIENCE), final=())
    url = "%s/secrets/%s?api-version=7.4" % (str(node.munge["vault"]).rstrip("/"), node.munge["secret"])
    headers = {"Authorization": "Bearer %s" % token.get("access_token")}
    secret = ask(url, headers, vault_opener(node.authorities), patience.part(VAULT_PATIENCE), final=(404,))
    return decode_key(secret.get("value"), place(url))


def decode_key(value: Any, where: str) -> bytes:
    """The key of a secret's value. Raises StepFailed, never with any part of the value."""
    try:
        key = base64.b64decode("".join(str(value).split()), validate=True)
    except (binascii.Error, ValueError):
        raise StepFailed("%s: its value is not base64" % where) from None
    if not 32 <= len(key) <= 1024:
        raise StepFailed("%s: a munge key has 32 to 1024 bytes, this has %d" % (where, len(key)))
    return key


def munge_owner() -> Tuple[int, int]:
    """User and group munged runs as: munge, or root where there is no such user."""
    try:
        user = pwd.getpwnam("munge")
    except KeyError:
        return 0, 0
    return user.pw_uid, user.pw_gid


def prepare_munge_folders() -> None:
    """munged refuses to start when one of its folders is missing or somebody else could write there."""
    for folder, mode in MUNGE_FOLDERS:
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, mode)
        os.chown(folder, *munge_owner())


def start_munged(node: Node, patience: Patience, outcome: Outcome) -> None:
    """munged with this key; done when a credential comes back decoded."""
    if has_unit("munge.service"):
        code, output = run(["systemctl", "restart", "munge.service"], patience.left())
    else:
        user, group = munge_owner()
        code, output = run(
            ["setpriv", "--reuid=%d" % user, "--regid=%d" % group, "--clear-groups", "munged"], MUNGE_PATIENCE
        )
    if code != 0:
        raise StepFailed("munged does not start: %s" % output)
    wait_for_munge(patience.part(MUNGE_PATIENCE))


def wait_for_munge(patience: Patience) -> None:
    """Until munged answers. Raises StepFailed."""
    while True:
        code, output = run(["munge", "--string", "slurm-azure", "--output", "/dev/null"], CALL_TIMEOUT)
        if code == 0:
            return
        if not patience.pause(0.1):
            raise StepFailed("munged does not answer: %s" % output)


# --- Slurm's commands --------------------------------------------------------------------------------------------


def configure_scontrol(node: Node, patience: Patience, outcome: Outcome) -> None:
    """A slurm.conf for scontrol alone, where slurmd does not look: slurmd's comes from slurmctld."""
    os.makedirs(RUN, exist_ok=True)
    write_file(RUN + "/slurm.conf", slurm_conf(node).encode("ascii"), 0o644)
    for folder in SLURM_FOLDERS:
        os.makedirs(folder, mode=0o755, exist_ok=True)
    for file in OWN_CONFIGS:
        if os.path.lexists(file):
            # With a slurm.conf of their own the commands in a job, and slurmd, would not use slurmctld's.
            os.rename(file, file + ".from-image")
            outcome.warnings.append("%s of the image set aside: this cluster's comes from slurmctld" % file)


def slurm_conf(node: Node) -> str:
    """The least that scontrol needs to reach slurmctld."""
    lines = ["ClusterName=" + node.cluster, "AuthType=auth/munge", "SlurmctldPort=%d" % node.controllers[0].port]
    lines += ["SlurmctldHost={0}({0})".format(controller.host) for controller in node.controllers]
    if any(":" in controller.host for controller in node.controllers):
        lines.append("CommunicationParameters=EnableIPv6")
    return "\n".join(lines) + "\n"


def scontrol(arguments: List[str], timeout: float) -> Tuple[int, str]:
    """Run scontrol against this cluster's slurmctld."""
    return run(["scontrol"] + arguments, timeout, dict(os.environ, SLURM_CONF=RUN + "/slurm.conf"))


# --- mounts ------------------------------------------------------------------------------------------------------


def mount_shares(node: Node, patience: Patience, outcome: Outcome) -> None:
    """Mount every share, outer folders first. A required one that fails ends it, another one is a warning."""
    for mount in sorted(node.mounts, key=lambda mount: mount.path.rstrip("/").count("/")):
        try:
            mount_share(mount, patience.part(MOUNT_PATIENCE))
        except StepFailed as failure:
            if mount.required:
                raise
            outcome.warnings.append(str(failure))
            say("warning: %s (not required, going on)" % failure)


def mount_share(mount: Mount, patience: Patience) -> None:
    """Mount one share, trying again as long as patience lasts. Raises StepFailed."""
    os.makedirs(mount.path, exist_ok=True)
    while not is_nfs_of(mount):
        before = mounted_at(mount.path)
        argv = ["mount", "-t", file_system_type(mount.options), "-o", mount.options, mount.source, mount.path]
        code, output = run(argv if mount.options else argv[:3] + argv[5:], max(1.0, min(MOUNT_TIMEOUT, patience.left())))
        if code == 0 and len(mounted_at(mount.path)) > len(before):
            break
        if not patience.pause(RETRY_PAUSE):
            cause = output if code else "mount said yes, but nothing is mounted there"
            raise StepFailed("%s on %s: %s" % (mount.source, mount.path, cause or "mount ended with %d" % code))
    code, output = run([sys.executable, "-c", PROBE, mount.path], ANSWER_TIMEOUT)
    if code != 0:
        raise StepFailed("%s on %s is mounted but does not answer: %s" % (mount.source, mount.path, output))


PROBE = "import os, sys; os.statvfs(sys.argv[1]); next(iter(os.scandir(sys.argv[1])), None)"
"""Run as a process of its own: on a dead NFS server it hangs in the kernel."""


def file_system_type(options: str) -> str:
    """nfs4, or nfs where the options ask for version 3 (man nfs, nfsvers)."""
    return "nfs" if {"vers=3", "nfsvers=3"} & set(options.split(",")) else "nfs4"


def is_nfs_of(mount: Mount) -> bool:
    """Whether the share is mounted already, by the image's fstab or an earlier run."""
    there = mounted_at(mount.path)
    return bool(there) and there[-1].kind.startswith("nfs") and there[-1].source == mount.source


class Mounted(NamedTuple):
    """A line of /proc/self/mountinfo: file system type and source."""

    kind: str
    source: str


def mounted_at(path: str, file: str = "/proc/self/mountinfo") -> List[Mounted]:
    """What is mounted at `path`, the last one on top (man 5 proc, /proc/[pid]/mountinfo)."""
    found = []
    with open(file, encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            place_fields, _, source_fields = line.partition(" - ")
            if unescape(place_fields.split()[4]) == os.path.realpath(path):
                kind, source = source_fields.split()[:2]
                found.append(Mounted(kind, unescape(source)))
    return found


def unescape(field: str) -> str:
    """A field of mountinfo: blank, tab, line break and backslash are written as three octal digits."""
    parts = field.split("\\")
    return parts[0] + "".join(chr(int(part[:3], 8)) + part[3:] for part in parts[1:])


# --- slurmd ------------------------------------------------------------------------------------------------------


def start_slurmd(node: Node, patience: Patience, outcome: Outcome) -> None:
    """slurmd, by systemd where it knows slurmd.service; done when it has slurmctld's configuration and lives on.

    Its first start says -b, "node reboot now": slurmctld takes no registration whose boot time lies before the resume
    request, which a clock that is some seconds behind could make of it. A later start must not say so, because a reboot
    that slurmctld did not ask for ends the node's jobs.
    """
    options = ["-N", node.name, "--conf-server", ",".join(str(controller) for controller in node.controllers)]
    if os.path.lexists(FETCHED_CONFIG):
        os.unlink(FETCHED_CONFIG)
    if has_unit("slurmd.service"):
        start_slurmd_unit(options, patience.part(SLURMD_PATIENCE))
    else:
        start_slurmd_process(options, patience.part(SLURMD_PATIENCE))


def start_slurmd_unit(options: List[str], patience: Patience) -> None:
    """slurmd.service with our options, until the next boot: they are kept in /run. Raises StepFailed."""
    folder = "/run/systemd/system/slurmd.service.d"
    os.makedirs(folder, exist_ok=True)
    # Debian's unit has ConditionPathExists=/etc/slurm/slurm.conf, which must not be there.
    drop_in = "[Unit]\nConditionPathExists=\n[Service]\nEnvironmentFile=%s/slurmd.env\n" % RUN
    write_file(folder + "/slurm-azure.conf", drop_in.encode("ascii"), 0o644)
    write_slurmd_environment(["-b"] + options)
    run(["systemctl", "daemon-reload"], CALL_TIMEOUT)
    code, output = run(["systemctl", "restart", "slurmd.service"], patience.left())
    write_slurmd_environment(options)
    if code != 0:
        raise StepFailed("slurmd does not start: %s" % (last_words_of_unit() or output))
    settle(unit_is_active, last_words_of_unit, patience)


def write_slurmd_environment(options: List[str]) -> None:
    """What the unit's command line takes as $SLURMD_OPTIONS."""
    text = "SLURMD_OPTIONS=%s\n" % " ".join(shlex.quote(option) for option in options)
    write_file(RUN + "/slurmd.env", text.encode("ascii"), 0o644)


def unit_is_active() -> bool:
    """Whether slurmd.service runs."""
    return run(["systemctl", "is-active", "--quiet", "slurmd.service"], CALL_TIMEOUT)[0] == 0


def last_words_of_unit() -> str:
    """The end of slurmd's log."""
    return run(["journalctl", "--unit=slurmd.service", "--output=cat", "--lines=2", "--no-pager"], CALL_TIMEOUT)[1]


def start_slurmd_process(options: List[str], patience: Patience) -> None:
    """slurmd as a process of its own, which outlives us. Raises StepFailed."""
    log = RUN + "/slurmd.out"
    with open(log, "ab") as output:
        try:
            child = subprocess.Popen(
                ["slurmd", "-D", "-b"] + options, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        except OSError as error:
            raise StepFailed("slurmd does not start: %s" % error.strerror) from error
    settle(lambda: child.poll() is None, lambda: last_words(log), patience)


def last_words(log: str) -> str:
    """The last error in a log of slurmd, or its last line."""
    with open(log, encoding="utf-8", errors="replace") as stream:
        lines = stream.read().splitlines()
    return one_line(([line for line in lines if "fatal" in line] or lines or [""])[-1])


def settle(lives: Callable[[], bool], words: Callable[[], str], patience: Patience) -> None:
    """Until slurmd has got its configuration and lived a moment more. Raises StepFailed."""
    while lives() and not os.path.exists(FETCHED_CONFIG):
        if not patience.pause(0.1):
            raise StepFailed("slurmd got no configuration from slurmctld in time: %s" % words())
    patience.pause(SLURMD_SETTLES)
    if not lives():
        raise StepFailed("slurmd ended: %s" % words())


# --- the whole ---------------------------------------------------------------------------------------------------

Step = Callable[[Node, Patience, Outcome], None]

STEPS = (
    ("host name", set_host_name),
    ("hosts", add_to_hosts),
    ("metadata", wait_for_imds),
    ("munge key", put_munge_key),
    ("munged", start_munged),
    ("scontrol", configure_scontrol),
    ("mounts", mount_shares),
    ("slurmd", start_slurmd),
)  # type: Tuple[Tuple[str, Step], ...]


def join(node: Node, patience: Patience, steps: Tuple[Tuple[str, Step], ...] = STEPS) -> Outcome:
    """Do the steps in order, until one fails."""
    outcome = Outcome()
    for name, step in steps:
        begun = time.monotonic()
        try:
            step(node, patience, outcome)
        except Exception as error:
            # Whatever it is, somebody has to hear of it: a node that just stays away is what must not be.
            cause = str(error) if isinstance(error, (StepFailed, OSError)) else "%s: %s" % (type(error).__name__, error)
            outcome.failure = one_line("%s: %s" % (name, cause))
        outcome.stages[name] = time.monotonic() - begun
        say("%-10s %7.3f s%s" % (name, outcome.stages[name], "  failed" if outcome.failure else ""))
        if outcome.failure:
            break
    return outcome


def keep(node: Node, outcome: Outcome) -> None:
    """Leave boot.json for whoever wants to know."""
    os.makedirs(RUN, exist_ok=True)
    write_file(RUN + "/boot.json", (json.dumps(outcome.document(node), indent=1) + "\n").encode("ascii"), 0o644)


def report_success(node: Node, outcome: Outcome) -> None:
    """The node is up; slurmctld knows by slurmd's registration."""
    say("node %s joined, %.1f s after its boot" % (node.name, uptime()))


def report_failure(node: Node, cause: str) -> None:
    """Tell slurmctld why the node will not come, so that its jobs are requeued now. Without munge only the console hears it."""
    reason = "slurm-azure: boot: " + cause
    to_console(reason)
    for pause in (2.0, 5.0, 0.0):
        code, output = scontrol(["update", "nodename=" + node.name, "state=down", "reason=" + reason], 20.0)
        if code == 0:
            return
        say("slurmctld could not be told: " + output)
        time.sleep(pause)


def to_console(text: str) -> None:
    """A line on the console itself: cloud-init's output may go elsewhere by the image's configuration."""
    say(text)
    try:
        with open("/dev/console", "w", encoding="utf-8") as console:
            console.write(text + "\r\n")
    except OSError:
        pass


def power_off() -> None:
    """The daemon deletes the VM; until then it should at least not look alive."""
    sys.stdout.flush()
    argv = ["systemctl", "--no-block", "poweroff"] if has_systemd() else [shutil.which("poweroff") or "/sbin/poweroff"]
    code, output = run(argv, 30.0)
    if code != 0:
        say("cannot power off: " + output)


def main(arguments: List[str]) -> int:
    """Join, or say why not and power off. Exit code 0 or 1."""
    try:
        node = read_node(*arguments[:1])
    except (OSError, ValueError, KeyError, TypeError) as error:
        to_console("slurm-azure: boot: node.json: %r" % error)
        power_off()
        return 1
    outcome = join(node, Patience(node.give_up_after - uptime()))
    keep(node, outcome)
    if outcome.failure is None:
        report_success(node, outcome)
        return 0
    report_failure(node, outcome.failure)
    power_off()
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

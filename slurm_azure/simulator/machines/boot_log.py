"""The serial console of a machine that is not there: what a Linux VM on Azure writes while it boots, line by line.

The lines are in the form of kernel, systemd and cloud-init (its datasource and its stages are named as in its documentation);
the figures in them are the machine's own.
"""

from __future__ import annotations

from datetime import UTC, datetime

from slurm_azure.simulator.machines.machine import MachineSpec

_KERNEL_ENDS, _NETWORK_UP, _REPORTS = 0.15, 0.4, 0.95  # parts of the boot


def boot_log(spec: MachineSpec, began: float, seconds: float, now: float) -> bytes:
    """What the console shows at `now`, when the machine was powered on at `began` (both seconds since 1970) and takes `seconds`
    until its agent reports. A silent machine comes no further than its kernel."""
    elapsed = now - began
    lines = [text for due, text in _lines(spec, began, seconds) if due <= elapsed]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _lines(spec: MachineSpec, began: float, seconds: float) -> list[tuple[float, str]]:
    lines = _kernel(spec, seconds)
    if spec.silent:
        stuck = "A start job is running for /dev/disk/cloud/azure_resource-part1"
        return [*lines, (_KERNEL_ENDS * seconds, f"[ ***  ] {stuck} (no limit)")]
    return [*lines, *_guest(spec, began, seconds)]


def _kernel(spec: MachineSpec, seconds: float) -> list[tuple[float, str]]:
    memory = spec.memory_mib * 1024
    texts = (
        "Linux version 6.8.0-1015-azure (buildd@lcy02-amd64-075) (x86_64-linux-gnu-gcc-13) #17-Ubuntu SMP",
        "Command line: BOOT_IMAGE=/vmlinuz-6.8.0-1015-azure root=UUID=root ro console=tty1 console=ttyS0 earlyprintk=ttyS0",
        "DMI: Microsoft Corporation Virtual Machine/Virtual Machine, BIOS Hyper-V UEFI Release v4.1",
        "Hypervisor detected: Microsoft Hyper-V",
        f"Memory: {memory - memory // 50}K/{memory}K available",
        f"smp: Brought up 1 node, {spec.vcpus} CPUs",
        f"hv_netvsc {spec.vm_id} eth0: VF slot 1 added",
        "systemd[1]: Detected virtualization microsoft.",
        f"systemd[1]: Hostname set to <{spec.computer_name}>.",
    )
    step = _KERNEL_ENDS * seconds / len(texts)
    return [(number * step, f"[{number * step:12.6f}] {text}") for number, text in enumerate(texts)]


def _guest(spec: MachineSpec, began: float, seconds: float) -> list[tuple[float, str]]:
    def stage(part: float, name: str) -> tuple[float, str]:
        due = part * seconds
        moment = datetime.fromtimestamp(began + due, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
        return due, f"cloud-init[612]: Cloud-init v. 24.1.3 running '{name}' at {moment}. Up {due:.2f} seconds."

    def said(part: float, text: str) -> tuple[float, str]:
        return part * seconds, text

    lines = [
        stage(_KERNEL_ENDS, "init-local"),
        stage(_NETWORK_UP, "init"),
        said(_NETWORK_UP, "ci-info: ++++++++++++++++++++++++ Net device info ++++++++++++++++++++++++"),
        said(_NETWORK_UP, f"ci-info: |  eth0  | True | {spec.ip}/{spec.prefix} | global | {spec.mac} |"),
        said(_NETWORK_UP, f"ci-info: |  0.0.0.0/0  | via {spec.gateway} | eth0 |"),
    ]
    if spec.failure is not None:
        reason = f"result=error|reason={spec.failure}|agent=Cloud-Init/24.1.3|vm_id={spec.vm_id}"
        return [*lines, said(1.0, f"azure.py[ERROR]: Azure datasource failure occurred: {reason}")]
    return [
        *lines,
        stage(0.6, "modules:config"),
        stage(0.8, "modules:final"),
        said(_REPORTS, "ci-info: no authorized SSH keys fingerprints found for user root."),
        said(1.0, f"cloud-init[612]: Cloud-init v. 24.1.3 finished. Datasource DataSourceAzure. Up {seconds:.2f} seconds"),
        said(1.0, f"{spec.computer_name} login: "),
    ]

"""slurm_azure.generate: the texts that Slurm gets, and what is found doubtful before.

That a real slurmctld takes the generated files is proven by the end-to-end tests (22.05; 24.11 and 26.05 were tried
by hand); here each line is held to what the configuration says.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurm_azure.azure.catalog import Catalog, Size
from slurm_azure.config import Config
from slurm_azure.errors import ConfigError
from slurm_azure.generate.doubts import find_doubts
from slurm_azure.generate.slurm import Generated, generate
from slurm_azure.hostlist import expand
from slurm_azure.slurm.versions import Release, traits
from tests.support.configs import a_document
from tests.support.sizes import a_catalog

IMAGE = {"marketplace": "a:b:c:latest"}
HOOKS = Path("/usr/lib/slurm-azure/hooks")
RELEASES: list[Release] = [(20, 11), (21, 8), (22, 5), (23, 2), (23, 11), (24, 5), (24, 11), (25, 5), (25, 11), (26, 5)]


def a_site(pool: dict[str, Any] | None = None, partition: dict[str, Any] | None = None, **pools: dict[str, Any]) -> Config:
    """A configuration with pool `hb` and partition `cloud` (keys as given), and further pools in that partition."""
    made = {
        name: {"nodes": f"{name}-[1-4]", "sizes": ["Standard_F2s_v2"], "image": IMAGE} | keys for name, keys in pools.items()
    }
    hb = {"nodes": "az-hb-[1-200]", "sizes": ["Standard_HB120rs_v3"], "image": IMAGE, "hardware": {"sockets": 2}} | (pool or {})
    cloud = {"pools": ["hb", *made]} | (partition or {})
    return Config.model_validate(a_document(pools={"hb": hb, **made}, partitions={"cloud": cloud}))


def made_of(config: Config, release: Release = (22, 5)) -> Generated:
    """What is generated for `config`."""
    return generate(config, a_catalog(), release, HOOKS)


def words_of(text: str, first: str) -> dict[str, str]:
    """The KEY=VALUE words of the one line that begins with `first`."""
    (line,) = [line for line in text.splitlines() if line.startswith(first)]
    return dict(word.split("=", 1) for word in line.split())


def live_keys(generated: Generated) -> dict[str, str]:
    """The keys of slurm.conf that are not commented out; Include stands as a key of its own."""
    lines = [line for line in generated.slurm_conf.splitlines() if line and not line.startswith("#")]
    pairs = [re.split(r"[= ]", line, maxsplit=1) for line in lines]
    assert len({key for key, _ in pairs}) == len(pairs), "a key stands twice"
    return {key: value for key, value in pairs}


def doubts_of(config: Config, release: Release = (22, 5)) -> str:
    """All doubts as text, be they grave or not."""
    try:
        return "\n".join(map(str, made_of(config, release).doubts))
    except ConfigError as error:
        return "GRAVE " + str(error)


def test_a_node_line_has_the_smallest_of_each_sizes_figures() -> None:
    """Nodes of a pool with several sizes are said to have what every one of them has at least."""
    config = a_site({"sizes": ["Standard_F2s_v2", "Standard_D4s_v5"], "hardware": {}, "weight": 7})
    assert words_of(made_of(config).include, "NodeName=az-hb") == {
        "NodeName": "az-hb-[1-200]",
        "CPUs": "2",
        "Sockets": "1",
        "CoresPerSocket": "1",
        "ThreadsPerCore": "2",
        "RealMemory": "3072",
        "Feature": "cloud,azure,hb",
        "Weight": "7",
        "State": "CLOUD",
    }


@pytest.mark.parametrize(("size", "mib"), [("Standard_F2s_v2", 3072), ("Standard_HB120rs_v3", 422051), ("Standard_B1ls", 256)])
def test_memory_is_conservative(size: str, mib: int) -> None:
    """RealMemory is the size's less 8 %, less 1 GiB at least; a tiny VM still has something."""
    assert words_of(made_of(a_site({"sizes": [size], "hardware": {}})).include, "NodeName=")["RealMemory"] == str(mib)


def test_the_sites_own_hardware_figures_win() -> None:
    """What `hardware:` says is taken as it is."""
    hardware = {"sockets": 2, "cores_per_socket": 22, "threads_per_core": 1, "memory_mib": 300_000}
    words = words_of(made_of(a_site({"hardware": hardware})).include, "NodeName=")
    assert [words[key] for key in ("CPUs", "Sockets", "CoresPerSocket", "RealMemory")] == ["44", "2", "22", "300000"]


def test_features_name_what_every_node_of_the_pool_has() -> None:
    """One size is a feature, several are none; Spot is one; the site's own come last and nothing stands twice."""
    config = a_site({"priority": "spot", "features": ["render", "cloud", "render"]})
    assert words_of(made_of(config).include, "NodeName=")["Feature"] == "cloud,azure,hb,Standard_HB120rs_v3,spot,render"


def test_uneven_node_names_are_written_so_that_slurm_reads_them() -> None:
    """Padding and suffixes survive; no text follows a bracket, which Slurm 22.05 would refuse."""
    words = words_of(made_of(a_site({"nodes": "b[009-11],az-[1-2]-ib,b9"})).include, "NodeName=")
    assert sorted(expand(words["NodeName"])) == sorted(["b009", "b010", "b011", "az-1-ib", "az-2-ib", "b9"])
    assert not re.search(r"\][^,\]]", words["NodeName"])


def test_partitions_are_made_of_node_sets_with_their_own_times() -> None:
    """The partition's nodes are the sets of its pools; fractions of seconds are rounded up; its options stand as given."""
    config = a_site(partition={"suspend_time": 90.2, "suspend_timeout": 45.0, "options": {"AllowGroups": "render"}}, extra={})
    include = made_of(config).include
    assert words_of(include, "PartitionName=") == {
        "PartitionName": "cloud",
        "Nodes": "azure_hb,azure_extra",
        "Default": "NO",
        "MaxTime": "INFINITE",
        "State": "UP",
        "SuspendTime": "91",
        "ResumeTimeout": "900",
        "SuspendTimeout": "45",
        "AllowGroups": "render",
    }
    assert words_of(include, "NodeSet=azure_hb") == {"NodeSet": "azure_hb", "Nodes": "az-hb-[1-200]"}


def test_a_partition_may_start_drained() -> None:
    """An option replaces the word that would stand there, it does not stand beside it."""
    line = made_of(a_site(partition={"options": {"State": "DRAIN"}})).include.splitlines()[-1]
    assert re.findall(r"State=\w+", line) == ["State=DRAIN"]


def test_gpus_stand_in_the_node_line_and_in_gres_conf() -> None:
    """Counts and device files are explicit: a powered-down node cannot tell them; two types share the devices in order."""
    config = a_site(
        {"sizes": ["Standard_ND96asr_v4"], "gres": ["gpu:a100:6", "gpu:mig:2", "scratch:2K"], "hardware": {"sockets": 2}}
    )
    made = made_of(config)
    assert words_of(made.include, "NodeName=")["Gres"] == "gpu:a100:6,gpu:mig:2,scratch:2K"
    assert made.gres_conf.splitlines() == [
        "NodeName=az-hb-[1-200] Name=gpu Type=a100 File=/dev/nvidia[0-5]",
        "NodeName=az-hb-[1-200] Name=gpu Type=mig File=/dev/nvidia[6-7]",
        "NodeName=az-hb-[1-200] Name=scratch Count=2048",
    ]
    assert live_keys(made)["GresTypes"] == "gpu,scratch"


def test_one_gpu_and_amds_gpus_have_their_own_files() -> None:
    """A single device is no range, and AMD's devices are render nodes."""
    amd = a_site({"sizes": ["Standard_ND96isr_MI300X_v5"], "gres": ["gpu:mi300x:8"]})
    one = a_site({"sizes": ["Standard_ND96asr_v4"], "gres": ["gpu:1"]})
    assert made_of(amd).gres_conf.split()[-1] == "File=/dev/dri/renderD[128-135]"
    assert made_of(one).gres_conf.split()[1:] == ["Name=gpu", "File=/dev/nvidia0"]


def test_no_gres_no_gres_conf() -> None:
    """Without generic resources nothing is said about them."""
    made = made_of(a_site())
    assert made.gres_conf == ""
    assert "GresTypes" not in made.slurm_conf


@pytest.mark.parametrize("release", RELEASES)
def test_what_every_release_needs(release: Release) -> None:
    """The three programs, no rate limits, the cluster's own time-outs, and the include, on every release."""
    keys = live_keys(made_of(a_site(partition={"resume_timeout": 700.0, "suspend_timeout": 61.0}), release))
    assert keys["ResumeProgram"] == f"{HOOKS}/resume"
    assert keys["SuspendProgram"] == f"{HOOKS}/suspend"
    assert keys["ResumeFailProgram"] == f"{HOOKS}/resume-fail"
    assert (keys["ResumeRate"], keys["SuspendRate"], keys["ReturnToService"]) == ("0", "0", "2")
    assert (keys["ResumeTimeout"], keys["SuspendTimeout"]) == ("700", "61")
    assert keys["Include"] == "azure-burst.conf"
    assert "enable_configless" in keys["SlurmctldParameters"].split(",")
    assert "idle_on_node_suspend" not in keys["SlurmctldParameters"]


@pytest.mark.parametrize(
    ("release", "has", "lacks"),
    [
        (
            (22, 5),
            {"PrivateData=cloud", "TreeWidth=65533", "cloud_reg_addrs", "SuspendTime=INFINITE"},
            {"requeue", "power_save_interval"},
        ),
        ((23, 2), {"TreeWidth=65533", "cloud_reg_addrs"}, {"PrivateData"}),
        ((23, 11), {"SuspendTime=INFINITE"}, {"cloud_reg_addrs", "TreeWidth", "PrivateData"}),
        ((24, 11), {"power_save_interval=5"}, {"cloud_reg_addrs", "requeue"}),
        ((25, 5), {"requeue_on_resume_failure"}, {"requeue_delay"}),
        ((26, 5), {"SchedulerParameters=requeue_on_resume_failure,requeue_delay=10"}, {"cloud_reg_addrs", "TreeWidth"}),
    ],
)
def test_what_differs_by_release(release: Release, has: set[str], lacks: set[str]) -> None:
    """A release gets what it needs and nothing it would complain about."""
    live = "\n".join(line for line in made_of(a_site(), release).slurm_conf.splitlines() if not line.startswith("#"))
    assert {word for word in has if word not in live} == set()
    assert {word for word in lacks if word in live} == set()


def test_20_11_has_no_timers_of_partitions() -> None:
    """There the cluster's own time is all there is, and the site is told what that means for its other nodes."""
    made = made_of(a_site(partition={"suspend_time": 240.0}), (20, 11))
    assert "SuspendTime" not in words_of(made.include, "PartitionName=")
    assert live_keys(made)["SuspendTime"] == "240"
    assert "SuspendExcNodes" in made.slurm_conf


@pytest.mark.parametrize("release", RELEASES)
def test_every_line_of_slurm_conf_has_its_reason(release: Release) -> None:
    """Above each line stands a sentence that says why; comments begin in the first column, so they can be cut off."""
    body = made_of(a_site(), release).slurm_conf.split("\n\n", 1)[1].splitlines()
    assert len(body) % 2 == 0
    assert all(why.startswith("# ") and why.rstrip().endswith((".", "!")) for why in body[::2])
    assert all(re.match(r"#?[A-Z]\w+[= ]\S", line) for line in body[1::2])


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        ({"sizes": ["Standard_Imaginary_v9"], "hardware": {}}, "Standard_Imaginary_v9: not in the list"),
        ({"sizes": ["Standard_F2s_v2", "Standard_Imaginary_v9"], "hardware": {"cores_per_socket": 1}}, "not in the list"),
        ({"hardware": {"sockets": 4, "cores_per_socket": 60}}, "240 cores, 240 CPUs"),
        ({"hardware": {"sockets": 2, "threads_per_core": 2}}, "120 cores, 240 CPUs"),
        ({"hardware": {"memory_mib": 448 * 1024, "sockets": 2}}, "448 GiB"),
        ({"sizes": ["Standard_F2s_v2"], "gres": ["gpu:1"], "hardware": {}}, "1 GPUs, but Standard_F2s_v2 has 0"),
        (
            {"sizes": ["Standard_D4s_v5", "Standard_F2s_v2"], "hardware": {"memory_mib": 3000}},
            "pools.hb.sizes: Standard_F2s_v2 has 2 vCPUs (1 cores), and Standard_D4s_v5 before it 4 (2 cores)",
        ),
        (
            {"sizes": ["Standard_D4s_v5", "Standard_F2s_v2"], "hardware": {"cores_per_socket": 1}},
            "pools.hb.sizes: Standard_F2s_v2 has 4 GiB, and Standard_D4s_v5 before it 15073 MiB for Slurm",
        ),
        (
            {"sizes": ["Standard_ND96asr_v4", "Standard_HB120rs_v3"], "gres": ["gpu:8"], "hardware": {"memory_mib": 400_000}},
            "8 GPUs, but Standard_HB120rs_v3 has 0",
        ),
    ],
)
def test_what_would_make_nodes_unusable_is_a_mistake(pool: dict[str, Any], words: str) -> None:
    """Nothing is generated, and the message names the key and the figures."""
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        made_of(a_site(pool))
    assert all(mistake.startswith("pools.hb.") for mistake in caught.value.mistakes)


def test_all_mistakes_are_told_at_once() -> None:
    """Two pools with a mistake each and a partition with two give four lines."""
    config = a_site(
        {"sizes": ["Nowhere_1"], "hardware": {}},
        {"options": {"suspendtime": "5", "AllowGroups": "a#b"}},
        other={"gres": ["gpu:4"]},
    )
    with pytest.raises(ConfigError) as caught:
        made_of(config)
    assert len(caught.value.mistakes) == 4


def test_an_unknown_size_with_hardware_is_doubtful() -> None:
    """A size newer than our list needs figures, which nobody can check."""
    config = a_site({"sizes": ["Standard_Imaginary_v9"], "hardware": {"cores_per_socket": 8, "memory_mib": 30_000}})
    assert words_of(made_of(config).include, "NodeName=")["CPUs"] == "8"
    assert "nobody checks that it has 8 CPUs and 30000 MiB" in doubts_of(config)


def test_smaller_sizes_may_follow_if_the_site_says_what_all_have() -> None:
    """`hardware:` and `gres:` that every size has at least: nothing is doubtful about the order of sizes then."""
    hardware = {"cores_per_socket": 1, "threads_per_core": 2, "memory_mib": 3000}
    assert doubts_of(a_site({"sizes": ["Standard_D4s_v5", "Standard_F2s_v2"], "hardware": hardware})) == ""


def test_sizes_that_are_nearly_alike_go_together() -> None:
    """A few GiB less than the first size has do no harm: its node line leaves room for them."""
    rows = [("Standard_A", 456.0), ("Standard_B", 448.0)]
    catalog = Catalog(Size(name, 120, 1, memory, 0, {}) for name, memory in rows)
    config = a_site({"sizes": ["Standard_A", "Standard_B"], "hardware": {"sockets": 2}})
    assert find_doubts(config, catalog, traits((24, 11))) == ()


PRICED = Catalog([Size("Standard_F2s_v2", 2, 2, 4.0, 0, {"westeurope": 0.1}), Size("Standard_D4s_v5", 4, 2, 16.0, 0, {})])


@pytest.mark.parametrize(
    ("pool", "top", "partition", "words"),
    [
        ({}, {"cost_per_hour": 10.0}, {}, "pools.hb.sizes: no known price in westeurope for Standard_D4s_v5"),
        ({}, {}, {"cost_per_month": 10.0}, "never launched; give price_per_hour"),
        ({"price_per_hour": 0.2}, {"cost_per_hour": 10.0}, {}, ""),
        ({"priority": "spot", "spot": {"max_price": 0.3}}, {"cost_per_hour": 10.0}, {}, ""),
        ({"order": "cheapest"}, {"nodes": 3}, {}, "pools.hb.order: no known price in westeurope for Standard_D4s_v5"),
        ({"price_per_hour": 0.2}, {}, {"cost_per_hour": 0.15}, "partitions.cloud.budget.cost_per_hour: 0.15 USD is less"),
        ({}, {"nodes": 3, "cores": 9, "booting": 2}, {}, ""),
    ],
)
def test_budgets_need_prices(pool: dict[str, Any], top: dict[str, Any], partition: dict[str, Any], words: str) -> None:
    """What a budget in USD would keep from ever being launched is told before."""
    sizes = ["Standard_F2s_v2", "Standard_D4s_v5"]
    document = a_document(
        pools={"hb": {"nodes": "n[1-2]", "sizes": sizes, "image": IMAGE, **pool}},
        partitions={"cloud": {"pools": ["hb"], "budget": partition}},
        budget=top,
    )
    found = "\n".join(map(str, find_doubts(Config.model_validate(document), PRICED, traits((24, 11)))))
    assert (words in found) if words else (found == "")


@pytest.mark.parametrize(
    ("config", "about"),
    [
        (a_site({"hardware": {"sockets": 2, "memory_mib": 455_000}}), "pools.hb.hardware: 455000 MiB is close"),
        (a_site({"hardware": {}}), "pools.hb.hardware: 120 cores in one socket is unlikely"),
        (
            a_site({"sizes": ["Standard_ND96asr_v4"], "hardware": {"sockets": 2}}),
            "pools.hb.gres: Standard_ND96asr_v4 has 8 GPUs and Slurm is told of 0",
        ),
        (a_site(partition={"resume_timeout": 60.0}), "partitions.cloud.resume_timeout"),
        (a_site(partition={"suspend_timeout": 5.0}), "partitions.cloud.suspend_timeout: below 20s"),
        (a_site(partition={"suspend_timeout": 1000.0}), "partitions.cloud.suspend_timeout: a node rests"),
        (a_site(partition={"suspend_time": 10.0}), "partitions.cloud.suspend_time"),
    ],
)
def test_what_is_doubtful_is_told_but_generated(config: Config, about: str) -> None:
    """The files are made; the doubt names its key."""
    assert about in doubts_of(config)
    assert "GRAVE" not in doubts_of(config)


def test_partitions_that_share_a_pool_should_agree_on_its_idle_time() -> None:
    """Slurm takes the longest suspend_time of a node's partitions, which surprises whoever wrote the shorter."""
    document = a_document(
        partitions={"a": {"pools": ["hb"], "suspend_time": 60.0}, "b": {"pools": ["hb"], "suspend_time": 600.0}}
    )
    assert "the longest, that of b (600 s)" in doubts_of(Config.model_validate(document))


def test_a_plain_configuration_raises_no_doubt() -> None:
    """Silence is the rule."""
    assert doubts_of(a_site()) == ""


@settings(max_examples=50)
@given(
    st.lists(st.sampled_from(a_catalog().names()), min_size=1, max_size=4, unique=True),
    st.integers(1, 300),
    st.sampled_from(RELEASES),
)
def test_no_size_is_ever_promised_more_than_it_has(sizes: list[str], count: int, release: Release) -> None:
    """For any mix of sizes, on any release, each of them has at least the CPUs, cores and memory that Slurm is told; and if a
    later one is refused it has less than the first."""
    catalog = a_catalog()
    fewest = min(size.gpus for name in sizes if (size := catalog.size(name)) is not None)
    config = a_site({"nodes": f"n[1-{count}]", "sizes": sizes, "hardware": {}, "gres": [f"gpu:{fewest}"] if fewest else []})
    try:
        words = words_of(made_of(config, release).include, "NodeName=")
    except ConfigError:
        first, *later = (size for name in sizes if (size := catalog.size(name)) is not None)
        assert any(size.vcpus < first.vcpus or size.cores < first.cores or size.memory_gib < first.memory_gib for size in later)
        return
    for name in sizes:
        size = catalog.size(name)
        assert size is not None
        assert int(words["CPUs"]) <= size.vcpus
        assert int(words["CoresPerSocket"]) * int(words["Sockets"]) <= size.cores
        assert int(words["RealMemory"]) < size.memory_gib * 1024

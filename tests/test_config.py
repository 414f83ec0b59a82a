"""slurm-azure.yaml: the shipped file is valid and shows every default; mistakes are told all at once, where they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from slurm_azure.azure.catalog import Catalog
from slurm_azure.config import Config, load_config
from slurm_azure.errors import ConfigError
from slurm_azure.generate.doubts import find_doubts
from slurm_azure.model import Priority
from slurm_azure.slurm.versions import traits

POOL = {"nodes": "az-hb-[1-2]", "sizes": "Standard_HB120rs_v3", "image": {"id": "/subscriptions/s/images/i"}}
SHIPPED = Path(__file__).resolve().parents[1] / "etc" / "slurm-azure.yaml"


def uncommented(text: str) -> str:
    """The shipped file with every `# key: value` line that shows a default made real."""
    lines = []
    for line in text.splitlines():
        body = line.lstrip()
        key = body[2:].split(":", 1)[0] if body.startswith("# ") else ""
        value = body[2:].split(":", 1)[1].split("#")[0].strip() if ":" in body[2:] else ""
        is_default = key.replace("_", "").isalpha() and key.islower() and value and "..." not in value
        lines.append(line.replace("# ", "", 1) if is_default else line)
    return "\n".join(lines)


def write(folder: Path, **changes: Any) -> Path:
    """The shipped file with top-level keys replaced."""
    document = YAML(typ="safe", pure=True).load(SHIPPED.read_text())
    document.update(changes)
    file = folder / "slurm-azure.yaml"
    with file.open("w") as out:
        YAML(typ="safe", pure=True).dump(document, out)
    return file


def mistakes(file: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert caught.value.exit_code == 78
    return list(caught.value.mistakes)


def test_the_shipped_file_is_valid() -> None:
    """What an administrator starts from has no mistake."""
    assert load_config(SHIPPED).cluster == "mycluster"


def test_the_shipped_file_raises_no_doubt() -> None:
    """Nor anything that `check` would warn of."""
    assert find_doubts(load_config(SHIPPED), Catalog.load(), traits((24, 11))) == ()


def test_the_shipped_file_shows_the_true_defaults(tmp_path: Path) -> None:
    """Each commented `# key: value` is what holds without it."""
    file = tmp_path / "all.yaml"
    file.write_text(uncommented(SHIPPED.read_text()))
    assert load_config(file) == load_config(SHIPPED)


def test_the_shipped_file_names_every_key() -> None:
    """No key of the model is missing from the commented file."""
    text = SHIPPED.read_text()

    def keys(model: Any) -> set[str]:
        schema = model.model_json_schema()
        parts = [schema, *schema.get("$defs", {}).values()]
        return {key for part in parts for key in part.get("properties", {})}

    assert [key for key in sorted(keys(Config)) if f"{key}:" not in text] == []


def test_all_mistakes_are_told_at_once_with_line_and_path(tmp_path: Path) -> None:
    """Ten mistakes, ten lines; each says where."""
    file = tmp_path / "bad.yaml"
    file.write_text("""\
cluster: my
cluster: other
azure: {subscription: x, resource_group: a, location: west, subnet: y, credental: {kind: foo}, credential: {kind: foo}}
slurm: {controllers: []}
munge: {source: key-vault}
pools:
  hb: {nodes: "a[1-3]", siez: x, sizes: 3, image: {}}
partitions: {cloud: {pool: hb, suspend_time: 5x}}
limits: {requests: {write_bust: 3}}
""")
    found = mistakes(file)
    for expected in (
        "line 2: cluster: stands in line 1 already",
        "line 3: azure.credental: unknown key; did you mean 'credential'?",
        "line 3: azure.credential.kind: must be 'default', 'managed-identity', 'workload-identity'",
        "line 5: munge: source: key-vault also needs vault",
        "line 7: pools.hb.siez: unknown key; did you mean 'sizes'?",
        "line 7: pools.hb.image: give exactly one of marketplace, gallery, id",
        "line 8: partitions.cloud.suspend_time: '5x' is no duration",
        "line 8: partitions.cloud.pool: unknown key; did you mean 'pools'?",
        "line 9: limits.requests.write_bust: unknown key; did you mean 'write_burst'?",
    ):
        assert any(line.startswith(expected) for line in found), (expected, found)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"partitions": {"cloud": {"pools": ["nope"]}}}, "partitions.cloud.pools[0]: there is no pool 'nope'"),
        ({"mounts": [{"source": "a:/x", "path": "/x"}, {"source": "b:/y", "path": "/x/"}]}, "mounts[1].path: /x/ is a mount"),
        ({"mounts": [{"source": "no-colon", "path": "relative"}]}, "mounts[0].source"),
        ({"metrics": {"listen": "everywhere"}}, "metrics.listen"),
        ({"pools": {"hb": {**POOL, "zones": [1, 2]}}}, "pools.hb.zones[0]: must be text, and YAML reads"),
        ({"pools": {"hb": {**POOL, "zones": [1, 2]}}}, 'put it in quotes, "1"'),
        ({"pools": {"hb": {**POOL, "breaker": {"pause": "2h"}}}}, "pools.hb.breaker.pause: must be less than or equal to 3600"),
    ],
)
def test_what_no_single_key_shows_is_found(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    """References, double mounts and the like."""
    assert any(expected in line for line in mistakes(write(tmp_path, **changes)))


def test_a_node_in_two_pools_is_refused(tmp_path: Path) -> None:
    """Two pools may not claim one node name."""
    pool = {"sizes": "Standard_F2s_v2", "image": {"marketplace": "a:b:c:d"}}
    pools = {"a": {"nodes": "az-[1-5]", **pool}, "b": {"nodes": "az-[5-9]", **pool}}
    found = mistakes(write(tmp_path, pools=pools, partitions={"cloud": {"pools": ["a", "b"]}}))
    assert any("pools.b.nodes: az-5 is in pool a too" in line for line in found)


@pytest.mark.parametrize("text", ["", "[]", "just text", "cluster: [", "\tcluster: x", "a: &x [*x]"])
def test_a_file_that_is_no_configuration_is_a_mistake_not_a_crash(tmp_path: Path, text: str) -> None:
    """Empty, not a mapping, not YAML."""
    file = tmp_path / "x.yaml"
    file.write_text(text)
    assert mistakes(file)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """Missing file; and bytes that are no text."""
    assert "cannot be read" in mistakes(tmp_path / "none.yaml")[0]
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe")
    assert "UTF-8" in mistakes(tmp_path / "b.yaml")[0]


def test_yaml_is_1_2_and_types_are_strict(tmp_path: Path) -> None:
    """`no` is a word, a number is no name, a word is no truth value."""
    assert any("cluster" in line for line in mistakes(write(tmp_path, cluster=7)))
    file = tmp_path / "strict.yaml"
    file.write_text(SHIPPED.read_text().replace("# accelerated_networking: true", "accelerated_networking: no"))
    assert any("pools.hb.accelerated_networking" in line for line in mistakes(file))


def test_spot_offers_come_before_their_fallback(tmp_path: Path) -> None:
    """Sizes by zones on Spot, then the same on demand."""
    pool = {
        "nodes": "az-[1-2]", "sizes": ["A", "B"], "zones": ["1", "2"], "image": {"marketplace": "a:b:c:d"}, "priority": "spot",
        "spot": {"max_price": 0.5, "fallback": "on-demand"},
    }  # fmt: skip
    offers = load_config(write(tmp_path, pools={"hb": pool})).pools["hb"].offers()
    assert [(offer.size, offer.zone) for offer in offers] == [("A", "1"), ("A", "2"), ("B", "1"), ("B", "2")] * 2
    assert [offer.priority for offer in offers] == [Priority.SPOT] * 4 + [Priority.ON_DEMAND] * 4
    assert offers[0].max_price == 0.5


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
)


@given(key=st.sampled_from(sorted(Config.model_fields)), value=documents)
def test_no_value_crashes_the_reader(tmp_path_factory: pytest.TempPathFactory, key: str, value: Any) -> None:
    """Whatever stands at a key: a configuration, or a ConfigError."""
    file = write(tmp_path_factory.mktemp("config"), **{key: value})
    try:
        found: object = load_config(file)
    except ConfigError as error:
        found = error.mistakes
    assert found

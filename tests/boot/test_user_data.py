"""Rendering: what comes out, what cannot break it, and what is refused with the template's name and the cause."""

from __future__ import annotations

import base64
import email
import gzip
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from slurm_azure.boot.user_data import LIMIT, UserData, quote
from slurm_azure.errors import RenderError
from tests.boot.conftest import CLOUD_INIT
from tests.support.configs import SUBSCRIPTION, a_config, a_document

GOLDEN = Path(__file__).with_name("user-data.golden.yaml")
IDENTITY = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
HOSTILE = "rw,'\"#{{x}}{%y%}:[],&*!|>%@`$(reboot)\\n\\x00\x7f\x85é☃😀"


def the_pool(**changes: Any) -> dict[str, Any]:
    """The pool `hb` of a_document, changed."""
    return {"hb": {**a_document()["pools"]["hb"], **changes}}


def loaded(text: str, version: tuple[int, int] = (1, 1)) -> dict[str, Any]:
    """A YAML text as cloud-init reads it: by version 1.1."""
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version
    value: dict[str, Any] = yaml.load(text)
    return value


def node_json(text: str) -> dict[str, Any]:
    """The node.json that user data carries."""
    files = {file["path"]: file["content"] for file in loaded(text)["write_files"]}
    document: dict[str, Any] = json.loads(files["/etc/slurm-azure/node.json"])
    return document


def rewritten(folder: Path, template: str) -> Path:
    """The folder, with this template."""
    (folder / "user-data.yaml.j2").write_text(template, encoding="utf-8")
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Callable[[str], Path]:
    """A template folder with two one-line scripts, and the real template or the one that is given."""

    def make(template: str = "") -> Path:
        folder = tmp_path / "cloud-init"
        folder.mkdir()
        shutil.copy(CLOUD_INIT / "user-data.yaml.j2", folder)
        if template:
            rewritten(folder, template)
        (folder / "join.py").write_text("print('join')\n", encoding="utf-8")
        (folder / "watch.py").write_text("print('watch')\n", encoding="utf-8")
        return folder

    return make


def test_golden(small: Callable[[str], Path]) -> None:
    """User data of a fixed configuration is exactly the golden file (all of it but the scripts' own text)."""
    azure = {**a_document()["azure"], "node_identity": IDENTITY}
    config = a_config(
        azure=azure,
        slurm={"controllers": ["head1", "10.0.0.5:7000", "[fd00::1]:6817"]},
        munge={"source": "key-vault", "vault": "https://v.vault.azure.net"},
        mounts=[{"source": "filer:/export/home", "path": "/home"}, {"source": "f:/x", "path": "/x", "required": False}],
    )
    text = UserData(config, small("")).render("az-7", "hb", "0a1b2c")
    # How gzip writes the same bytes is its version's affair.
    assert re.sub("content: H4s.*", "content: PACKED", text) == GOLDEN.read_text(encoding="utf-8")


def scripts_in(text: str) -> dict[str, bytes]:
    """The scripts that user data carries, by their path on the VM."""
    files = loaded(text)["write_files"]
    packed = {file["path"]: file["content"] for file in files if file.get("encoding") == "gz+b64"}
    return {path: gzip.decompress(base64.b64decode(content)) for path, content in packed.items()}


def test_all_scripts_travel() -> None:
    """Both scripts arrive with every module they import, byte for byte."""
    sources = [CLOUD_INIT / "join.py", CLOUD_INIT / "watch.py", *(CLOUD_INIT / "slurm_node").glob("*.py")]
    assert len(sources) > 5
    assert scripts_in(UserData(a_config()).render("az-1", "hb")) == {
        f"/usr/local/lib/slurm-azure/{source.relative_to(CLOUD_INIT)}": source.read_bytes() for source in sources
    }


def test_packing_leaves_no_trace_of_the_moment() -> None:
    """Rendered anew, by a daemon that was restarted, user data is the same to the byte."""
    assert len({UserData(a_config()).render("az-1", "hb", "l1") for _ in range(2)}) == 1


def test_launch_is_told() -> None:
    """Each launch of a node finds its own id in node.json."""
    user_data = UserData(a_config())
    assert [node_json(user_data.render("az-1", "hb", launch))["launch"] for launch in ("l1", "l2")] == ["l1", "l2"]


def test_leaves_room_for_the_site() -> None:
    """Our part takes less than two thirds of what Azure carries."""
    assert len(UserData(a_config()).render("az-1", "hb").encode()) < LIMIT * 2 / 3


def test_only_the_name_differs_between_nodes() -> None:
    """A second node of a pool gets the same text but for its name."""
    user_data = UserData(a_config())
    assert user_data.render("az-1", "hb").replace("az-1", "az-42") == user_data.render("az-42", "hb")


def test_no_secret(tmp_path: Path) -> None:
    """Neither the daemon's credential nor the key of a CA file's owner is in user data."""
    (tmp_path / "secret").write_text("hunter2", encoding="ascii")
    certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    key = "-----BEGIN PRIVATE KEY-----\nSECRETSECRET\n-----END PRIVATE KEY-----\n"
    (tmp_path / "ca.pem").write_text(key + certificate, encoding="ascii")
    secret_file = str(tmp_path / "secret")
    azure = {
        **a_document()["azure"],
        "node_identity": IDENTITY,
        "ca_file": str(tmp_path / "ca.pem"),
        "credential": {"kind": "secret", "tenant": "t", "client": "c", "secret_file": secret_file},
    }
    munge = {"source": "key-vault", "vault": "https://v.vault.azure.net"}
    text = UserData(a_config(azure=azure, munge=munge)).render("az-1", "hb")
    assert node_json(text)["settings"]["authorities"] == certificate
    assert not [word for word in ("hunter2", "SECRETSECRET", secret_file, SUBSCRIPTION + "x") if word in text]


def test_hostile_values_arrive_as_they_are() -> None:
    """Quotes, braces, YAML's and Jinja's signs and odd characters in mount options change nothing but those options."""
    config = a_config(mounts=[{"source": "f:/e", "path": "/x", "options": HOSTILE.replace("\x85", "")}])
    text = UserData(config).render("az-1", "hb")
    assert node_json(text)["settings"]["mounts"][0]["options"] == HOSTILE.replace("\x85", "")
    assert set(loaded(text)) == set(loaded(UserData(a_config()).render("az-1", "hb")))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from([(1, 1), (1, 2)]))
def test_quote_round_trip(text: str, version: tuple[int, int]) -> None:
    """Any text comes back from a quoted YAML string, in both versions of YAML, and the string is plain ASCII."""
    quoted = quote(text)
    assert quoted.isascii()
    assert quoted.isprintable()
    assert loaded(f"key: {quoted}\n", version) == {"key": text}


@pytest.mark.parametrize("node", ["", "a b", "a\nb: c", "-a", "a-", "a" * 64, 'a"', "a.b", "é"])
def test_node_names_are_host_names(node: str) -> None:
    """What is no host name is refused before it is put anywhere."""
    with pytest.raises(RenderError, match="host name"):
        UserData(a_config()).render(node, "hb")


def test_unknown_pool() -> None:
    """A pool that is not configured is named."""
    with pytest.raises(RenderError, match="no pool 'nope'"):
        UserData(a_config()).render("az-1", "nope")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("#cloud-config\na: 1\nb: {{ nodee }}\n", r"user-data\.yaml\.j2:3: 'nodee' is undefined"),
        ("#cloud-config\n{% if %}\n", r"user-data\.yaml\.j2:2: "),
        ("#cloud-config\na: {{ node + 1 }}\n", r"user-data\.yaml\.j2:2: .*str"),
        ("#cloud-config\na: [\n", r"user-data\.yaml\.j2: does not render to YAML"),
        ("#cloud-config\n- a\n", "does not render to a YAML mapping"),
        ("# cloud-config\na: 1\n", "first line must be #cloud-config"),
    ],
)
def test_broken_template(small: Callable[[str], Path], template: str, message: str) -> None:
    """A template's mistake is told with the template, the line and the cause; nothing is rendered."""
    with pytest.raises(RenderError, match=message):
        UserData(a_config(), small(template)).render("az-1", "hb")


def test_no_templates(tmp_path: Path) -> None:
    """Without templates the message says where they were looked for."""
    with pytest.raises(RenderError, match=f"user-data.yaml.j2 is neither in .*{tmp_path}"):
        UserData(a_config(), tmp_path)


@pytest.mark.parametrize("script", ["join.py", "watch.py"])
def test_no_script(small: Callable[[str], Path], script: str) -> None:
    """A folder that lacks one of the two scripts is refused."""
    folder = small("")
    (folder / script).unlink()
    with pytest.raises(RenderError, match=f"{script} is neither in"):
        UserData(a_config(), folder)


def test_script_of_any_characters(small: Callable[[str], Path]) -> None:
    """What YAML could not carry as it is (a bell, a CR) arrives all the same."""
    folder = small("")
    (folder / "join.py").write_bytes(b"print(1)\r\nprint('\a')")
    scripts = scripts_in(UserData(a_config(), folder).render("az-1", "hb"))
    assert scripts["/usr/local/lib/slurm-azure/join.py"] == b"print(1)\r\nprint('\a')"


def test_administrator_overrides(small: Callable[[str], Path], tmp_path: Path) -> None:
    """A file of the administrator's goes before ours of the same name; the others stay."""
    overrides = tmp_path / "etc"
    overrides.mkdir()
    (overrides / "join.py").write_text("print('mine')\n", encoding="ascii")
    text = UserData(a_config(), small(""), overrides=overrides).render("az-1", "hb")
    assert list(scripts_in(text).values()) == [b"print('mine')\n", b"print('watch')\n"]
    assert 'hostname: "az-1"' in text


def test_too_large(small: Callable[[str], Path], tmp_path: Path) -> None:
    """More than Azure takes is refused with both sizes and what can be made smaller; one byte less is not."""
    template = (small("") / "user-data.yaml.j2").read_text(encoding="utf-8")
    # The name is in the text three times; one of them must do here, for the step to be a single byte.
    once = template.replace("{{ node | yaml }}", "x").replace("pool {{ pool }}", "{{ '' }}")
    base = len(UserData(a_config(), rewritten(tmp_path / "cloud-init", once)).render("az-1", "hb"))
    rewritten(tmp_path / "cloud-init", once + "# " + "x" * (LIMIT - base - 2))
    user_data = UserData(a_config(), tmp_path / "cloud-init")
    assert len(user_data.render("az-1", "hb").encode()) == LIMIT
    with pytest.raises(RenderError, match=f"pool hb has {LIMIT + 1} bytes, Azure takes {LIMIT}.*user_data.*ca_file"):
        user_data.render("az-10", "hb")


def test_site_part(tmp_path: Path) -> None:
    """A pool's own cloud-config travels beside ours as MIME, unchanged, with a merge type that leaves ours in force."""
    site = "#cloud-config\nruncmd:\n- echo ☃ --==slurm-azure-part==--\n"
    (tmp_path / "site.yaml").write_text(site, encoding="utf-8")
    text = UserData(a_config(pools=the_pool(user_data=str(tmp_path / "site.yaml")))).render("az-1", "hb")
    _, ours, theirs = email.message_from_string(text).walk()
    assert ours.get_payload(decode=True) == UserData(a_config()).render("az-1", "hb").encode()
    assert theirs.get_payload(decode=True) == site.encode()
    assert {ours.get_content_type(), theirs.get_content_type()} == {"text/cloud-config"}
    assert "X-Merge-Type" in theirs
    assert "X-Merge-Type" not in ours


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#!/bin/sh\n", "first line must be #cloud-config"),
        ("#cloud-config\na: [\n", "while parsing"),
        ("#cloud-config\n- a\n", "no YAML mapping"),
        ("#cloud-config\nmerge_how: []\n", "merge_how"),
        ("#cloud-config\ncloud_final_modules: []\n", "cloud_final_modules"),
        ("#cloud-config\npower_state: {mode: reboot}\n", "power_state"),
        ("#cloud-config\nwrite_files: {path: /x}\n", "write_files must be a list"),
    ],
)
def test_site_part_that_would_break_ours(tmp_path: Path, text: str, message: str) -> None:
    """What is no cloud-config, or would undo the node's own steps, is refused with the pool and the file."""
    file = tmp_path / "site.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RenderError, match=f"pools.hb.user_data: {file}.*{message}"):
        UserData(a_config(pools=the_pool(user_data=str(file)))).render("az-1", "hb")


def test_site_part_missing() -> None:
    """A user_data file that is not there is named."""
    with pytest.raises(RenderError, match=r"pools\.hb\.user_data: /nowhere"):
        UserData(a_config(pools=the_pool(user_data="/nowhere"))).render("az-1", "hb")

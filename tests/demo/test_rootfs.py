"""Where the packages of the root file system come from."""

from __future__ import annotations

from pathlib import Path

from slurm_azure.demo.rootfs import os_release, packages, parse_targets


def stanza(**changes: str) -> str:
    fields = {
        "Repo-URI": "http://mirror.example/debian/",
        "Release": "bookworm",
        "Component": "main",
        "Origin": "Debian",
        "Created-By": "Packages",
    } | changes
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def test_components_of_a_suite_are_one_source() -> None:
    """apt lists a target for each component and kind of index; a source names each suite once."""
    text = "\n".join(
        [
            stanza(),
            stanza(Component="contrib"),
            stanza(**{"Created-By": "Translations"}),
            stanza(Release="bookworm-updates"),
        ]
    )
    assert parse_targets(text, "bookworm") == (
        "http://mirror.example/debian/ bookworm main contrib",
        "http://mirror.example/debian/ bookworm-updates main",
    )


def test_others_archives_are_left_alone() -> None:
    """Neither third parties' packages nor those of another release come into the site."""
    text = "\n".join([stanza(Origin="Docker"), stanza(Release="trixie"), stanza(Release="trixie-backports")])
    assert parse_targets(text, "bookworm") == ()


def test_os_release_is_read_without_quotes(tmp_path: Path) -> None:
    """Values may be quoted either way, or not at all."""
    file = tmp_path / "os-release"
    file.write_text("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME='bookworm'\n\n")
    release = os_release(file)
    assert (release["ID"], release["PRETTY_NAME"]) == ("debian", "Debian GNU/Linux 12 (bookworm)")
    assert release["VERSION_CODENAME"] == "bookworm"


def test_an_old_cloud_init_gets_the_client_it_needs() -> None:
    """cloud-init 22.4 can ask for an address with dhclient alone."""
    assert "isc-dhcp-client" in packages("bookworm")
    assert "isc-dhcp-client" not in packages("trixie")

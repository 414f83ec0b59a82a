"""The osProfile of a VM's PUT, for Linux and Windows: what Azure demands of it, each refusal with its code.

Rules and limits: texts of OSProfile in Microsoft.Compute's OpenAPI (computeRPCommon.json); messages: "Understand common error
messages when you manage virtual machines in Azure". How strong a password is, is not judged.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Mapping
from typing import Any

from slurm_azure.simulator.refusal import Refusal, invalid_parameter, missing_parameter

LINUX, WINDOWS = "Linux", "Windows"
_BASE64 = (string.ascii_letters + string.digits + "+/").encode()
MAX_DATA = 65535  # bytes of customData and of userData, decoded

_LINUX_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")
_WINDOWS_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,13}[A-Za-z0-9])?")
_FORBIDDEN_USERS = frozenset(
    """
    administrator admin user user1 test user2 test1 user3 admin1 1 123 a actuser adm admin2 aspnet backup console david guest
    john owner root server sql support support_388945a0 sys test2 test3 user4 user5
    """.split()  # noqa: SIM905 - one name after the other is how the source lists them
)
_FORBIDDEN_PASSWORDS = frozenset(
    (
        "abc@123",
        "P@$$w0rd",
        "P@ssw0rd",
        "P@ssword123",
        "Pa$$word",
        "pass@word1",
        "Password!",
        "Password1",
        "Password22",
        "iloveyou!",
    )
)
_KEY_KINDS = ("ssh-rsa ", "ssh-ed25519 ")
_WINDOWS_WORDS = ("windows", "sqlserver")
_FORBIDDEN_CHARACTERS = "` ~ ! @ # $ % ^ & * ( ) = + _ [ ] { } \\\\ | ; : ' \\\" , < > / ?"


def os_type(properties: Mapping[str, Any]) -> str:
    """Linux or Windows: what the body says, else what the image's names tell.

    Nobody can ask an image here what is in it. Without any word of Windows it is taken for Linux, as in Microsoft's examples
    with images of one's own.
    """
    storage = properties["storageProfile"]
    profile = properties.get("osProfile", {})
    told = storage["osDisk"].get("osType")
    if told:
        return str(told)
    if "linuxConfiguration" in profile or "windowsConfiguration" in profile:
        return LINUX if "linuxConfiguration" in profile else WINDOWS
    image = storage.get("imageReference", {})
    words = " ".join(str(image.get(key, "")) for key in ("publisher", "offer", "sku")).lower()
    return WINDOWS if any(word in words for word in _WINDOWS_WORDS) else LINUX


def check(properties: Mapping[str, Any]) -> None:
    """Raises Refusal (400) unless `properties.osProfile` of a body, whose storage was found good, is one that Azure takes."""
    storage = properties["storageProfile"]
    profile = properties.get("osProfile")
    if storage["osDisk"]["createOption"] == "Attach":
        if profile:
            raise Refusal(400, "InvalidParameter", "Parameter 'osProfile' is not allowed.", "osProfile")
        return
    if not profile:
        if not _may_be_specialised(storage):
            raise missing_parameter("osProfile")
        return
    kind = os_type(properties)
    _check_configurations(profile, kind)
    _check_name(profile, kind)
    check_data(profile.get("customData"), "customData", "Custom data")
    _check_administrator(profile, kind)


def _may_be_specialised(storage: Mapping[str, Any]) -> bool:
    """Only an image of one's own (or a blob) can be specialised, so that it boots without an osProfile."""
    image = storage.get("imageReference", {})
    named = any(image.get(key) for key in ("id", "sharedGalleryImageId", "communityGalleryImageId"))
    return named or "image" in storage["osDisk"]


def _check_configurations(profile: Mapping[str, Any], kind: str) -> None:
    wrong = "linuxConfiguration" if kind == WINDOWS else "windowsConfiguration"
    if wrong in profile:
        message = f"The property '{wrong}' is not valid because the OS of the virtual machine is {kind}."
        raise invalid_parameter(wrong, message)


def _check_name(profile: Mapping[str, Any], kind: str) -> None:
    name = profile.get("computerName")
    if not name:
        raise missing_parameter("computerName")
    if kind == WINDOWS and (not _WINDOWS_NAME.fullmatch(name) or name.isdigit()):
        raise invalid_parameter(
            "computerName",
            "Windows computer name cannot be more than 15 characters long, be entirely numeric, or contain the following "
            f"characters: {_FORBIDDEN_CHARACTERS.replace(' :', ' : .')}.",
        )
    if kind == LINUX and (not _LINUX_NAME.fullmatch(name) or name.isdigit()):
        raise invalid_parameter(
            "computerName",
            "Linux host name cannot exceed 64 characters in length or contain the following characters: "
            f"{_FORBIDDEN_CHARACTERS}.",
        )


def check_data(value: Any, parameter: str, what: str) -> None:
    """customData and userData are base64 of at most 65,535 bytes; raises Refusal (400)."""
    if value is None:
        return
    if _decoded_size(value) > MAX_DATA:
        limit = (MAX_DATA + 2) // 3 * 4
        message = f"{what} in OSProfile must be in Base64 encoding and with a maximum length of {limit} characters."
        raise invalid_parameter(parameter, message)


def _decoded_size(value: Any) -> float:
    """How many bytes base64 text stands for, infinity for what is no base64. Nothing is decoded: the data of a cluster's nodes
    are long, and there may be hundreds of requests a second."""
    if not isinstance(value, str) or not value.isascii():
        return math.inf
    padding = value.encode("ascii").translate(None, _BASE64)
    if len(value) % 4 or padding not in (b"", b"=", b"==") or not value.endswith(padding.decode()):
        return math.inf
    return len(value) // 4 * 3 - len(padding)


def _check_administrator(profile: Mapping[str, Any], kind: str) -> None:
    user = profile.get("adminUsername")
    if not user:
        raise missing_parameter("adminUsername")
    longest = 20 if kind == WINDOWS else 64
    if user.lower() in _FORBIDDEN_USERS or len(user) > longest or (kind == WINDOWS and user.endswith(".")):
        raise invalid_parameter("adminUsername", "The Admin Username specified is not allowed.")
    password = profile.get("adminPassword")
    if password is not None:
        _check_password(password, kind)
    if kind == WINDOWS:
        if not password:
            raise missing_parameter("adminPassword")
        return
    linux = profile.get("linuxConfiguration", {})
    keys = linux.get("ssh", {}).get("publicKeys", ())
    for key in keys:
        _check_key(key, user)
    by_password = bool(password) and not linux.get("disablePasswordAuthentication", False)
    if not keys and not by_password:
        message = "Authentication using either SSH or by user name and password must be enabled in Linux profile."
        raise invalid_parameter("linuxConfiguration", message)


def _check_password(password: str, kind: str) -> None:
    shortest, longest = (8, 123) if kind == WINDOWS else (6, 72)
    if not shortest <= len(password) <= longest:
        message = f"The supplied password must be between {shortest}-{longest} characters long."
        raise invalid_parameter("adminPassword", message)
    if password in _FORBIDDEN_PASSWORDS:
        raise invalid_parameter("adminPassword", "The supplied password is not allowed.")


def _check_key(key: Mapping[str, Any], user: str) -> None:
    if not key.get("keyData", "").startswith(_KEY_KINDS):
        parameter = "linuxConfiguration.ssh.publicKeys.keyData"
        raise invalid_parameter(parameter, f"The value of parameter {parameter} is invalid.")
    if key.get("path") not in (None, f"/home/{user}/.ssh/authorized_keys"):
        raise invalid_parameter(
            "linuxConfiguration.ssh.publicKeys.path",
            "Destination path for SSH public keys is currently limited to its default value "
            f"/home/{user}/.ssh/authorized_keys due to a known issue in Linux provisioning agent.",
        )

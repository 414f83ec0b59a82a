"""Console logs: found through Azure, fetched without our token, from its storage only, the end of them, in bounded time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from slurm_azure.azure.cloud import Call
from slurm_azure.azure.console import KEEP, _trusted, read_console
from slurm_azure.azure.limits import Limits
from slurm_azure.azure.sender import Sender
from slurm_azure.config import Requests
from slurm_azure.errors import CloudUnreachable, CredentialRefused, Throttled
from slurm_azure.model import VmName
from tests.azure.test_compute import Badge
from tests.support.configs import a_config
from tests.support.scripted_arm import Answer, Asked, Script, ScriptedArm, error, scripted_arm

NAME = VmName("az-1-l1")
LINK = "/bootdiagnostics/az-1-l1.log?sig=CANARY-SIGNATURE&se=2030"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedArm]:
    with scripted_arm(tmp_path_factory.mktemp("arm")) as arm:
        yield arm


@pytest.fixture
def arm(server: ScriptedArm) -> Iterator[ScriptedArm]:
    server.asked.clear()
    yield server
    assert not server._queue, "answers were left over"


def read(arm: ScriptedArm, *answers: Answer | Script, clock: Callable[[], float] = lambda: 0.0) -> str | None:
    """Read the console, the scripted answers being what comes back."""
    azure = a_config().azure.model_dump(exclude_unset=True)
    where = a_config(azure=azure | {"endpoint": arm.endpoint, "ca_file": arm.ca_file}).azure
    sender = Sender(where, Badge(), Limits(Requests()), sleep=lambda seconds: None)
    arm.answer(*answers)
    try:
        return read_console(sender, NAME, clock)
    finally:
        sender.close()


def link(arm: ScriptedArm, at: str | None = None) -> Answer:
    """Azure's answer with the two links."""
    uri = (at or arm.endpoint) + LINK
    return Answer(200, {"serialConsoleLogBlobUri": uri, "consoleScreenshotBlobUri": uri})


def test_the_log(arm: ScriptedArm) -> None:
    """One POST with our token, one GET without any; padding of the blob is not text, bytes that are no UTF-8 are shown."""
    assert (
        read(arm, link(arm), Answer(200, b"[    0.0] Linux\r\nmount failed\xff\n\0\0\0"))
        == "[    0.0] Linux\r\nmount failed�\n"
    )
    first, second = arm.asked
    assert (first.method, first.path.rsplit("/", 1)[1]) == ("POST", "retrieveBootDiagnosticsData")
    assert first.query["sasUriExpirationTimeInMinutes"] == ["5"]
    assert "Authorization" in first.headers
    assert second.method == "GET"
    assert "Authorization" not in second.headers
    assert "CANARY-TOKEN" not in str(second.headers)


def test_the_end_of_a_long_log(arm: ScriptedArm) -> None:
    """200 KiB: the last 64 are kept. Of several MiB only the end is asked for."""
    middling = b"x" * 200_000 + b"the end"
    found = read(arm, link(arm), Answer(200, middling))
    assert found is not None
    assert (len(found), found[-7:]) == (KEEP, "the end")
    long = b"x" * 3_000_000 + b"the end"

    def ranged(asked: Asked) -> Answer:
        start = int(asked.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        return Answer(206, long[start:])

    assert read(arm, link(arm), Answer(200, long), ranged) == found


@pytest.mark.parametrize(
    "answers",
    [
        [error(404, "ResourceNotFound")],
        [error(409, "OperationNotAllowed", "boot diagnostics is not enabled on the VM.")],
        [Answer(200, {})],
        [Answer(200, {"serialConsoleLogBlobUri": None})],
        [Answer(200, ["what"])],
    ],
)
def test_no_log(arm: ScriptedArm, answers: list[Answer]) -> None:
    """No VM, no boot diagnostics, no link: there is no log, and that is no error."""
    assert read(arm, *answers) is None


def test_no_blob_yet(arm: ScriptedArm) -> None:
    """The link is there before the log is."""
    assert read(arm, link(arm), Answer(404, b"<Error><Code>BlobNotFound</Code></Error>")) is None


def test_refused(arm: ScriptedArm) -> None:
    """A role from before this release lacks the action: said as what it is."""
    with pytest.raises(CredentialRefused, match="retrieveBoot"):
        read(
            arm, error(403, "AuthorizationFailed", "no authorization to perform action '../retrieveBootDiagnosticsData/action'")
        )


def test_throttled(arm: ScriptedArm) -> None:
    """A 429 pauses console logs and nothing else."""
    with pytest.raises(Throttled):
        read(arm, error(429, "TooManyRequests", Retry_After="60"))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(403, b"<Error><Code>AuthenticationFailed</Code></Error>"),
        Answer(302, b"", {"Location": "http://169.254.169.254/metadata/identity"}),
        Answer(500, b"oops"),
        Answer(cut=True),
        Answer(200, b"x" * 1000, short=True),
    ],
    ids=["forbidden", "elsewhere", "fault", "cut", "short"],
)
def test_storage_in_trouble(arm: ScriptedArm, answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the storage service says, it is out of reach then; nothing is followed, and the link, which lets anybody read,
    is in no error and no log."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(CloudUnreachable) as caught:
        read(arm, link(arm), answer)
    assert "CANARY" not in str(caught.value)
    assert "CANARY" not in caplog.text
    assert len(arm.asked) == 2


def test_dripping(arm: ScriptedArm) -> None:
    """A log that does not come to its end within half a minute is given up."""
    seconds = iter(range(0, 10_000, 31))
    with pytest.raises(CloudUnreachable, match="not read within 30 s"):
        read(arm, link(arm), Answer(200, b"x" * 200_000), clock=lambda: float(next(seconds)))


ARM = "https://management.azure.com"


@pytest.mark.parametrize(
    ("link", "endpoint"),
    [
        ("https://md1.z1.blob.storage.azure.net/c/l?sig=s", ARM),
        ("https://account.blob.core.windows.net/c/l?sig=s", ARM),
        ("https://a.blob.core.chinacloudapi.cn/c/l", "https://management.chinacloudapi.cn"),
        ("https://a.blob.east.azurestack.example/c/l", "https://management.east.azurestack.example"),
        ("https://127.0.0.1:8443/bootdiagnostics-storage/l?sig=s", "https://127.0.0.1:9443"),
    ],
)
def test_trusted_places(link: str, endpoint: str) -> None:
    """Azure's storage, an Azure of one's own, and where the endpoint itself is."""
    assert _trusted(NAME, link, endpoint) == urlsplit(link)


@pytest.mark.parametrize(
    "link",
    [
        "http://a.blob.core.windows.net/c/l",
        "https://169.254.169.254/metadata",
        "https://blob.core.windows.net.example.org/l",
        "https://evilcore.windows.net/l",
        "https://user@a.blob.core.windows.net/l",
        "https://localhost/l",
        "https:///l",
        "file:///etc/shadow",
        "",
    ],
)
def test_places_that_are_not_trusted(link: str) -> None:
    """No other scheme, host, or look-alike; the address is not repeated with its signature."""
    with pytest.raises(CloudUnreachable) as caught:
        _trusted(NAME, link + "?sig=CANARY", ARM)
    assert "CANARY" not in str(caught.value)


def test_it_counts_as_a_write() -> None:
    """The POST draws on the writes at the front door, which the creates share."""
    budget = Limits(Requests(), lambda: 0.0)
    before = budget.tokens(Call.CREATE)
    assert budget.reserve(Call.CONSOLE) == 0
    assert budget.tokens(Call.CREATE) == before - 1

"""Every exception of slurm-azure, in one tree.

    SlurmAzureError
    ├── UsageError                 the command line asks for something that cannot be           exit 2
    ├── ConfigError                slurm-azure.yaml has mistakes (all of them, one a line)      exit 78
    │   └── ConfigForbidden        ... names a file that this user may not read                 exit 77
    ├── HostlistError              a text is not a hostlist as Slurm writes them                exit 2
    ├── JournalError               the journal cannot be opened, is too new or is damaged       exit 74
    ├── RenderError                a template in cloud-init/ cannot be rendered                 exit 78
    ├── PreflightError             this machine lacks something that is needed                  exit 69
    ├── CloudError                 what comes back from Azure
    │   ├── CreateRefused          Azure said no to a VM, with its code and message
    │   ├── Throttled              a request budget is used up; says when to come back
    │   ├── CloudUnreachable       no answer, or none that tells whether it took effect         exit 69
    │   └── CredentialRefused      Azure does not know us or does not let us                    exit 77
    └── SchedulerError             what comes back from Slurm
        ├── SchedulerUnreachable   slurmctld does not answer                                    exit 69
        └── SchedulerRefused       slurmctld answered, and said no                              exit 1

A message names the thing, the cause and the remedy, and never holds a secret. `cli/errors.py` is the only place that
turns one of these into a line on stderr and an exit code.
"""

from __future__ import annotations

from collections.abc import Sequence


class SlurmAzureError(Exception):
    """Anything slurm-azure raises on purpose; `exit_code` is what the command line ends with."""

    exit_code = 1


class UsageError(SlurmAzureError):
    """The command line asks for something that cannot be, such as a node that is in no pool."""

    exit_code = 2


class ConfigError(SlurmAzureError):
    """The configuration has mistakes; `mistakes` holds all of them, each with the path of its key."""

    exit_code = 78

    def __init__(self, file: str, mistakes: Sequence[str]) -> None:
        self.file = file
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(f"{file}: {mistake}" for mistake in self.mistakes))


class ConfigForbidden(ConfigError):
    """A file that the configuration names is there, and this user may not read it."""

    exit_code = 77


class HostlistError(SlurmAzureError):
    """A text is not a hostlist as Slurm writes them."""

    exit_code = 2


class JournalError(SlurmAzureError):
    """The journal cannot be opened, was written by a newer release, or is damaged."""

    exit_code = 74


class RenderError(SlurmAzureError):
    """A user data template cannot be rendered, or renders to something a VM could not take."""

    exit_code = 78


class PreflightError(SlurmAzureError):
    """This machine lacks something that is needed; the message says what and how to get it."""

    exit_code = 69


class CloudError(SlurmAzureError):
    """What comes back from Azure."""


class CreateRefused(CloudError):
    """Azure said no to a VM: nothing was made, and the same request will not succeed by itself.

    `code` and `message` are Azure's own words (`error.code`, `error.message`), `status` the HTTP status (int).
    """

    def __init__(self, code: str, message: str, status: int) -> None:
        self.code = code
        self.message = message
        self.status = status
        super().__init__(f"{code}: {message}")


class Throttled(CloudError):
    """A request budget is used up. `retry_after` is in seconds from now."""

    def __init__(self, retry_after: float, what: str) -> None:
        self.retry_after = retry_after
        super().__init__(f"Azure throttles {what}: come back in {retry_after:.0f} s")


class CloudUnreachable(CloudError):
    """No answer from Azure, or none that tells whether the request took effect."""

    exit_code = 69


class CredentialRefused(CloudError):
    """Azure does not know the credential, or it lacks a permission (401, 403, or no token to be had)."""

    exit_code = 77


class SchedulerError(SlurmAzureError):
    """What comes back from Slurm."""


class SchedulerUnreachable(SchedulerError):
    """slurmctld does not answer (or the Slurm commands are not there)."""

    exit_code = 69


class SchedulerRefused(SchedulerError):
    """slurmctld answered and said no."""

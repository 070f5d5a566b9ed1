"""Every deliberate error of ollamon, without I/O. Each knows its surface.

OllamonError                 exit 1
  ConfigError                exit 78  every problem of the configuration, at once
  HandoverError              exit 78  a child did not receive a usable section
  ListenError                exit 98  a child cannot listen on its address
  NotRunningError            exit 3
  AlreadyRunningError        exit 4   a stack of this name runs with another configuration
  DegradedError              exit 5   it runs, but not as it should
  PortInUseError             exit 6
  ProgramMissingError        exit 7
  PrivilegeError             exit 8
  LeftoverError              exit 9   processes of a dead run could not be removed
  StartError                 exit 1   a child failed or was not ready in time
  RuntimeFolderError         exit 1   the folder for lock and socket is unsafe or unusable
  ControlError               exit 1   the running supervisor refused or did not answer
    OtherVersionError        exit 4   it is of another version of ollamon
  UpstreamError              HTTP 502
    UpstreamTimeoutError     HTTP 504
  SourceError                         a dashboard source could not answer
  HistoryError                        the dashboard's file cannot be used
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


class OllamonError(Exception):
    """Something that a person has to know; its text says what, where and what to do."""

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "error"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration.

    Attributes:
        message: Begins with the key path or the value.
        where: `file:line:column`, the environment variable, or the option; "" when unknown.
        excerpt: Lines of the file with a marker beneath, or "".
    """

    message: str
    where: str = ""
    excerpt: str = ""

    def __str__(self) -> str:
        head = f"{self.where}: {self.message}" if self.where else self.message
        return f"{head}\n{self.excerpt}" if self.excerpt else head


class ConfigError(OllamonError):
    """The configuration cannot be used; `problems` holds every reason."""

    exit_code = 78
    kind = "config"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class HandoverError(OllamonError):
    """A child was started without a section that it can use."""

    exit_code = 78
    kind = "handover"


class ListenError(OllamonError):
    """A child cannot listen on its address; no second try mends that."""

    exit_code = 98
    kind = "cannot_listen"


class NotRunningError(OllamonError):
    """No supervisor of this name runs."""

    exit_code = 3
    kind = "not_running"


class AlreadyRunningError(OllamonError):
    """A supervisor of this name runs already, with another configuration."""

    exit_code = 4
    kind = "already_running"


class DegradedError(OllamonError):
    """The stack runs, but not every child is ready."""

    exit_code = 5
    kind = "degraded"


class PortInUseError(OllamonError):
    """An address that a child wants belongs to another process."""

    exit_code = 6
    kind = "port_in_use"


class ProgramMissingError(OllamonError):
    """A program that the configuration requires is not installed."""

    exit_code = 7
    kind = "program_missing"


class PrivilegeError(OllamonError):
    """Root is needed and cannot be had here."""

    exit_code = 8
    kind = "privilege"


class LeftoverError(OllamonError):
    """Processes of an earlier run could not be removed."""

    exit_code = 9
    kind = "leftovers"


class StartError(OllamonError):
    """A child failed, or was not ready in time."""

    kind = "not_ready"


class RuntimeFolderError(OllamonError):
    """The folder for lock and socket is unsafe or cannot be used."""

    kind = "runtime_folder"


class ControlError(OllamonError):
    """The running supervisor refused a command or did not answer."""

    kind = "control"


class OtherVersionError(ControlError):
    """The running supervisor is of a version of ollamon that this one does not understand."""

    kind = "other_version"
    exit_code = AlreadyRunningError.exit_code


class UpstreamError(OllamonError):
    """Upstream gave no answer that could be relayed."""

    kind = "upstream"
    http_status: ClassVar[int] = 502


class UpstreamTimeoutError(UpstreamError):
    """Upstream did not accept a connection in time."""

    http_status = 504


class SourceError(OllamonError):
    """A dashboard source could not answer; the text says why."""

    kind = "source"


class HistoryError(OllamonError):
    """The file of the dashboard's history cannot be used; the text says why."""

    kind = "history"


def to_document(error: OllamonError) -> dict[str, object]:
    """Return the error as JSON types, for another process of ours."""
    problems = error.problems if isinstance(error, ConfigError) else ()
    listed = {"problems": [asdict(problem) for problem in problems]} if problems else {}
    return {"kind": error.kind, "message": str(error), **listed}


def from_document(document: Mapping[str, Any]) -> OllamonError:
    """Return the error that another process of ours named.

    Raises:
        KeyError, TypeError: The document has another shape.
    """
    if document["kind"] == ConfigError.kind and document.get("problems"):
        return ConfigError(tuple(Problem(**problem) for problem in document["problems"]))
    return of_kind(str(document["kind"]), str(document["message"]))


def of_kind(kind: str, message: str) -> OllamonError:
    """Return the error that another process of ours named; one that nobody knows is of control."""
    if kind == ConfigError.kind:
        return ConfigError((Problem(message),))
    kinds = {error.kind: error for error in all_kinds()}
    return kinds.get(kind, ControlError)(message)


def all_kinds(root: type[OllamonError] = OllamonError) -> Iterator[type[OllamonError]]:
    """Every kind of error below one, the more special ones later."""
    for error in root.__subclasses__():
        yield error
        yield from all_kinds(error)

"""The errors raised on purpose: those that end a run, and those that end only one clip."""

from typing import ClassVar


class CamvidError(Exception):
    """Base of every error raised on purpose; its message is one line a person can act on."""

    exit_code: ClassVar[int] = 1


class ConfigError(CamvidError):
    """A bad value, unknown key or missing path, found before any work starts."""

    exit_code = 2


class BackendUnavailable(CamvidError):
    """A package, weight file or device that the configuration asks for is missing.

    `fix` is the one command that brings it, where there is one; the message ends with it.
    """

    exit_code = 3

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(f"{message}; run: {fix}" if fix else message)
        self.fix = fix


class StoreError(CamvidError):
    """The run's folder cannot be read or written, or an artifact violates its schema."""

    exit_code = 4


class DamagedArtifact(StoreError):
    """An artifact is missing, cut off, altered or of another schema: it has to be made anew.

    It concerns one clip. Where a stage meets it, the clip fails, the file (`name` in the run's
    folder) is taken away, and the stage that had written it runs again.
    """

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class RunAborted(CamvidError):
    """The circuit breaker opened: nearly every clip fails, and for the same cause."""

    exit_code = 1


class ClipError(CamvidError):
    """This clip or video cannot be processed; it is listed as failed and the run goes on."""


class VideoError(ClipError):
    """The source cannot be decoded: empty, truncated, or not a video."""


class BackendError(ClipError):
    """A model or solver failed on this clip."""

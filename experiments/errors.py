"""Mistakes of the user, as opposed to mistakes of the program."""

import io
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Something the user gave cannot be used. Shown as one message, without a traceback."""


class TrialFailed(Exception):
    """A trial that has ended without a score."""


def first_line(error: BaseException) -> str:
    """What an exception says, on one line: database errors go on with their SQL."""
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM interrupts like Ctrl-C, so that what runs can say how it ended."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def tolerate_characters() -> None:
    """Print what standard output has no characters for, as in the C locale, in ASCII instead of failing."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextmanager
def reported() -> Iterator[None]:
    """Print what was wrong and leave: with exit status 2 for a `UserError`, 1 for `TrialFailed`, 130 if interrupted."""
    tolerate_characters()
    try:
        with terminable():
            yield
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except TrialFailed as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)

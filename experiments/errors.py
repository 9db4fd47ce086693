"""Mistakes of the user, as opposed to mistakes of the program."""

import difflib
import io
import os
import select
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

BROKEN_PIPE = 128 + 13


class UserError(Exception):
    """Something the user gave cannot be used. Shown as one message, without a traceback."""


class TrialFailed(Exception):
    """A trial that has ended without a score."""


def first_line(error: BaseException) -> str:
    """What an exception says, on one line: database errors go on with their SQL."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def most_like(word: str, allowed: Iterable[str]) -> str:
    """The one of the allowed words that is most like a misspelt one; "" if none is like it."""
    return "".join(difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.7))


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """A sentence with the allowed word that is most like a misspelt one; "" if none is like it."""
    close = most_like(word, allowed)
    return f" Did you mean {close}?" if close else ""


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
    """Print what was wrong and leave: with exit status 2 for a `UserError`, 1 for `TrialFailed`, 130 if interrupted.

    Whoever reads the output may stop reading, as `head` does: then with 141, as by SIGPIPE, and without a word.
    """
    tolerate_characters()
    try:
        with terminable():
            try:
                yield
            except SystemExit:
                sys.stdout.flush()
                raise
            sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except TrialFailed as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        if not _is_output_closed():  # another pipe: of a process or a server
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes when it ends
        sys.exit(BROKEN_PIPE)


def _is_output_closed() -> bool:
    """Whether nobody reads standard output any more."""
    poll = select.poll()
    poll.register(sys.stdout, select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))

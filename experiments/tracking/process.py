"""The process that is at work on a run: what the run says of it, and whether it is still there."""

import fcntl
import math
import os
import socket
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from experiments.tracking.metadata import Tag, recorded_number

SILENT_S = 3600.0  # after so long without a sign of life a run of another machine counts as dead
LONGEST_PATH = 4096
INITIAL_PROCESSES = "pid:[4026531836]"  # the processes of a machine that are in no container; a constant of Linux


def process_tags(lock: Path) -> dict[str, Any]:
    """Who is at work on a run, from which `is_alive` can tell whether it is still there."""
    return {
        Tag.HOST: socket.gethostname(),
        Tag.NAMESPACE: namespace(),
        Tag.PID: os.getpid(),
        Tag.LOCK: lock,
        Tag.HEARTBEAT: int(time.time()),
    }


@cache
def namespace() -> str:
    """What tells apart machines and containers of one host name: the boot and the processes that this one can see.

    "" where the system does not say.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


@cache
def _booted() -> float:
    """When this machine was started, in seconds since 1970."""
    return time.time() - float(Path("/proc/uptime").read_text().split()[0])


def is_here(tags: Mapping[str, str]) -> bool:
    """Whether the process of a run is, or was, on this machine and in this container.

    A machine that was started anew is still the same, if its process has said nothing since; a container is not.
    """
    theirs, own = tags.get(Tag.NAMESPACE, ""), namespace()
    if tags.get(Tag.HOST) != socket.gethostname():
        return False
    if not theirs or not own or theirs == own:
        return True
    in_containers = not (theirs.endswith(INITIAL_PROCESSES) and own.endswith(INITIAL_PROCESSES))
    return not in_containers and recorded_number(tags.get(Tag.HEARTBEAT)) < _booted()


def is_namesake(tags: Mapping[str, str]) -> bool:
    """Whether the process of a run was on another machine, or in another container, that has our host name."""
    return tags.get(Tag.HOST) == socket.gethostname() and not is_here(tags)


def is_alive(tags: Mapping[str, str]) -> bool:
    """Whether a process is at work on a running trial.

    On this machine its lock is held. Of another machine, or of a lock that only another user can open, all that is
    known is when it last said something: by its clock, which may be wrong, and by how long we have seen nothing new.
    """
    held = is_held(Path(tags.get(Tag.LOCK, ""))) if is_here(tags) else None
    if held is not None:
        return held
    return silence(tags) < SILENT_S and _watched(tags) < SILENT_S


def silence(tags: Mapping[str, str]) -> float:
    """Seconds since the last sign of life, below zero if clocks differ; NaN if there is none that can be read."""
    heartbeat = recorded_number(tags.get(Tag.HEARTBEAT))
    return time.time() - heartbeat if math.isfinite(heartbeat) else math.nan


_first_seen: dict[tuple[str | None, ...], float] = {}


def _watched(tags: Mapping[str, str]) -> float:
    """For how many seconds this process has known of a sign of life, whatever the clocks say."""
    sign = tuple(tags.get(tag) for tag in (Tag.HOST, Tag.NAMESPACE, Tag.PID, Tag.LOCK, Tag.HEARTBEAT))
    now = time.monotonic()
    return now - _first_seen.setdefault(sign, now)


def is_held(lock: Path) -> bool | None:
    """Whether a process holds a lock file; None if only another user can open it.

    It is opened for reading and a shared lock is tried: the path may be a stranger's word.
    """
    try:
        if not lock.is_file():
            return False
        descriptor = os.open(lock, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        return None
    except (OSError, ValueError):  # too long, with a zero byte, or gone meanwhile
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False


def unreadable_tags(tags: Mapping[str, str]) -> list[str]:
    """What a run says of itself and of its process that cannot be read, and counts as absent."""
    problems = [] if tags.get(Tag.TRIAL_KEY) else [f"it has no tag {Tag.TRIAL_KEY}"]
    for tag in (Tag.HEARTBEAT, Tag.ATTEMPTS):
        if tag in tags and not math.isfinite(recorded_number(tags[tag])):
            problems.append(f"its tag {tag} is '{tags[tag][:40]}', no number")
    if len(tags.get(Tag.LOCK, "")) > LONGEST_PATH or "\0" in tags.get(Tag.LOCK, ""):
        problems.append(f"its tag {Tag.LOCK} is no path")
    return problems

"""Which process trains a trial, where all that processes share is the store: of other output folders and machines."""

import time
from contextlib import suppress
from pathlib import Path

from experiments.tracking import STORE_ERRORS, Run, Store, StoredRun
from experiments.tracking.metadata import Tag
from experiments.tracking.process import is_namesake, process_tags

SETTLE_S = 2.0  # in which another process that begins at the same time writes that it does, and sees us
PROCESS = (Tag.HOST, Tag.NAMESPACE, Tag.PID, Tag.LOCK)


def is_rival(run: StoredRun, lock: Path) -> bool:
    """Whether another process trains it that does not share our locks: in another output folder or on another machine.

    Whoever shares them is gone, since we hold the lock. A container of our name has a lock of its own at the same path.
    """
    shared = run.tags.get(Tag.LOCK) == str(lock) and not is_namesake(run.tags)
    return run.status == "RUNNING" and not shared and run.alive


def claim(store: Store, experiment: str, key: str, run: Run, lock: Path, *, resumed: bool) -> bool:
    """Whether a trial is to be trained in a run that this process has just begun; else the run is given up.

    Each process first writes that it is at work, then looks who else is. Of several the one that began first goes on,
    once the others have given up; if one has not, since it looked before, the first gives up too. So never do two go
    on; all may give up, and try again.

    Args:
        store: The store.
        experiment: The id of the experiment.
        key: The key of the trial.
        run: The run.
        lock: The file that this process holds locked.
        resumed: Whether somebody else began it; two may resume it at once, and then it says who was the last to do so.
    """
    if resumed:
        time.sleep(SETTLE_S)
    for patience in (SETTLE_S, 0.0):
        runs = {stored.run_id: stored for stored in store.runs_of(experiment, key)}
        own = runs.pop(run.id, None)
        if own is None or not _is_ours(own, lock):
            return False
        rivals = [other for other in runs.values() if other.status == "FINISHED" or is_rival(other, lock)]
        if not rivals:
            return True
        if not patience or any(rival.status == "FINISHED" or _order(rival) < _order(own) for rival in rivals):
            break
        time.sleep(patience)
    with store.usable():
        run.end("KILLED")
    if not resumed:
        with suppress(*STORE_ERRORS):  # a server may let its users do all but this
            store.client.delete_run(run.id)
    return False


def _is_ours(run: StoredRun, lock: Path) -> bool:
    tags = process_tags(lock)
    return all(run.tags.get(tag) == str(tags[tag]) for tag in PROCESS)


def _order(run: StoredRun) -> tuple[int, str]:
    return run.start_time, run.run_id

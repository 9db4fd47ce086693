"""Where a study stands: its planned trials against the runs in the store."""

import math
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Column, Table

from experiments.errors import UserError
from experiments.sweep import plan
from experiments.sweep.plan import PlanEntry
from experiments.sweep.progress import duration
from experiments.tracking import Store, StoredRun
from experiments.tracking.lookup import newest, task_of, unknown_study
from experiments.tracking.metadata import Tag, is_searched
from experiments.tracking.process import silence

STATES = ("done", "paused", "running", "stale", "failed", "killed", "diverged", "missing")
ENDED = ("done", "diverged", "paused")  # a search leaves most of its trials paused
ENDS = {"FAILED": "failed", "KILLED": "killed", "SCHEDULED": "paused"}
CLOCKS_DIFFER_S = 60.0  # and nobody minds
MOST_NAMES = 10  # of trials that have nothing to tell but their name


@dataclass(frozen=True)
class Standing:
    """Where one trial stands.

    Attributes:
        name: How runs and messages call it: task[settings]/variant[settings]/s<seed>.
        state: One of `STATES`.
        planned: Whether the plan has it.
        run: Its run that counts; None if there is none.
        overrides: The words of the command line that make it, if the plan has it.
    """

    name: str
    state: str
    planned: bool
    run: StoredRun | None
    overrides: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        return task_of(self.name)


def state_of(run: StoredRun) -> str:
    """The state of a trial whose run that counts is this one."""
    if run.status == "FINISHED":
        return "diverged" if run.tags.get(Tag.DIVERGED) == "true" else "done"
    return ENDS.get(run.status) or ("running" if run.alive else "stale")


def standings(runs: Iterable[StoredRun], planned: Mapping[str, PlanEntry]) -> list[Standing]:
    """Each trial once, those of the plan first. `runs` come newest first."""
    by_key = {run.tags.get(Tag.TRIAL_KEY, run.run_id): run for run in newest(runs)}
    rows = []
    for key, entry in planned.items():
        run = by_key.pop(key, None)
        rows.append(Standing(entry.name, state_of(run) if run else "missing", True, run, entry.overrides))
    return [*rows, *(Standing(run.name, state_of(run), False, run) for run in by_key.values())]


def counts_table(rows: Sequence[Standing], has_plan: bool) -> Table:
    """Trials by task and state; without a plan nobody knows what is missing."""
    table = Table("task", *(Column(name, justify="right") for name in ("planned", *STATES)))
    tasks = list(dict.fromkeys(row.task for row in rows))
    groups = {task: [row for row in rows if row.task == task] for task in tasks}
    for task, group in groups.items():
        table.add_row(task, *_counts(group, has_plan), end_section=task == tasks[-1])
    if len(tasks) > 1:
        table.add_row("all", *_counts(rows, has_plan))
    return table


def _counts(group: Sequence[Standing], has_plan: bool) -> list[str]:
    counts = Counter(row.state for row in group)
    planned, missing = sum(row.planned for row in group), counts.pop("missing", 0)
    cells = [str(counts[state] or "-") for state in STATES if state != "missing"]
    return [str(planned), *cells, str(missing or "-")] if has_plan else ["unknown", *cells, "unknown"]


def sign_of_life(run: StoredRun) -> str:
    """Where the process of a run is or was, and when it last said something."""
    seconds = silence(run.tags)
    age = f"{duration(max(0.0, seconds))} ago" if math.isfinite(seconds) else "unknown"
    if seconds < -CLOCKS_DIFFER_S:
        age = f"{duration(-seconds)} in the future: its clock or that of this machine is wrong"
    return f"{run.tags.get(Tag.HOST, '?')}, process {run.tags.get(Tag.PID, '?')}, last sign of life {age}"


def details(rows: Sequence[Standing]) -> list[str]:
    """A line for each trial that runs, is stale or has failed, and the names of those that are missing or killed."""
    about = {
        "running": ("running:", sign_of_life),
        "stale": ("stale, said to be running while no process is at work on it:", sign_of_life),
        "failed": ("failed:", lambda run: run.tags.get(Tag.ERROR) or "no reason is recorded"),
    }
    lines = []
    for state, (heading, say) in about.items():
        of_state = [row for row in rows if row.state == state and row.run]
        width = max((len(row.name) for row in of_state), default=0)
        lines += [heading] if of_state else []
        lines += [f"  {row.name:<{width}}  {say(row.run)}" for row in of_state]
    for state in ("killed", "missing"):
        names = [row.name for row in rows if row.state == state]
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        lines += [f"{state}: {', '.join(names[:MOST_NAMES])}{more}"] if names else []
    return lines


def advice(rows: Sequence[Standing], has_plan: bool, words: str) -> list[str]:
    """What to type next; `words` lead to the study and its store."""
    counts = Counter(row.state for row in rows)
    left = [row for row in rows if row.state not in (*ENDED, "running")]
    lines = []
    if left:
        lines.append(f"Next: the same sweep command again; it does the {_trials(len(left))} without a score.")
        example = next((row for row in left if row.overrides), None)
        if example:
            words_alone = [*(["hydra.mode=RUN"] if is_searched(example.overrides) else []), *example.overrides]
            lines += ["One of them alone:", f"  python -m experiments.train {shlex.join(words_alone)}"]
    if counts["stale"]:
        lines += ["To give stale runs their true end:", f"  python -m experiments.sweep clean {words}"]
    if counts["running"] and not left:
        lines.append(f"Next: wait for {_trials(counts['running'])}.")
    if counts["paused"]:
        lines.append(
            f"{_trials(counts['paused'])} paused: not among the best of a search, or of one that is not complete yet; "
            "the same command goes on with it."
        )
    if not left and not counts["running"]:
        say = "All trials are done" if has_plan else "All trials that the store has are done"
        lines += [f"{say}. Their scores:", f"  python -m experiments.report {words}"]
    return lines


def _trials(count: int) -> str:
    return f"{count} trial" if count == 1 else f"{count} trials"


def show(store: Store, study: str, words: str) -> int:
    """Print where a study stands. Returns 0 if all planned trials have a score, 1 otherwise.

    Raises:
        UserError: if neither the store nor a plan knows the study.
    """
    reason, planned = "", {}
    try:
        planned = plan.read(plan.file_of(store.folder, study))
    except UserError as error:
        reason = str(error)
    rows = standings(store.trials(study, brief=True), planned)
    if not rows:
        raise unknown_study(store, study)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(f"Study {study}", soft_wrap=True, markup=False)
    console.print(counts_table(rows, not reason))
    notes = [f"What is missing is unknown: {reason}."] if reason else []
    for line in [*details(rows), *notes, *advice(rows, not reason, words)]:
        console.print(line, soft_wrap=True, markup=False)
    return 0 if not reason and all(row.state in ENDED for row in rows) else 1

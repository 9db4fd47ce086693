"""Where a study stands: its planned trials against the runs in the store."""

import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Column, Table

from experiments import plan
from experiments.errors import UserError
from experiments.plan import Planned
from experiments.progress import duration
from experiments.report.runs import newest, unknown
from experiments.tracking import Store, Trial

STATES = ("done", "running", "stale", "failed", "killed", "diverged", "missing")
SCORED = ("done", "diverged")
ENDS = {"FAILED": "failed", "KILLED": "killed"}
MOST_NAMES = 10  # of trials that have nothing to tell but their name


@dataclass(frozen=True)
class Standing:
    """Where one trial stands.

    Attributes:
        name: How runs and messages call it: task/variant/s<seed>.
        state: One of `STATES`.
        planned: Whether the plan has it.
        trial: Its run that counts; None if there is none.
        overrides: The words of the command line that make it, if the plan has it.
    """

    name: str
    state: str
    planned: bool
    trial: Trial | None
    overrides: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        return self.name.split("/")[0]


def state_of(trial: Trial) -> str:
    """The state of a trial whose run that counts is this one."""
    if trial.status == "FINISHED":
        return "diverged" if trial.tags.get("diverged") == "true" else "done"
    return ENDS.get(trial.status) or ("running" if trial.alive else "stale")


def standings(trials: Iterable[Trial], planned: Mapping[str, Planned]) -> list[Standing]:
    """Each trial once, those of the plan first. `trials` come newest first."""
    runs = {trial.tags.get("trial_key", trial.run_id): trial for trial in newest(trials)}
    found = []
    for key, each in planned.items():
        run = runs.pop(key, None)
        found.append(Standing(each.name, state_of(run) if run else "missing", True, run, each.overrides))
    return [*found, *(Standing(trial.name, state_of(trial), False, trial) for trial in runs.values())]


def table(found: Sequence[Standing], has_plan: bool) -> Table:
    """Trials by task and state; without a plan nobody knows what is missing."""
    made = Table("task", *(Column(name, justify="right") for name in ("planned", *STATES)))
    tasks = list(dict.fromkeys(each.task for each in found))
    groups = {task: [each for each in found if each.task == task] for task in tasks}
    for task, group in groups.items():
        made.add_row(task, *_counts(group, has_plan), end_section=task == tasks[-1])
    if len(tasks) > 1:
        made.add_row("all", *_counts(found, has_plan))
    return made


def _counts(group: Sequence[Standing], has_plan: bool) -> list[str]:
    counts = Counter(each.state for each in group)
    planned, missing = sum(each.planned for each in group), counts.pop("missing", 0)
    cells = [str(counts[state] or "-") for state in STATES if state != "missing"]
    return [str(planned), *cells, str(missing or "-")] if has_plan else ["unknown", *cells, "unknown"]


def sign_of_life(trial: Trial) -> str:
    """Where the process of a run is or was, and when it last said something."""
    heartbeat = trial.tags.get("heartbeat")
    age = f"{duration(max(0.0, time.time() - float(heartbeat)))} ago" if heartbeat else "unknown"
    return f"{trial.tags.get('host', '?')}, process {trial.tags.get('pid', '?')}, last sign of life {age}"


def details(found: Sequence[Standing]) -> list[str]:
    """A line for each trial that runs, is stale or has failed, and the names of those that are missing or killed."""
    about = {
        "running": ("running:", sign_of_life),
        "stale": ("stale, said to be running while no process is at work on it:", sign_of_life),
        "failed": ("failed:", lambda trial: trial.tags.get("error") or "no reason is recorded"),
    }
    lines = []
    for state, (heading, say) in about.items():
        of_state = [each for each in found if each.state == state and each.trial]
        width = max((len(each.name) for each in of_state), default=0)
        lines += [heading] if of_state else []
        lines += [f"  {each.name:<{width}}  {say(each.trial)}" for each in of_state]
    for state in ("killed", "missing"):
        names = [each.name for each in found if each.state == state]
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        lines += [f"{state}: {', '.join(names[:MOST_NAMES])}{more}"] if names else []
    return lines


def advice(found: Sequence[Standing], has_plan: bool, words: str) -> list[str]:
    """What to type next; `words` lead to the study and its store."""
    counts = Counter(each.state for each in found)
    left = [each for each in found if each.state not in (*SCORED, "running")]
    lines = []
    if left:
        lines.append(f"Next: the same sweep command again; it does the {_trials(len(left))} without a score.")
        example = next((each for each in left if each.overrides), None)
        if example:
            lines += ["One of them alone:", f"  python -m experiments.train {shlex.join(example.overrides)}"]
    if counts["stale"]:
        lines += ["To give stale runs their true end:", f"  python -m experiments.sweep clean {words}"]
    if counts["running"] and not left:
        lines.append(f"Next: wait for {_trials(counts['running'])}.")
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
    found = standings(store.trials(study), planned)
    if not found:
        raise unknown(store, study)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(f"{study} in {store.uri}", soft_wrap=True, markup=False)
    console.print(table(found, not reason))
    notes = [f"What is missing is unknown: {reason}."] if reason else []
    for line in [*details(found), *notes, *advice(found, not reason, words)]:
        console.print(line, soft_wrap=True, markup=False)
    return 0 if not reason and all(each.state in SCORED for each in found) else 1

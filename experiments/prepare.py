"""Everything about a sweep that can be checked or looked up before its first trial."""

from collections.abc import Sequence

from experiments import plan, tasks
from experiments.errors import UserError
from experiments.identity import trial_key
from experiments.job import Job
from experiments.record import Outcome
from experiments.tracking import Store


class Prepared:
    """The data, the store and the keys of a sweep, all checked, and what the store has of it already."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        problems = []
        if len({job.config.training.threads for job in jobs}) > 1:
            problems.append("training.threads must be the same for all trials of a sweep")
        self.keys = []
        refused = set()
        for job in jobs:
            if str(job.config.task) in refused:
                continue
            try:
                task = tasks.build(job.config.task, job.config.data_dir)
            except UserError as error:
                refused.add(str(job.config.task))  # not tried again for each seed: a download may wait for its server
                problems.append(f"task={job.config.task.name}: {error}")
                continue
            size, count = job.config.training.batch_size, len(task.train)
            if size > count:
                problems.append(f"training.batch_size={size}: {job.config.task.name} has {count} training sequences")
            if job.config.model.bidirectional and task.per_step:
                problems.append(
                    f"model.bidirectional=true: {job.config.task.name} asks for something at every step that later "
                    "steps show; a layer that reads backwards would be told the answer"
                )
            self.keys.append(trial_key(job.config, task.digest))
        if problems:
            raise UserError("\n".join(dict.fromkeys(problems)))
        first = jobs[0].config
        self.store = Store(first.tracking.uri, first.output_dir)
        names = {f"{job.config.study}/{job.config.task.name}" for job in jobs}
        self.experiments = {name: self.store.experiment(name) for name in sorted(names)}
        self.mark_stale()
        self.stored = self._stored()
        self._write_plan()

    def _stored(self) -> dict[int, Outcome]:
        """Trials that have a score already. One is asked for by its key, of many the whole experiment is read."""
        only = self.keys[0] if len(self.keys) == 1 else None
        finished = {name: self.store.finished(each, only) for name, each in self.experiments.items()}
        stored = {}
        for index, (job, key) in enumerate(zip(self.jobs, self.keys, strict=True)):
            found = finished[f"{job.config.study}/{job.config.task.name}"].get(key)
            if found is not None and not job.config.rerun:
                stored[index] = Outcome("stored", found.score, 0.0, found.run_id, validation=found.validation)
        return stored

    def _write_plan(self) -> None:
        """Say which trials there are to be, for `python -m experiments.sweep status`."""
        planned: dict[str, dict[str, plan.Planned]] = {}
        for job, key in zip(self.jobs, self.keys, strict=True):
            planned.setdefault(job.config.study, {})[key] = plan.Planned(job.name, tuple(job.overrides))
        for study, trials in planned.items():
            try:
                plan.add(plan.file_of(self.store.folder, study), trials)
            except OSError as error:  # trials are worth more than a list of them
                print(f"no plan of study {study} is written: {error}")

    def mark_stale(self) -> None:
        """Give runs whose process is gone their true end."""
        for name in self.store.mark_stale(self.experiments.values()):
            print(f"{name} ended without saying so; its run is now marked KILLED")

    def fail(self, index: int, reason: str) -> None:
        """Give the run of a trial that failed its true end, if the trial could not do so itself."""
        config = self.jobs[index].config
        runs = self.store.runs_of(self.experiments[f"{config.study}/{config.task.name}"], self.keys[index])
        if runs and runs[0].status in ("RUNNING", "KILLED"):
            self.store.fail(runs[0], reason)

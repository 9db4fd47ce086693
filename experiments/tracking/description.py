"""The description of an experiment, which the MLflow UI shows above its runs, and the run of a report."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, RunTag
from mlflow.utils.time import get_current_time_millis
from mlflow.utils.validation import MAX_EXPERIMENT_TAG_VAL_LENGTH, MAX_TAG_VAL_LENGTH

from experiments.tasks import Task
from experiments.tracking import first_view
from experiments.tracking.address import TRAINING
from experiments.tracking.client import Client
from experiments.tracking.metadata import Tag

SIGNED = "*Written by the lab, and anew with each report of the study while this line is here.*"
NO_METRIC = re.compile(r"[^\w./: -]+")  # what MLflow takes in no name of a metric


@dataclass(frozen=True)
class ReportRun:
    """What the store is told of a report, beside its files.

    Attributes:
        name: Of the run.
        tags: Tags of the run.
        note: Its description, in Markdown: what the report says in sentences.
        metrics: Its numbers.
        experiments: For each task the description of its experiment.
    """

    name: str
    tags: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    experiments: Mapping[str, str] = field(default_factory=dict)


def before_the_report(study: str, tasks: Iterable[Task]) -> str:
    """What an experiment is about, as long as no report of its study says more."""
    last = f"Trials of the study **{study}**, whose report will say what they compare and show."
    return "\n\n".join([*dict.fromkeys(map(_asked, tasks)), last])


def _asked(task: Task) -> str:
    score = task.score
    unit = f" in {score.unit}" if score.unit else ""
    return (
        f"Asked is to {task.title}. Measured is the {score.title}{unit} on the test part (`test/{score.name}`), "
        f"{score.better} is better. Baseline ({task.baseline_title}): {task.baseline:.4g}."
    )


def describe(client: Client, experiment_id: str, text: str, again: bool = False) -> None:
    """Give an experiment its description, unless a person has written one.

    Args:
        client: The store.
        experiment_id: The experiment.
        text: The description, in Markdown.
        again: Whether it takes the place of an earlier one of the lab.
    """
    before = client.get_experiment(experiment_id).tags.get(str(Tag.NOTE), "")
    if not before or (again and SIGNED in before):
        most = MAX_EXPERIMENT_TAG_VAL_LENGTH - len(SIGNED) - 2
        client.set_experiment_tag(experiment_id, str(Tag.NOTE), f"{_cut(text, most)}\n\n{SIGNED}")


def add_report(client: Client, experiments: Mapping[str, str], study: str, report: ReportRun, folder: Path) -> str:
    """Record a report in place of earlier ones, and what it says of each experiment of its study, with its first view.

    Args:
        client: The store.
        experiments: The ids of the experiments of the study by task, and of that of its reports by "".
        study: The study.
        report: What is recorded beside the files.
        folder: The files.

    Returns:
        The id of its run.
    """
    experiment = experiments[""]
    earlier = [run.info.run_id for run in client.search_runs([experiment], f"tags.{Tag.KIND} = 'report'")]
    tags = {**report.tags, Tag.KIND: "report", Tag.STUDY: study, Tag.NOTE: _cut(report.note, MAX_TAG_VAL_LENGTH)}
    run_id: str = client.create_run(experiment, run_name=report.name).info.run_id
    now = get_current_time_millis()
    metrics = [Metric(NO_METRIC.sub(" ", name).strip(), value, now, 0) for name, value in report.metrics.items()]
    texts = [RunTag(str(name), str(value)) for name, value in tags.items()]
    client.log_batch(run_id, tags=texts)
    for start in range(0, len(metrics), 1000):
        client.log_batch(run_id, metrics=metrics[start : start + 1000])
    client.log_artifacts(run_id, str(folder))
    client.set_terminated(run_id, "FINISHED")
    for old in earlier:
        client.delete_run(old)
    page = f"#/experiments/{experiment}/runs/{run_id}/artifacts?{TRAINING}"
    place = f"[in this store]({page}), {folder}/report.html"
    for task, text in report.experiments.items():
        if task in experiments:
            first_view.add(client, experiments[task])
            describe(client, experiments[task], f"{text}\n\nReport: {place}", again=True)
    describe(client, experiment, f"The report of the study **{study}**: {place}\n\n{report.note}", again=True)
    return run_id


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 4]} ..."

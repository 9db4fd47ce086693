"""Where the runs of a report are in the MLflow UI."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.report.study import Study
from experiments.report.task_results import TaskResults
from experiments.tracking import Store, charts_link, run_link

SERVER = "http://127.0.0.1:5000"
MOST_LINKS = 2000  # of a page


@dataclass(frozen=True)
class Ui:
    """The MLflow UI of a store.

    Attributes:
        server: Its address.
        command: What starts it; "" if it is a server that runs already.
        experiments: The experiment of each task of the study, by the name of the task.
        charts: The page with the curves of each of them, by the name of the task.
        study: The study.
    """

    server: str
    command: str
    experiments: dict[str, str]
    charts: dict[str, str]
    study: Study

    @property
    def hint(self) -> str:
        """How links are opened, as the beginning of a sentence."""
        return f"With `{self.command}` running: " if self.command else ""

    def runs(self, task: TaskResults) -> list[tuple[str, list[tuple[str, str]]]]:
        """Of each row the text and the address of each of its runs; nothing if the study has too many for a page."""
        if len(self.study.trials) > MOST_LINKS:
            return []
        experiment = self.experiments[task.task_name]
        links: dict[str, list[tuple[str, str]]] = {row: [] for row in task.rows}
        for (row, replicate), trial in task.trials.items():
            state = task.states[task.rows.index(row), task.replicates.index(replicate)]
            text = replicate if state == "finished" else f"{replicate} ({state})"
            links[row].append((text, run_link(experiment, trial.run_id, self.server)))
        return list(links.items())


def ui(store: Store, study: Study) -> Ui:
    """The UI of a store, and the experiments of a study in it."""
    if store.has_server:
        server, command = store.uri.rstrip("/"), ""
    else:
        default = store.uri.endswith("/outputs/mlflow.db")
        words: Sequence[str] = ["make", "ui", *([] if default else [f"STORE={store.uri}".replace("$", "$$")])]
        server, command = SERVER, shlex.join(words)
    known = store.experiments()
    names = dict.fromkeys(task.task_name for task in study.tasks)
    experiments = {name: known[place] for name in names if (place := f"{study.name}/{name}") in known}
    charts = {name: charts_link(store.client, experiment, server) for name, experiment in experiments.items()}
    return Ui(server, command, experiments, charts, study)

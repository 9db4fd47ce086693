"""What the MLflow UI shows first of an experiment: the test score by variant, then the validation curve.

It keeps the charts of an experiment in the browser, but for a view that is shared: a tag that an address names.
"""

import json

from experiments.tracking.address import CHARTS
from experiments.tracking.client import Client
from experiments.tracking.metadata import Param

KEY = "gatelab"
TAG = f"mlflow.sharedViewState.{KEY}"
SECTIONS = ("test", "val", "train", "gates", "best", "epochs", "time")  # beginnings of the names of metrics


def view() -> str:
    """The view: runs in groups of a variant, large charts, and what counts first. MLflow adds the charts."""
    return json.dumps(
        {
            "groupBy": {
                "aggregateFunction": "average",
                "groupByKeys": [{"mode": "param", "groupByData": str(Param.VARIANT)}],
            },
            "compareRunCharts": [],
            "compareRunSections": [_section(name) for name in SECTIONS],
            "isAccordionReordered": True,
        }
    )


def _section(name: str) -> dict[str, object]:
    state = {"display": True, "isReordered": True, "deleted": False, "isGenerated": True}
    return {"uuid": f"{KEY}-{name}", "name": name, **state, "columns": 2, "cardHeight": 360}


def add(client: Client, experiment_id: str) -> None:
    """Give an experiment the view, if it has another one or none."""
    if client.get_experiment(experiment_id).tags.get(TAG) != view():
        client.set_experiment_tag(experiment_id, TAG, view())


def charts_link(client: Client, experiment_id: str, server: str) -> str:
    """The page of the MLflow UI that shows an experiment's runs as charts, in this view if it has that."""
    shared = f"&viewStateShareKey={KEY}" if TAG in client.get_experiment(experiment_id).tags else ""
    return f"{server}/#/experiments/{experiment_id}/runs?{CHARTS}{shared}"

"""Runs that are read from the tables are those that MLflow's search gives."""

import math

import pytest

from experiments.tracking import StoredRun
from experiments.tracking.tables import MOST_KEYS, Tables, is_database
from tests.stores import new_store


@pytest.fixture
def store(tmp_path):
    return new_store(tmp_path)


def add(store, key, began, status="FINISHED", params=None, metrics=None, **tags):
    client, experiment = store.client, store.experiment("s/adding")
    run = client.create_run(
        experiment, began, {"kind": "trial", "study": "s", "trial_key": key, **tags}, f"adding/v/{key}"
    )
    for name, value in (params or {}).items():
        client.log_param(run.info.run_id, name, value)
    for name, values in (metrics or {}).items():
        for step, value in enumerate(values):
            client.log_metric(run.info.run_id, name, value, step=step)
    if status != "RUNNING":
        client.set_terminated(run.info.run_id, status)
    return run.info.run_id


@pytest.fixture
def runs(store):
    """Runs of all kinds by key; two began at the same time, one is deleted."""
    ids = {
        "a": add(
            store, "a", 1000, params={"seed": "0", "task": "adding", "model.units": "4"}, metrics={"m": [3, 1, 2]}
        ),
        "b": add(store, "b", 3000, status="RUNNING", heartbeat="12"),
        "c": add(store, "c", 2000, status="FAILED", error="bell \a and \x1b[31m"),
        "d": add(store, "d", 2000, metrics={"m": [1.0, math.nan], "n": [-1e308]}, params={"seed": "é\n"}),
        "e": add(store, "e", 4000),
    }
    store.client.delete_run(ids["e"])
    foreign = store.client.create_run(store.experiment("s/adding"), 500)
    store.client.create_run(store.experiment("other/adding"), 600)
    return {**ids, None: foreign.info.run_id}


def searched(store, experiments, condition=""):
    found = store.client.search_runs(experiments, condition, order_by=["attributes.start_time DESC"])
    return [StoredRun.of(run) for run in found]


def alike(runs):
    """Comparable, as NaN is not equal to itself."""
    return [repr(run) for run in runs]


@pytest.mark.parametrize("finished", [False, True])
def test_they_are_those_of_the_search_in_its_order(store, runs, finished):
    experiments = [store.experiment("s/adding")]
    read = Tables(store.uri).runs(experiments, finished=finished)
    assert len(read) == (2 if finished else 5)
    assert alike(read) == alike(searched(store, experiments, "attributes.status = 'FINISHED'" if finished else ""))


def test_of_some_trials_their_runs_come(store, runs):
    tables, experiments = Tables(store.uri), [store.experiment("s/adding")]
    asked = tables.runs(experiments, keys={"a", "c", "unknown"})
    assert [run.run_id for run in asked] == [runs["c"], runs["a"]]
    assert tables.runs(experiments, keys=()) == []
    many = {"a", "c", *(f"{number:016x}" for number in range(MOST_KEYS))}
    assert alike(tables.runs(experiments, keys=many)) == alike(asked)
    assert tables.runs([], finished=True) == []


def test_brief_ones_say_which_trial_it_is_and_how_it_stands(store, runs):
    brief = {run.run_id: run for run in Tables(store.uri).runs([store.experiment("s/adding")], brief=True)}
    assert brief[runs["a"]].params == {"seed": "0", "task": "adding"} and brief[runs["a"]].metrics == {}
    assert brief[runs["b"]].tags["heartbeat"] == "12" and brief[runs["b"]].status == "RUNNING"
    assert brief[runs["c"]].tags["error"] == r"bell \x07 and \x1b[31m"


def test_a_store_reads_alike_with_tables_and_without(store, runs):
    with_tables = [store.ended(store.experiment("s/adding"), keys) for keys in (None, {"a"}, {"c"}, set())]
    read = alike(store.runs("s")), alike(store.runs("s", {"a", "b"})), alike(store.trials("s"))
    store.tables = None  # as that of a server
    without = [store.ended(store.experiment("s/adding"), keys) for keys in (None, {"a"}, {"c"}, set())]
    assert [list(runs) for runs in with_tables] == [list(runs) for runs in without]
    assert sorted(read[1]) == sorted(alike(store.runs("s", {"a", "b"})))
    assert read[0] == alike(store.runs("s")) and read[2] == alike(store.trials("s"))


@pytest.mark.parametrize(
    ("uri", "is_one"),
    [
        ("sqlite:////tmp/mlflow.db", True),
        ("sqlite+pysqlite:////tmp/a%3Fb.db", True),
        ("postgresql+psycopg2://me@host/runs", True),
        ("mysql+pymysql://me@host/runs", True),
        ("http://127.0.0.1:5000", False),
        ("databricks", False),
        ("/tmp/mlruns", False),
    ],
)
def test_addresses_of_databases(uri, is_one):
    assert is_database(uri) is is_one

"""How long commands take on a store of many finished runs, and how much memory.

One trial is trained for real. Its run is copied row by row in the database, with other variants, seeds and scores,
until the study has as many runs as were asked for. Then a sweep that has nothing to do, `status` and the report are
timed, each in a fresh process, as a user would call them.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import sqlalchemy
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag

from benchmarks.sweep import SAMPLE_S, PeakMemory
from experiments import tasks
from experiments.config.compose import compose
from experiments.tracking import Store
from experiments.tracking.metadata import Tag, params, run_color
from experiments.trial.model import make_layer
from experiments.trial.spec import TrialSpec

ROOT = Path(__file__).parents[1]
STUDY = "many"
VARIANTS = (
    "standard",
    "peephole",
    "swapped",
    "janet",
    "layer_norm",
    *(f"odyssey/{name}" for name in ("no_input_gate", "no_forget_gate", "no_output_gate", "coupled_gates")),
    "one_switch/linear_candidate",
)
SETTINGS = ("task=adding", f"study={STUDY}", "task.train_size=64", "task.validation_size=32", "task.test_size=32")
SETTINGS = (*SETTINGS, "model.units=4", "training.batch_size=32")
TABLES = (SqlParam, SqlTag, SqlMetric, SqlLatestMetric)
BATCH = 500  # runs that are written at once

HELP = f"""
commands
  sweep   python -m experiments.train -m with {len(VARIANTS)} trials of the study, all in the store already
  status  python -m experiments.sweep status
  report  python -m experiments.report: the page, figures and CSV files of all runs

columns
  seconds   from the start of the process to its end, imports included
  peak GB   largest sum of the resident memory of the process and its children, looked at every {SAMPLE_S} s
"""


def words(epochs):
    return [*SETTINGS, f"training.epochs={epochs}"]


def template(arguments, output):
    """Train one trial."""
    command = [sys.executable, "-m", "experiments.train", *words(arguments.epochs), *place(arguments, output)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def place(arguments, output):
    """The words that name the store."""
    return [f"output_dir={output}", *([f"tracking.uri={arguments.uri}"] if arguments.uri else [])]


def specs(variants, seeds, epochs):
    """Trials as a sweep would make them, by their number."""
    for variant in variants:
        config = compose([*words(epochs), f"variant={variant}"])
        task = tasks.build(config.task, config.data_dir)
        yield from ((variant, TrialSpec.of(replace(config, seed=seed), task)) for seed in seeds)


def fill(store, runs, epochs):
    """Copy the run of the store's one trial, until there are as many."""
    original = store.runs(STUDY)[0]
    rng = np.random.default_rng(0)
    with sqlalchemy.create_engine(store.uri).begin() as connection:
        experiment, rows = rows_of(connection, original.run_id)
        copies = []
        for number, (variant, spec) in enumerate(specs(VARIANTS, range(-(-runs // len(VARIANTS))), epochs)):
            if spec.key != original.tags[Tag.TRIAL_KEY] and len(copies) < runs:
                copies.append((number, spec, own_texts(spec, variant), rng.lognormal(sigma=0.1)))
        for first in range(0, len(copies), BATCH):
            write(connection, experiment, rows, copies[first : first + BATCH])


def rows_of(connection, run_id):
    """The row of a run and those of its parameters, tags and metrics."""
    select = sqlalchemy.select
    run = connection.execute(select(SqlRun.__table__).where(SqlRun.run_uuid == run_id)).mappings().one()
    rows = {}
    for table in TABLES:
        found = connection.execute(select(table.__table__).where(table.run_uuid == run_id)).mappings()
        rows[table] = [dict(row) for row in found]
    return dict(run), rows


def write(connection, run, rows, copies):
    ids = {number: uuid.uuid4().hex for number, *_ in copies}
    runs = [run | own_run(run, spec, ids[number], number) for number, spec, *_ in copies]
    connection.execute(sqlalchemy.insert(SqlRun.__table__), runs)
    for table, originals in rows.items():
        copied = [
            row | own_row(row, texts, ids[number], factor) for number, _, texts, factor in copies for row in originals
        ]
        connection.execute(sqlalchemy.insert(table.__table__), copied)


def own_run(run, spec, run_id, number):
    """What tells the row of a copied run from the original."""
    address = run["artifact_uri"].replace(run["run_uuid"], run_id)
    began, ended = run["start_time"] + 1000 * number, run["end_time"] + 1000 * number
    return {"run_uuid": run_id, "name": spec.name, "artifact_uri": address, "start_time": began, "end_time": ended}


def own_row(row, texts, run_id, factor):
    """What tells a parameter, tag or value of a copied run from the original's: values are those times the factor."""
    own = {"run_uuid": run_id}
    if row["key"] in texts:
        own["value"] = str(texts[row["key"]])
    elif row["key"].startswith(("test/", "val/", "best/")):
        own["value"] = row["value"] * factor
    return own


@cache
def layer(variant):
    """The configuration of the layer of a variant, as trials record it."""
    config = compose([*SETTINGS, f"variant={variant}"])
    return make_layer(config.variant, config.model.units).get_config()


def own_texts(spec, variant):
    """The parameters and tags of a trial that tell it from others."""
    tags = {Tag.TRIAL_KEY: spec.key, "mlflow.runName": spec.name, Tag.BASE: spec.config.variant.base or ""}
    tags[Tag.COLOR] = run_color(spec.config.variant.name, spec.config.seed)
    return {**params(spec, layer(variant)), **tags}


def measure(name, command, output):
    """Run a command to its end: its seconds, and the peak memory of it and its children in GB."""
    log = output / f"{name}.log"
    with log.open("w") as opened:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=opened, stderr=subprocess.STDOUT)
        peak = PeakMemory(process.pid)
        code = process.wait()
        seconds = time.perf_counter() - began
    gigabytes = peak.stop()
    if code:
        raise SystemExit(f"{' '.join(command)}\nended with {code}:\n{log.read_text()}")
    return {"command": name, "seconds": seconds, "peak GB": gigabytes}


def commands(arguments, output):
    python, where = [sys.executable, "-m"], place(arguments, output)
    swept = [f"variant={','.join(VARIANTS)}", "seed=0", *words(arguments.epochs)]
    return {
        "sweep": [*python, "experiments.train", "-m", *swept, *where],
        "status": [*python, "experiments.sweep", "status", *where, f"study={STUDY}"],
        "report": [*python, "experiments.report", *where, f"study={STUDY}"],
    }


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10_000, help="finished runs in the store; default 10,000")
    parser.add_argument("--epochs", type=int, default=30, help="of every run; default 30")
    parser.add_argument("--uri", help="an empty database, such as postgresql://ME@127.0.0.1/NAME; default: SQLite")
    parser.add_argument("--only", nargs="+", choices=("sweep", "status", "report"), help="commands; default all")
    parser.add_argument("--output-dir", help="kept, and used again if it has the runs; default: a temporary folder")
    parser.add_argument("--csv", metavar="FILE", help="write the rows to a file too")
    return parser.parse_args()


def main():
    arguments = parse()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    output = Path(arguments.output_dir or tempfile.mkdtemp(prefix="store-")).resolve()
    try:
        began = time.perf_counter()
        store = Store(arguments.uri, str(output))
        if STUDY not in store.studies():
            template(arguments, output)
            fill(store, arguments.runs - 1, arguments.epochs)
            print(f"{arguments.runs:,} runs made in {time.perf_counter() - began:.0f} s: {store.uri}", flush=True)
        rows = []
        for name, command in commands(arguments, output).items():
            if name in (arguments.only or commands(arguments, output)):
                rows.append(measure(name, command, output))
                print(f"{name:<8}{rows[-1]['seconds']:>8.1f} s{rows[-1]['peak GB']:>8.2f} GB", flush=True)
    finally:
        if not arguments.output_dir:
            shutil.rmtree(output, ignore_errors=True)
    if arguments.csv:
        with open(arguments.csv, "w", newline="") as opened:
            writer = csv.DictWriter(opened, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()

"""Trials for the tests of the gate browser: their files and settings, and models that are not trained."""

import json
import re

import keras

from experiments import tasks
from experiments.config.compose import compose
from experiments.gates.page import render
from experiments.gates.sequence import sequence_of_task
from experiments.gates.trained_trial import TrainedTrial, activations
from experiments.tracking import StoredRun
from experiments.trial import model
from experiments.trial.spec import TrialSpec

TEXT = 'if (a) { b(); } </script><b>&"\n\tq\n' * 60
COMMON = ("study=s", "training.epochs=1", "training.batch_size=4", "training.jit_compile=false", "tracking.gates=0")
OF_TEXT = ("task=char_lm", "task.length=20", "model.layers=2", "model.units=5", "model.embedding=4")
CSV = "".join(f"{','.join(str((row * k) % 11 + k) for k in range(1, 11))}\n" for row in range(1, 70))
FEW = ("task.train_size=8", "task.validation_size=4", "task.test_size=4")
TRIALS = {
    "standard": OF_TEXT,
    "swapped": ("variant=swapped", *OF_TEXT),
    "series": ("variant=peephole", "task=forecast", "task.target=all", "task.window=12", "model.units=4"),
    "masked": ("task=anbn", "task.train_size=8", "task.test_largest=18", "model.units=4", "model.bidirectional=true"),
    "matched": ("variant=janet", "task=adding", "task.length=12", *FEW, "model.match=parameters"),
}
FILES = {"standard": "text.txt", "swapped": "text.txt", "series": "series.csv"}


def write_files(folder):
    (folder / "text.txt").write_text(TEXT)
    (folder / "series.csv").write_text(",".join(f"s{k}" for k in range(1, 11)) + "\n" + CSV)


def overrides(folder, name):
    """The words for the trial of this name, with the file that it reads."""
    return [*TRIALS[name], *([f"task.path={folder / FILES[name]}"] if name in FILES else [])]


def configure(folder, *words):
    return compose([f"output_dir={folder}/out", *COMMON, *words])


def untrained(folder, *words):
    """A trial whose model is as it was built, the same each time."""
    keras.utils.set_random_seed(0)
    config = configure(folder, *words)
    task = tasks.build(config.task)
    run = StoredRun("id", f"{config.task.name}/standard/s0", "FINISHED", {}, {}, {})
    spec = TrialSpec.of(config, task)
    return TrainedTrial(run, spec, task, model.build(task, config.variant, spec.model))


def page_of(folder, *names, length=500):
    """The page of trials that are not trained."""
    trials = [untrained(folder, *overrides(folder, name)) for name in names]
    sequence = sequence_of_task(trials[0].task, "test", 0, length)
    return render(sequence, [activations(trial, sequence) for trial in trials])


def data(page):
    """The data in a page."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])

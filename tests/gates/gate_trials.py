"""Trials for the tests of the gate browser: their files and settings, and models that are not trained."""

import json
import re

import keras
from hydra import compose, initialize_config_dir

from experiments import tasks
from experiments.config import compose as config
from experiments.gates.page import render
from experiments.gates.sequence import Wanted, sequence
from experiments.gates.source import Source, trace
from experiments.tracking import StoredRun
from experiments.trial import model

TEXT = 'if (a) { b(); } </script><b>&"\n\tq\n' * 60
COMMON = ("study=s", "training.epochs=1", "training.batch_size=4", "training.jit_compile=false", "tracking.gates=0")
OF_TEXT = ("task=char_lm", "task.length=20", "model.layers=2", "model.units=5", "model.embedding=4")
CSV = "".join(f"{','.join(str((row * k) % 11 + k) for k in range(1, 11))}\n" for row in range(1, 70))
TRIALS = {
    "standard": OF_TEXT,
    "swapped": ("variant=swapped", *OF_TEXT),
    "series": ("variant=peephole", "task=forecast", "task.target=all", "task.window=12", "model.units=4"),
    "masked": ("task=anbn", "task.train_size=8", "task.test_largest=18", "model.units=4", "model.bidirectional=true"),
}
FILES = {"standard": "text.txt", "swapped": "text.txt", "series": "series.csv"}


def write_files(folder):
    (folder / "text.txt").write_text(TEXT)
    (folder / "series.csv").write_text(",".join(f"s{k}" for k in range(1, 11)) + "\n" + CSV)


def overrides(folder, name):
    """What makes the trial of this name, with the file that it reads."""
    return [*TRIALS[name], *([f"task.path={folder / FILES[name]}"] if name in FILES else [])]


def settings(folder, *overrides):
    with initialize_config_dir(str(config.CONF), version_base="1.3"):
        return config.load(compose("config", overrides=[f"output_dir={folder}/out", *COMMON, *overrides]))


def untrained(place, *overrides):
    """A trial whose model is as it was built, the same each time."""
    keras.utils.set_random_seed(0)
    chosen = settings(place, *overrides)
    task = tasks.build(chosen.task)
    run = StoredRun("id", f"{chosen.task.name}/standard/s0", "FINISHED", {}, {}, {})
    return Source(run, chosen, task, model.build(task, chosen.variant, chosen.model))


def page_of(folder, *names, text=None, **wanted):
    """The page of trials that are not trained."""
    sources = [untrained(folder, *overrides(folder, name)) for name in names]
    read = sequence(sources[0].task, "t", Wanted(text, **wanted))
    return render(read, [trace(source, read) for source in sources])


def data(page):
    """What a page holds."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])

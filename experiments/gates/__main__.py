"""`python -m experiments.gates TRIAL`: a page that shows what gates and states do on an input. See --help."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.errors import UserError, first_line, reported
from experiments.options import STORE, options

if TYPE_CHECKING:
    from experiments.gates.sequence import Wanted
    from experiments.tracking import Store, StoredRun

USAGE = """\
Write a page that shows what the gates and states of a trained trial do, step by step, and record it with the trial.

  python -m experiments.gates char_lm/standard/s0 study=quickstart
  python -m experiments.gates TRIAL text="if x: y()"                 on a text of your own
  python -m experiments.gates TRIAL file=FILE.txt length=1000        on the beginning of a file
  python -m experiments.gates TRIAL TRIAL                            two trials of a task, side by side

TRIAL is the name of a run, the id of a run, the key of a trial, or the beginning of an id or key.

Options:

  study=NAME            where to look for TRIAL (all studies)
  split=PART            train, validation or test (test)
  sequence=NUMBER       which sequence of it, from 0 (0)
  length=STEPS          steps that are shown, at most (500)
  out=FILE              the page (OUTPUT_DIR/pages/gates-TASK-VARIANT-SEED-KEY.html)
  data_dir=FOLDER       folder of fetched files
  output_dir=FOLDER     folder of the store (outputs)
  tracking.uri=URI      another MLflow store, as in experiments.train
"""

OPTIONS = {
    "text": None,
    "file": None,
    "split": None,
    "sequence": None,
    "length": "500",
    "out": None,
    "study": None,
    "data_dir": None,
    **STORE,
}
MOST_TRIALS = 2


def main(arguments: Sequence[str]) -> None:
    """Write the page that a command line asks for.

    Raises:
        UserError: for a mistake in it, or a trial or store that cannot be used.
    """
    if not arguments or {"--help", "-h", "help"} & set(arguments):
        print(USAGE, end="")
        return
    words = [word for word in arguments if "=" not in word]
    given = options([word for word in arguments if "=" in word], OPTIONS, f"use {', '.join(f'{n}=' for n in OPTIONS)}")
    if not 1 <= len(words) <= MOST_TRIALS:
        raise UserError(f"{len(words)} trials are named: must be one, or two for side by side. --help explains it")
    asked = _asked(given)
    from experiments.tracking import STORE_ERRORS, Store

    _check_store(given)
    store = Store(given["tracking.uri"], given["output_dir"] or "", wait_s=30.0)
    try:
        _browse(store, words, given, asked)
    except STORE_ERRORS as error:
        raise UserError(f"tracking.uri={store.uri}: the store failed ({first_line(error)})") from error


def _check_store(given: dict[str, str | None]) -> None:
    """Refuse a store that is not there: it would be made."""
    uri = given["tracking.uri"] or f"sqlite:///{given['output_dir']}/mlflow.db"
    file = Path(uri.removeprefix("sqlite:///")).expanduser()
    if uri.startswith("sqlite:///") and not file.exists():
        raise UserError(f"there is no store {file}: name its output_dir=FOLDER or tracking.uri=URI")


def _asked(given: dict[str, str | None]) -> "Wanted":
    from experiments.gates.sequence import PARTS, Wanted

    own = [name for name in ("text", "file") if given[name] is not None]
    if len(own) == 2 or own and (given["split"] or given["sequence"]):
        raise UserError("text=, file= and split= with sequence= exclude each other: each says what is read")
    if given["split"] not in (None, *PARTS):
        raise UserError(f"split={given['split']}: must be one of {', '.join(PARTS)}")
    text = _content(given["file"]) if given["file"] else given["text"]
    length = _number(given, "length", least=1)
    return Wanted(text, given["split"] or "test", _number(given, "sequence", least=0), length)


def _number(given: dict[str, str | None], name: str, least: int) -> int:
    text = given[name] or "0"
    if not text.isdecimal() or int(text) < least:
        raise UserError(f"{name}={text}: must be a whole number, at least {least}")
    return int(text)


def _content(file: str) -> str:
    try:
        text = Path(file).expanduser().read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"file={file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"file={file}: not UTF-8 text (byte at position {error.start})") from error
    if not text:
        raise UserError(f"file={file}: the file is empty")
    return text


def _browse(store: "Store", words: Sequence[str], given: dict[str, str | None], asked: "Wanted") -> None:
    from experiments.tracking.lookup import find

    trials = [find(store, word, given["study"]) for word in words]
    names = {trial.params.get("task", trial.name.split("/")[0]) for trial in trials}
    if len(names) > 1:
        raise UserError(f"{' and '.join(words)}: are of two tasks, {' and '.join(sorted(names))}. Choose one task")
    import numpy as np

    from experiments.gates.page import render
    from experiments.gates.sequence import sequence
    from experiments.gates.source import load, trace

    sources = [load(store, trial, given["data_dir"]) for trial in trials]
    read = [sequence(source.task, source.settings.task.name, asked) for source in sources]
    tokens = {source.task.tokens for source in sources}
    if len(tokens) > 1 or not all(np.array_equal(each.inputs, read[0].inputs) for each in read):
        raise UserError(f"{' and '.join(words)}: do not read the same, as the settings of their tasks differ")
    page = render(read[0], [trace(source, read[0]) for source in sources])
    _write(store, trials, page, Path(given["out"] or _place(store, trials)).expanduser())


def _place(store: "Store", trials: Sequence["StoredRun"]) -> Path:
    names = [f"{trial.name.replace('/', '-')}-{trial.tags.get('trial_key', trial.run_id)[:8]}" for trial in trials]
    return store.folder / "pages" / f"gates-{'-and-'.join(names)}.html"


def _write(store: "Store", trials: Sequence["StoredRun"], page: str, file: Path) -> None:
    from experiments.tracking import Run

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"out={file}: cannot be written ({error.strerror})") from error
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, open it in a browser")
    for trial in trials:
        Run(store.client, trial.run_id).add_files([file])
        print(f"recorded as the artifact {file.name} of the run {trial.run_id} ({trial.name})")


if __name__ == "__main__":
    with reported():
        main(sys.argv[1:])

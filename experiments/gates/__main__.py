"""`python -m experiments.gates TRIAL`: a page that shows what gates and states do on an input. See --help.

With `intervene` as the first word: `experiments.gates.intervene`.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from experiments.errors import UserError, first_line, reported
from experiments.gates import intervene
from experiments.options import HELP, Field, StoreOptions, help_text, is_option, parse

if TYPE_CHECKING:
    from experiments.tracking import Store, StoredRun

USAGE = """\
Write a page that shows what the gates and states of a trained trial do, step by step, and record it with the trial.

  python -m experiments.gates char_lm/standard/s0 study=quickstart
  python -m experiments.gates TRIAL text="if x: y()"                 on a text of your own
  python -m experiments.gates TRIAL file=FILE.txt length=1000        on the beginning of a file
  python -m experiments.gates TRIAL TRIAL                            two trials of a task, side by side

TRIAL is the name of a run, the id of a run, the key of a trial, or the beginning of an id or key.
`python -m experiments.gates intervene` clamps gates to see what they are needed for; it has a --help of its own.
"""
MOST_TRIALS = 2
PARTS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class GatesOptions(StoreOptions):
    study: Annotated[str | None, Field("where to look for TRIAL (all studies)", value="NAME")] = None
    split: Annotated[str | None, Field("train, validation or test (test)", value="PART")] = None
    sequence: Annotated[int | None, Field("which sequence of it, from 0 (0)", minimum=0, value="NUMBER")] = None
    text: Annotated[str | None, Field("a text of your own instead of a sequence of the task", value="TEXT")] = None
    file: Annotated[str | None, Field("a file with such a text, in UTF-8", value="FILE")] = None
    length: Annotated[int, Field("steps that are shown, at most", minimum=1, value="STEPS")] = 500
    out: Annotated[str | None, Field("the page (OUTPUT_DIR/pages/gates-TASK-VARIANT-SEED-KEY.html)", value="FILE")] = (
        None
    )
    data_dir: Annotated[str | None, Field("folder of fetched files", value="FOLDER")] = None


def main(arguments: Sequence[str]) -> None:
    """Write the page that a command line describes.

    Raises:
        UserError: for a mistake in it, or a trial or store that cannot be used.
    """
    if arguments and arguments[0] == "intervene":
        intervene.main(arguments[1:])
        return
    if not arguments or HELP & set(arguments):
        print(USAGE, help_text(GatesOptions), sep="\n", end="")
        return
    trials = [word for word in arguments if not is_option(word)]
    options = parse(GatesOptions, [word for word in arguments if is_option(word)])
    if not 1 <= len(trials) <= MOST_TRIALS:
        raise UserError(f"{len(trials)} trials are named: must be one, or two for side by side. --help explains it")
    text = _text(options)
    from experiments.tracking import STORE_ERRORS, Store

    store = Store.of(options, wait_s=30.0)
    try:
        _browse(store, trials, options, text)
    except STORE_ERRORS as error:
        raise UserError(f"tracking.uri={store.uri}: the store failed ({first_line(error)})") from error


def _text(options: GatesOptions) -> str | None:
    """The text to read, None for a sequence of the task."""
    from experiments.tasks._text_file import read_text

    has_place = options.split is not None or options.sequence is not None
    if (options.text is not None) + (options.file is not None) + has_place > 1:
        raise UserError("text=, file= and split= with sequence= exclude each other: each names what is read")
    if options.split not in (None, *PARTS):
        raise UserError(f"split={options.split}: must be one of {', '.join(PARTS)}")
    return read_text(options.file, "file=") if options.file else options.text


def _browse(store: "Store", words: Sequence[str], options: GatesOptions, text: str | None) -> None:
    from experiments.tracking.lookup import described, find
    from experiments.tracking.metadata import Param

    runs = [find(store, word, options.study) for word in words]
    names = sorted({described(run).params[Param.TASK] for run in runs})
    if len(names) > 1:
        raise UserError(f"{' and '.join(words)}: are of two tasks, {' and '.join(names)}. Choose one task")
    import numpy as np

    from experiments.gates.page import render
    from experiments.gates.sequence import sequence_of_task, sequence_of_text
    from experiments.gates.trained_trial import activations, load_trial

    trials = [load_trial(store, run, options.data_dir) for run in runs]
    if text is None:
        place = (options.split or "test", options.sequence or 0, options.length)
        sequences = [sequence_of_task(trial.task, *place) for trial in trials]
    else:
        sequences = [sequence_of_text(trial.task, names[0], text, options.length) for trial in trials]
    same_inputs = all(np.array_equal(sequence.inputs, sequences[0].inputs) for sequence in sequences)
    if not same_inputs or len({trial.task.tokens for trial in trials}) > 1:
        raise UserError(f"{' and '.join(words)}: do not read the same, as the settings of their tasks differ")
    page = render(sequences[0], [activations(trial, sequences[0]) for trial in trials])
    _write(store, runs, page, Path(options.out).expanduser() if options.out else _default_file(store, runs))


def _default_file(store: "Store", runs: Sequence["StoredRun"]) -> Path:
    from experiments.config.names import file_name
    from experiments.tracking.metadata import Tag

    keys = [run.tags.get(Tag.TRIAL_KEY, run.run_id)[:8] for run in runs]
    names = [f"{file_name(run.name)}-{file_name(key)}" for run, key in zip(runs, keys, strict=True)]
    return store.folder / "pages" / f"gates-{'-and-'.join(names)}.html"


def _write(store: "Store", runs: Sequence["StoredRun"], page: str, file: Path) -> None:
    from experiments.tracking import STORE_ERRORS

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"out={file}: cannot be written ({error.strerror}). Name another file") from error
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, open it in a browser")
    for run in runs:
        try:
            store.artifacts.add(run.run_id, file)
        except (OSError, *STORE_ERRORS) as error:
            print(f"not recorded with the run {run.run_id} ({run.name}): {first_line(error)}")
        else:
            print(f"recorded as the artifact {file.name} of the run {run.run_id} ({run.name})")


if __name__ == "__main__":
    with reported():
        main(sys.argv[1:])

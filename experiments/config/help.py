"""The text of `--help`."""

import textwrap
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Any, get_args

from experiments import tasks
from experiments.config.compose import defaults
from experiments.config.conf_files import choices
from experiments.config.schema import Config, Variant
from experiments.errors import UserError, did_you_mean
from experiments.options import Field, described

HEAD = """\
Train LSTM variants and record every trial in MLflow.

  {0} variant=peephole task=adding seed=3 model.units=64     one trial
  {0} -m variant=standard,peephole task=adding seed=0,1,2    a sweep
  {0} experiment=quickstart                                  a study: a sweep in a file
  {0} task=char_lm task.path=FILE.txt                        your own text
  {0} task=forecast task.path=FILE.csv task.target=COLUMN    your own series
  {0} task=classify task.path=NAME_TRAIN.ts                  your own labelled series
  {0} experiment=fair_quickstart                             tune each variant, then test it
  {0} ... --cfg job                                          show the values, train nothing

A trial that the store already has is not trained again, unless rerun=true is given. A sweep that was interrupted goes
on when the same command is given again. Files of your own: conf/ of the current folder, or --config-dir FOLDER.

More: --help TOPIC, such as --help task task=forecast. Topics:
"""

SEARCH = """\
Search for settings (-m hydra/sweeper=search): every field with several values is drawn, but variant, task and seed are
crossed with every draw. Values: interval(a,b), tag(log, interval(a,b)), int(interval(a,b)), choice(a,b,c), a,b,c,
range(a,b). search.confirm=10 trains the best setting of each variant with fresh seeds (docs/tuning.md)."""
LAUNCHERS = "Launchers (hydra/launcher=): local, slurm, ray_cluster (docs/cluster.md)"

TOPICS = {
    "variant": "all variants, and the fields of one",
    "task": "all tasks",
    "task=NAME": "the fields of a task",
    "experiment": "all studies",
    "model": "the fields of the model around the variant",
    "training": "the fields of training",
    "sweep": "the fields of sweeps, and launchers",
    "search": "the fields of a search for settings",
    "tracking": "the fields of the store",
    "trial": "the other fields: study, seed, folders",
    "all": "all of these",
}
GROUPS = {"variant": "Variants", "task": "Tasks", "experiment": "Studies"}


def help_text(program: str, topics: Sequence[str] = ()) -> str:
    """One screen, or what the topics are about.

    Raises:
        UserError: for a word that is no topic.
    """
    words = list(dict.fromkeys(map(_section, topics)))
    if not words:
        rows = (f"  {name:<12}{text}" for name, text in TOPICS.items())
        return "\n".join([HEAD.format(program).rstrip(), *rows])
    functions = []
    if "all" in words:
        words = [name for name in TOPICS if name not in ("task=NAME", "all")]
        functions = [_parameters(function) for function in tasks.functions().values()]
    return "\n\n".join(dict.fromkeys([*(part for word in words for part in _topic(word)), *functions]))


def _section(word: str) -> str:
    """The topic that a word of a command line is about: `model.units=3` is about `model`, `seed=3` about `trial`."""
    name, _, value = word.partition("=")
    if name == "task" and value:
        return word
    section = name.partition(".")[0]
    fields = {field for field, _, _ in described(Config)} - {"task", "experiment"}
    return "trial" if section in fields else section


def _topic(word: str) -> list[str]:
    """What there is to say of a topic, in paragraphs."""
    name, _, value = word.partition("=")
    if name == "task" and value:
        return [_parameters(tasks.function(defaults([word])["task"]["function"]))]
    if name not in TOPICS:
        raise UserError(
            f"--help {word}: there is no such topic. Topics: {', '.join(TOPICS)}.{did_you_mean(name, TOPICS)}"
        )
    parts = []
    if name in GROUPS:
        names = ", ".join(choices(name))
        parts = [
            textwrap.fill(f"{GROUPS[name]} ({name}=): {names}", 110, subsequent_indent="  ", break_on_hyphens=False)
        ]
    if name == "variant":
        parts.append("\n".join(["Fields of a variant:", *_rows(Variant, "variant.")]))
    elif name not in GROUPS:
        parts.append("\n".join([f"Fields of {name}:", *_rows(Config, section="" if name == "trial" else name)]))
    return [*parts, *{"search": [SEARCH], "sweep": [LAUNCHERS]}.get(name, [])]


def _parameters(function: tasks.TaskFunction) -> str:
    return "\n".join([f"Fields of tasks made by {function.__name__}:", *_rows(tasks.schema(function), "task.")])


def _rows(schema: type, prefix: str = "", section: str | None = None) -> list[str]:
    """A line for each field of a schema; of the configuration those of a section, "" for those in none."""
    return [
        f"  {prefix + name:<32} {_kind(kind):<24} {_meaning(field)}"
        for name, kind, field in described(schema)
        if section in (None, name.rpartition(".")[0].partition(".")[0])
    ]


def _kind(kind: Any) -> str:
    """A type as its possible values: `learned|open|null`, `int|null`, `any`."""
    if isinstance(kind, UnionType):
        return "|".join(map(_kind, get_args(kind)))
    if hasattr(kind, "__members__"):
        return "|".join(kind.__members__)
    names = {Any: "any", NoneType: "null"}
    return names.get(kind) or (kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind))


def _meaning(field: Field) -> str:
    bounds = {"at least": field.minimum, "greater than": field.above}
    ranges = [f"{words} {value:g}" for words, value in bounds.items() if value is not None]
    return f"{field.text} ({', '.join(ranges)})" if ranges else field.text

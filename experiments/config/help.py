"""The text of `--help`."""

import textwrap
from types import NoneType, UnionType
from typing import Any, get_args

from experiments import tasks
from experiments.config.compose import choices
from experiments.config.schema import Config, Variant
from experiments.options import Field, described

HEAD = """\
Train LSTM variants and record every trial in MLflow.

  python -m experiments.train variant=peephole task=adding seed=3 model.units=64    one trial
  python -m experiments.train -m variant=standard,peephole task=adding seed=0,1,2    a sweep
  python -m experiments.train experiment=quickstart                                  a study: a sweep in a file
  python -m experiments.train task=char_lm task.path=FILE.txt                        your own text
  python -m experiments.train task=forecast task.path=FILE.csv task.target=COLUMN    your own series
  python -m experiments.train task=classify task.path=NAME_TRAIN.ts                   your own labelled series
  python -m experiments.train experiment=fair_quickstart                             tune each variant, then test it
  python -m experiments.sweep status study=NAME                                      what a sweep has done; --help: more
  python -m experiments.train ... --cfg job                                          show the values, train nothing
  python -m experiments.tasks                                                        a table of all tasks

A trial that the store already has is not trained again, unless rerun=true is given. A sweep that was interrupted goes
on when the same command is given again.
"""

SEARCH = """
Search for settings (-m hydra/sweeper=search): every field with several values is drawn, but variant, task and seed are
crossed with every draw. Values: interval(a,b), tag(log, interval(a,b)), int(interval(a,b)), choice(a,b,c), a,b,c,
range(a,b). search.confirm=10 trains the best setting of each variant with fresh seeds (docs/search.md).
Launchers (hydra/launcher=): local, slurm, ray_cluster (docs/cluster.md)"""


def help_text() -> str:
    """Variants, tasks, studies and every field, with what each means."""
    parts = [HEAD]
    for title, group in (("Variants", "variant"), ("Tasks", "task"), ("Studies", "experiment")):
        names = ", ".join(choices(group))
        parts.append(textwrap.fill(f"{title} ({group}=): {names}", 110, subsequent_indent="  ", break_on_hyphens=False))
    parts.append("\nFields:")
    parts += _rows(Config)
    parts.append("\nFields of a variant:")
    parts += _rows(Variant, "variant.")
    for name, function in tasks.functions().items():
        parts.append(f"\nFields of tasks made by {name}:")
        parts += _rows(tasks.schema(function), "task.")
    parts.append(SEARCH)
    return "\n".join(parts)


def _rows(schema: type, prefix: str = "") -> list[str]:
    skipped = () if prefix else tuple(f"variant.{name}" for name, _, _ in described(Variant))
    return [
        f"  {prefix + name:<32} {_kind(kind):<24} {_meaning(field)}"
        for name, kind, field in described(schema)
        if name not in skipped
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

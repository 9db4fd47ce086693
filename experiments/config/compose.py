"""The only door from the command line to code: schemas for Hydra in, checked `Config` objects out."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import fields, is_dataclass
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from experiments import tasks
from experiments.config import names
from experiments.config.conf_files import CONF, own_functions, refuse_twins
from experiments.config.renamed import renamed_variants
from experiments.config.schema import Config, Variant
from experiments.config.suggestions import suggestions
from experiments.errors import UserError, did_you_mean, first_line
from experiments.options import problems

GATED_LSTM = {  # what the layer does where its arguments leave it open
    "input_gate": "learned",
    "forget_gate": "learned",
    "output_gate": "learned",
    "gate_activation": "sigmoid",
    "candidate_activation": "tanh",
    "output_activation": "tanh",
    "peephole": "none",
    "recurrence": "full",
    "gate_recurrence": False,
    "shared_kernel": False,
    "peephole_gradient": True,
    "chrono_time": None,
}


def register() -> None:
    """Give Hydra the schemas, under `schema/` so that a sweep over `variant=glob(*)` meets YAML files only."""
    functions = tasks.functions() | {name: tasks.function(name) for name in own_functions()}
    schemas: dict[tuple[str, str], Any] = {("schema", "config"): Config, ("schema", "variant"): Variant}
    schemas |= {("schema/task", name): tasks.schema(function) for name, function in functions.items()}
    for (group, name), schema in schemas.items():
        if not _has(f"{group}/{name}.yaml", schema):  # Hydra 1.4 warns of what it gets again
            ConfigStore.instance().store(group=group, name=name, node=schema)


def _has(path: str, schema: type) -> bool:
    try:
        return OmegaConf.get_type(ConfigStore.instance().load(path).node) is schema
    except HydraException:
        return False


def compose(overrides: Sequence[str]) -> Config:
    """The checked configuration that words of a command line make.

    In a command that Hydra has started it has the search path of that command.

    Raises:
        UserError: for whatever Hydra or `load` refuses.
    """
    return load(_composed(overrides))


def defaults(overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration that words of a command line make, as nested dicts; a field that must be set is `???`.

    Raises:
        UserError: for whatever Hydra refuses.
    """
    values = OmegaConf.to_container(_composed(overrides), enum_to_str=True)
    assert isinstance(values, dict)
    return {str(name): value for name, value in values.items()}


def _composed(overrides: Sequence[str]) -> DictConfig:
    refuse_twins()
    register()
    is_started = GlobalHydra.instance().is_initialized()
    try:
        with nullcontext() if is_started else hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            return hydra.compose("config", overrides=list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"{' '.join(overrides)}: {reason(error, overrides)}") from error


def reason(error: Exception, overrides: Sequence[str]) -> str:
    """Why Hydra refuses overrides: it names the override, and OmegaConf what is wrong with it."""
    cause = error.__cause__
    text = first_line(cause) if isinstance(cause, OmegaConfBaseException) else str(error)
    return f"{text}{renamed_variants(overrides)}{suggestions(overrides)}"


def load(cfg: DictConfig) -> Config:
    """Turn a composed configuration into dataclasses.

    Raises:
        UserError: lists every unknown field and every number out of range, with what is allowed.
    """
    cfg = copy.deepcopy(cfg)
    with open_dict(cfg):
        if "hydra" in cfg:
            del cfg["hydra"]
    try:
        config = OmegaConf.to_object(cfg)
    except OmegaConfBaseException as error:
        raise UserError(f"the configuration is incomplete: {error}") from error
    if not isinstance(config, Config) or not is_dataclass(config.task):
        raise UserError("no task is chosen: add task=adding, or one of the others that --help lists")
    wrong = [*_unknown(cfg, config), *problems(config), *problems(config.task, "task."), *_twice(config.variant)]
    if wrong:
        raise UserError("\n  ".join(["the configuration cannot be used:", *wrong]))
    function = tasks.function(config.task.function)
    if config.task.function != type(config.task).function:
        raise UserError(
            f"task.function={config.task.function}: the fields of task={config.task.name} are of another function. "
            f"Write a file conf/task/NAME.yaml that begins with `defaults: [/schema/task/{config.task.function}@task]`"
        )
    for argument in ("study", "variant.name", "task.name"):
        name = OmegaConf.select(cfg, argument)
        if wrong_name := names.problem(name):
            raise UserError(f"{argument}={name!r}: {wrong_name}")
    # Launchers that start processes of their own bring them the schema as a copy, which is another class.
    config.task = tasks.schema(function)(**vars(config.task))
    return config


def restored(values: Mapping[str, Any]) -> Config:
    """The configuration that `identity.plain` wrote as nested dicts; fields that it does not have get their defaults.

    Raises:
        UserError: if its task is not one of this code, and for whatever `load` refuses.
    """
    task = values.get("task") if isinstance(values, Mapping) else None
    name = task.get("function") if isinstance(task, Mapping) else None
    function = tasks.function(str(name))
    try:
        cfg = OmegaConf.merge(OmegaConf.structured(Config), {**values, "task": None, "variant": _variant(values)})
        cfg.task = OmegaConf.merge(OmegaConf.structured(tasks.schema(function)), task)
    except OmegaConfBaseException as error:
        raise UserError(f"the configuration cannot be used: {str(error).splitlines()[0]}") from error
    return load(cfg)


def _variant(values: Mapping[str, Any]) -> Any:
    """The variant of a recorded configuration.

    Version 0.1.0 wrote the defaults of `GatedLSTM` for every layer and handed on what differed from them.
    """
    variant = values.get("variant")
    if not isinstance(variant, Mapping) or "base" in variant:
        return variant
    return {name: value for name, value in variant.items() if name not in GATED_LSTM or value != GATED_LSTM[name]}


def _unknown(cfg: Any, settings: Any, prefix: str = "") -> list[str]:
    """Fields that a schema does not have: Hydra lets `+name=value` through."""
    known = {field.name for field in fields(settings)}
    allowed = ", ".join(sorted(known))
    unknown = [
        f"{prefix}{key}: there is no such field. Allowed: {allowed}.{did_you_mean(str(key), known)}"
        for key in cfg
        if key not in known
    ]
    for name in known:
        value = getattr(settings, name)
        if is_dataclass(value):
            unknown += _unknown(cfg[name], value, f"{prefix}{name}.")
    return unknown


def _twice(variant: Variant) -> list[str]:
    """Arguments that have a field of their own, which would be set in two places."""
    own = {field.name for field in fields(Variant)} & variant.arguments.keys()
    return [f"variant.arguments.{name}: set the field variant.{name} instead" for name in sorted(own)]

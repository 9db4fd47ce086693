"""The only door from the command line to code: schemas for Hydra in, checked `Config` objects out."""

import copy
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from experiments import tasks
from experiments.errors import UserError
from experiments.schema import Config, Variant, problems

CONF = Path(__file__).resolve().parents[1] / "conf"


def register() -> None:
    """Give Hydra the schemas, under `schema/` so that a sweep over `variant=glob(*)` meets YAML files only."""
    store = ConfigStore.instance()
    store.store(group="schema", name="config", node=Config)
    store.store(group="schema", name="variant", node=Variant)
    for name, function in tasks.functions().items():
        store.store(group="schema/task", name=name, node=tasks.schema(function))


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
    found = [*_unknown(cfg, config), *problems(config), *problems(config.task, "task.")]
    if found:
        raise UserError("\n  ".join(["the configuration cannot be used:", *found]))
    for name in ("study", "variant.name", "task.name"):
        _check_name(name, OmegaConf.select(cfg, name))
    return config


def restored(values: Mapping[str, Any]) -> Config:
    """The configuration that `identity.plain` wrote as nested dicts; fields that it does not have get their defaults.

    Raises:
        UserError: if its task is not one of this code, and for whatever `load` refuses.
    """
    task = values.get("task") if isinstance(values, Mapping) else None
    name = task.get("function") if isinstance(task, Mapping) else None
    if name not in tasks.functions():
        raise UserError(f"the configuration cannot be used: there is no task function {name!r}")
    try:
        cfg = OmegaConf.merge(OmegaConf.structured(Config), {**values, "task": None})
        cfg.task = OmegaConf.merge(OmegaConf.structured(tasks.schema(tasks.functions()[name])), task)
    except OmegaConfBaseException as error:
        raise UserError(f"the configuration cannot be used: {str(error).splitlines()[0]}") from error
    return load(cfg)


def _unknown(cfg: Any, settings: Any, prefix: str = "") -> list[str]:
    """Fields that a schema does not have: Hydra lets `+name=value` through."""
    known = {field.name for field in fields(settings)}
    allowed = ", ".join(sorted(known))
    found = [f"{prefix}{key}: there is no such field. Allowed: {allowed}" for key in cfg if key not in known]
    for name in known:
        value = getattr(settings, name)
        if is_dataclass(value):
            found += _unknown(cfg[name], value, f"{prefix}{name}.")
    return found


def _check_name(argument: str, name: str) -> None:
    if not name or any(not (c.isalnum() or c in "_-.") for c in name):
        raise UserError(f"{argument}={name!r}: must be letters, digits, '_', '-' and '.' (it names runs and folders)")


def options(group: str) -> list[str]:
    """The YAML files of a group of `conf/`."""
    return sorted(file.stem for file in (CONF / group).glob("*.yaml"))

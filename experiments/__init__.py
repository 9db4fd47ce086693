"""The lab: train LSTM variants on tasks, record every trial in MLflow, compare them."""

import sys
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.tracking.frames import Frames

# Modules of version 0.1.0. For one release an import of them says where they are now.
MOVED = """
    archive=tracking.archive arguments=options batches=trial.batches boxes=analysis.fanova callbacks=trial.callbacks
    checkpoint=trial.checkpoint cleanup=sweep.clean colors=tracking.metadata compare=sweep.check
    compiled=trial.model_cache description=tracking.metadata dispatch=sweep.scheduler draw=search.samplers
    identity=config.identity importance=analysis.importance job=trial.spec manage=sweep.__main__
    match=trial.parameter_match model=trial.model plan=sweep.plan prepare=sweep.preflight progress=sweep.progress
    record=sweep.run_trial repeat=sweep.check schedule=sweep.scheduler schema=config.schema status=sweep.status
    transfer=sweep.transfer usage=config.help worker=sweep.worker workers=sweep.workers
"""
PLACES = dict(word.split("=") for word in MOVED.split())


class _MovedModules(MetaPathFinder):
    """Asked last, when a module is nowhere else."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        package, _, name = fullname.rpartition(".")
        if package == __name__ and name in PLACES:
            raise ModuleNotFoundError(f"{fullname} is called {package}.{PLACES[name]} now", name=fullname)


sys.meta_path.append(_MovedModules())


def results(study: str, output_dir: str = "outputs", tracking_uri: str | None = None) -> "Frames":
    """A study as two pandas tables, for a notebook: `trials, curves = experiments.results("quickstart")`.

    Args:
        study: Its name.
        output_dir: Folder of the store.
        tracking_uri: Another MLflow store. Default: `MLFLOW_TRACKING_URI`, else `mlflow.db` in the folder.

    Returns:
        `trials`, a row for each trial (of several runs the newest finished one) with its score, every field of its
        configuration and the last value of its metrics; `curves`, a row for each value of each metric in each epoch.

    Raises:
        UserError: if there is no such store or study.
    """
    from experiments.tracking.frames import frames

    return frames(study, output_dir, tracking_uri)

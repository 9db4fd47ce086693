"""The lab: train LSTM variants on tasks, record every trial in MLflow, compare them."""

import sys
from importlib.abc import MetaPathFinder

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

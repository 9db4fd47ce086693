"""A store whose output folder was moved or copied: its absolute addresses of files, and how to mend them."""

import os
from pathlib import Path

from sqlalchemy import Connection, create_engine, text

from experiments.errors import UserError
from experiments.tracking.artifacts import moved, output_folder, path_of
from experiments.tracking.store import Store


def relocate(store: Store) -> dict[Path, int]:
    """Change the addresses of files that were recorded in another folder to the output folder of the store.

    Runs whose files are still in that other folder, and not here, keep theirs.

    Returns:
        How many addresses of runs were changed, by the folder that they named.

    Raises:
        UserError: for a store that is not a database of our own: a server knows where its files are.
    """
    if store.has_server:
        raise UserError(f"tracking.uri={store.uri}: a server knows where its artifacts are: mend them there")
    counts: dict[Path, int] = {}
    engine = create_engine(store.uri)
    with store.usable(), engine.begin() as database:
        for experiment, address in database.execute(
            text("SELECT experiment_id, artifact_location FROM experiments")
        ).all():
            if store.is_elsewhere(address):
                values = {"id": experiment, "address": _moved_address(address, store.folder)}
                database.execute(
                    text("UPDATE experiments SET artifact_location = :address WHERE experiment_id = :id"), values
                )
        for run, address in database.execute(text("SELECT run_uuid, artifact_uri FROM runs")).all():
            path = path_of(address or "")
            if store.is_elsewhere(address) and path is not None and not _only_there(path, store.folder):
                values = {"id": run, "address": _moved_address(address, store.folder)}
                database.execute(text("UPDATE runs SET artifact_uri = :address WHERE run_uuid = :id"), values)
                before = output_folder(path)
                assert before is not None
                counts[before] = counts.get(before, 0) + 1
        _relocate_models(database, store)
    engine.dispose()
    return counts


def _relocate_models(database: Connection, store: Store) -> None:
    for model, address in database.execute(text("SELECT model_id, artifact_location FROM logged_models")).all():
        path = path_of(address or "")
        if path is None or len(path.parts) < 4:
            continue
        task = path.parents[2]  # the folder of its experiment, as of that of a run: STUDY/TASK/models/ID/artifacts
        now = moved(task, store.folder)
        if now is not None and now.exists() and store.is_elsewhere(task.as_uri()):
            values = {"id": model, "address": (now / path.relative_to(task)).as_uri()}
            database.execute(text("UPDATE logged_models SET artifact_location = :address WHERE model_id = :id"), values)


def _moved_address(address: str, folder: Path) -> str:
    path = path_of(address)
    place = None if path is None else moved(path, folder)
    assert place is not None
    return place.as_uri()


def _only_there(path: Path, folder: Path) -> bool:
    """Whether the files of a run are where the store says and not in the output folder."""
    now = moved(path, folder)
    return os.path.exists(path) and not (now is not None and now.exists())

"""Reading many runs at once from the tables of MLflow's database.

MLflow's own search makes an object of every parameter, tag and value, which takes minutes and gigabytes for ten
thousand runs.
"""

import math
import sys
from collections.abc import Collection, Sequence

from mlflow.entities import LifecycleStage
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag
from sqlalchemy import ColumnElement, Connection, Select, create_engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from experiments.tracking.metadata import Param, Tag
from experiments.tracking.run import StoredRun

MOST_KEYS = 10_000  # of one query, as SQLite takes 32,766 values; of more keys all runs are read
# What says which trial it is and how it stands. `settings` are those of version 0.1.0.
BRIEF_PARAMS = (Param.TASK, Param.VARIANT, Param.SEED, "settings")
BRIEF_TAGS = (
    *(Tag.KIND, Tag.STUDY, Tag.TRIAL_KEY, Tag.DIVERGED, Tag.ERROR, Tag.IMPORTING),
    *(Tag.HOST, Tag.NAMESPACE, Tag.PID, Tag.LOCK, Tag.HEARTBEAT, Tag.ATTEMPTS),
)

Texts = dict[str, dict[str, str]]  # by run and name
Values = dict[str, dict[str, float]]


def is_database(uri: str) -> bool:
    """Whether an address is that of a database, whose tables can be read."""
    try:
        return make_url(uri).get_backend_name() in DATABASE_ENGINES
    except ArgumentError:
        return False


class Tables:
    """The tables of a database in which MLflow keeps runs. They are only read.

    Args:
        uri: Address of the database, which MLflow has made or checked.
    """

    def __init__(self, uri: str) -> None:
        self.engine = create_engine(uri, poolclass=NullPool)

    def runs(
        self,
        experiment_ids: Sequence[str],
        *,
        finished: bool = False,
        keys: Collection[str] | None = None,
        brief: bool = False,
    ) -> list[StoredRun]:
        """The runs of experiments, newest first, as `MlflowClient.search_runs` gives them.

        Args:
            experiment_ids: The experiments.
            finished: Only finished runs.
            keys: Only runs of these trials.
            brief: Of parameters and tags only those that say which trial it is and how it stands, and no metrics.
        """
        conditions: list[ColumnElement[bool]] = [
            SqlRun.experiment_id.in_(map(int, experiment_ids)),
            SqlRun.lifecycle_stage == LifecycleStage.ACTIVE,
        ]
        if finished:
            conditions.append(SqlRun.status == "FINISHED")
        few = keys is not None and len(keys) <= MOST_KEYS
        if keys is not None and few:
            tags = SqlTag.key == str(Tag.TRIAL_KEY), SqlTag.value.in_(keys)
            conditions.append(SqlRun.run_uuid.in_(select(SqlTag.run_uuid).where(*tags)))
        with self.engine.connect() as connection:
            runs = _runs(connection, conditions, brief)
        return runs if keys is None or few else [run for run in runs if run.tags.get(Tag.TRIAL_KEY) in keys]

    def points(self, run_ids: Sequence[str]) -> list[tuple[str, str, int, float]]:
        """Run, metric, step and value of every value of runs, by metric and step."""
        table = SqlMetric
        query = select(table.run_uuid, table.key, table.step, table.value, table.is_nan)
        points = []
        with self.engine.connect() as connection:
            for start in range(0, len(run_ids), MOST_KEYS):
                some = query.where(table.run_uuid.in_(run_ids[start : start + MOST_KEYS]))
                for run_id, name, step, value, is_nan in connection.execute(some.order_by(table.key, table.step)):
                    points.append((run_id, sys.intern(name), step, math.nan if is_nan else value))
        return points


def _runs(connection: Connection, conditions: Sequence[ColumnElement[bool]], brief: bool) -> list[StoredRun]:
    order = SqlRun.start_time.is_(None), SqlRun.start_time.desc(), SqlRun.run_uuid
    heads = select(SqlRun.run_uuid, SqlRun.name, SqlRun.status, SqlRun.start_time).where(*conditions).order_by(*order)
    rows = connection.execute(heads).all()
    which = select(SqlRun.run_uuid).where(*conditions)
    params = _texts(connection, _of(SqlParam, which, BRIEF_PARAMS if brief else ()))
    tags = _texts(connection, _of(SqlTag, which, BRIEF_TAGS if brief else ()))
    metrics: Values = {} if brief else _values(connection, which)
    return [
        StoredRun.printable(
            run_id, name or "", status, *(part.get(run_id, {}) for part in (params, tags, metrics)), began
        )
        for run_id, name, status, began in rows
    ]


def _of(table: type[SqlParam] | type[SqlTag], runs: Select, names: Sequence[str]) -> Select:
    """The rows of runs in the table of parameters or of tags, all or those of some names."""
    rows = select(table.run_uuid, table.key, table.value).where(table.run_uuid.in_(runs))
    return rows.where(table.key.in_(map(str, names))) if names else rows


def _texts(connection: Connection, query: Select) -> Texts:
    """Texts by run and name. Equal ones are kept once: most runs have most of them in common."""
    texts: Texts = {}
    known: dict[str, str] = {}
    for run_id, name, text in connection.execute(query):
        texts.setdefault(run_id, {})[known.setdefault(name, name)] = known.setdefault(text, text)
    return texts


def _values(connection: Connection, runs: Select) -> Values:
    """The last value of each metric by run and name."""
    table = SqlLatestMetric
    values: Values = {}
    query = select(table.run_uuid, table.key, table.value, table.is_nan).where(table.run_uuid.in_(runs))
    for run_id, name, value, is_nan in connection.execute(query):
        values.setdefault(run_id, {})[sys.intern(name)] = math.nan if is_nan else value
    return values

"""Where trials are recorded. The only folder that knows MLflow."""

from experiments.tracking.address import run_link
from experiments.tracking.client import STORE_ERRORS, is_away, is_deleted
from experiments.tracking.first_view import charts_link
from experiments.tracking.process import is_held
from experiments.tracking.run import Run, StoredRun
from experiments.tracking.store import Store

__all__ = ["STORE_ERRORS", "Run", "Store", "StoredRun", "charts_link", "is_away", "is_deleted", "is_held", "run_link"]

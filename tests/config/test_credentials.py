"""Passwords in addresses are refused without being repeated."""

import pytest

from experiments.config import credentials
from experiments.errors import UserError

SECRET = "gehe1m"
WITH_PASSWORD = [
    f"http://me:{SECRET}@host:5000",
    f"https://{SECRET}@host",
    f"HTTPS://me:{SECRET}@host/mlflow",
    f"postgresql://me:{SECRET}@host/runs",
    f"postgresql+psycopg2://me:{SECRET}/with@host:5432/runs",
    f"mysql+pymysql://:{SECRET}@host/runs",
    f"postgresql:///runs?host=/tmp&user=me&password={SECRET}",
    f"mssql+pyodbc:///?odbc_connect=DRIVER%3DX%3BUID%3Dme%3BPWD%3D{SECRET}",
    f"tracking:\n  uri: http://me:{SECRET}@host\n",
    f"hydra:\n  overrides:\n    task:\n    - tracking.uri=http://a,http://me:{SECRET}@host\n",
]
WITHOUT = [
    "http://host:5000",
    "https://host/path?x=1",
    "postgresql://me@host:5432/runs",
    "postgresql://host/runs?passfile=/home/me/.pgpass",
    "sqlite:////home/me@work/a:b@c/mlflow.db",
    "sqlite+pysqlite:////a%3Fb/mlflow.db",
    "file:///home/me:x@y/mlruns",
    "databricks://profile:prefix",
    "defaults: [/schema/variant@_here_]\nuri: http://host:5000\nto: me@host",
]


@pytest.mark.parametrize("text", WITH_PASSWORD)
def test_a_password_is_refused(text):
    with pytest.raises(UserError, match="PGPASSWORD") as told:
        credentials.refuse("tracking.uri", text)
    assert SECRET not in str(told.value) and "MLFLOW_TRACKING_PASSWORD" in str(told.value)


@pytest.mark.parametrize("text", WITHOUT)
def test_an_address_without_one_is_accepted(text):
    credentials.refuse("tracking.uri", text)

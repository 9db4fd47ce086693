"""Passwords in addresses, which would be written into plans, reports and exports."""

import re

from experiments.errors import UserError

PASSWORD = re.compile(
    r"https?://[^\s/]*@"  # of a server: also a token alone
    r"|[a-z][a-z0-9+.-]*://[^:/@\n]*:[^@\n]*@"  # of a database: NAME:PASSWORD@HOST, as SQLAlchemy reads it
    r"|[?&;](password|passwd|token|secret|sslpassword)\s*=|pwd(=|%3D)",  # as an option of a driver
    re.IGNORECASE,
)


def refuse(argument: str, text: str) -> None:
    """Refuse a text that holds an address with a password or a token.

    Args:
        argument: What the text was given as.
        text: An address, or a whole configuration.

    Raises:
        UserError: without the password.
    """
    if PASSWORD.search(text):
        raise UserError(
            f"{argument}: the address holds a password, which would be written into plans, reports and exports. Leave "
            "it out of the address. For a server set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
            "MLFLOW_TRACKING_TOKEN; for PostgreSQL set PGPASSWORD or write ~/.pgpass; for MySQL write an option file"
        )

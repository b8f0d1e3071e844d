"""The way from each older schema to the present one, by Alembic, in this process and without a settings file."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

FOLDER = Path(__file__).parent


def settings(connection: Connection, folder: Path = FOLDER) -> Config:
    """Alembic's settings for a connection; `folder` holds `env.py` and `versions`."""
    config = Config()
    # Alembic reads settings like an ini file, where % begins a reference
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations that are missing, within the connection's transaction."""
    command.upgrade(settings(connection), revision)

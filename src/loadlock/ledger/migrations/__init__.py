"""The way from each older schema to the present one, by Alembic, in this process and without a settings file."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

FOLDER = Path(__file__).parent
"""Holds `env.py` and `versions`."""


def settings(connection: Connection) -> Config:
    """Alembic's settings for a connection."""
    config = Config()
    # Alembic reads settings like an ini file, where % begins a reference
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations that are missing, within the connection's transaction."""
    command.upgrade(settings(connection), revision)

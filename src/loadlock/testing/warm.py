"""Imported by the server that forks test processes: what commands import is loaded once there, and not once a process."""

from __future__ import annotations

import atexit
import gc
import pkgutil
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module

import loadlock
from loadlock.registry import components

_OTHERS = (
    "dateutil.relativedelta",
    "duckdb",
    "encodings.cp1252",
    "encodings.unicode_escape",
    "jinja2",
    "numpy.ma",
    "pandas",  # PyArrow looks for it as soon as it makes or shows a date
    "psycopg",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "pymysql",
    "pytz",
    "requests",
    "rich.console",
    "rich.table",
    "sqlalchemy.dialects.sqlite",
    "xml.etree.ElementTree",
)
"""What is imported late, by Loadlock or by what it uses."""


def _modules() -> Iterator[str]:
    """All of Loadlock but what is for tests, and but programs: they run when they are imported."""
    for module in pkgutil.walk_packages(loadlock.__path__, "loadlock.", onerror=lambda name: None):
        if not module.name.startswith("loadlock.testing") and not module.name.endswith("__main__"):
            yield module.name


for name in (*_OTHERS, *_modules()):
    with suppress(Exception):  # what can't be loaded is the forked process's to tell
        import_module(name)
for kind in ("formats", "rules", "checks", "destinations"):
    with suppress(Exception):
        list(components(kind).values())
gc.freeze()  # a collection in a forked process would copy every page of these
atexit.register(gc.unfreeze)

"""On what it was measured: the machine and the versions of everything that took part."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psycopg

from loadlock.testing.databases import connect_mysql

PACKAGES = ("loadlock", "duckdb", "pyarrow", "polars", "pandas", "adbc-driver-postgresql")


def machine() -> dict[str, str | int | float]:
    """Cores, memory, processor, system, and how busy it was before the first run."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "load_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def versions(servers: Mapping[str, str]) -> dict[str, str]:
    """Python, the packages that are installed, and the servers."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if url := servers.get("postgres"):
        with psycopg.connect(url) as connection:
            number = connection.info.server_version
        found["postgresql"] = f"{number // 10000}.{number % 10000}"
    for name in ("mariadb", "mysql"):
        if url := servers.get(name):
            with closing(connect_mysql(url)) as mysql, mysql.cursor() as cursor:
                cursor.execute("select version()")
                found[name] = str(cursor.fetchall()[0][0]).split("-")[0]
    return found

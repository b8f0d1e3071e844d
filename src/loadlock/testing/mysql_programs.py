"""Where MySQL's own server program is (not MariaDB's), fetched from Debian's packages into a folder where it isn't installed.

Nothing is installed and the system's package lists stay as they are: packages are unpacked below the temporary folder and
run by their own loader, so the server may be newer than the system.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from loadlock.errors import LoadlockError

PACKAGE = "mysql-server-core"
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_FETCH_SECONDS = 300


class NoMysqlError(LoadlockError):
    """MySQL's server is neither installed nor to be had."""


@dataclass(frozen=True, kw_only=True)
class MysqlProgram:
    """The command that runs `mysqld`, with the options that its folder needs."""

    command: tuple[str, ...]
    options: tuple[str, ...] = ()


def find_mysql() -> MysqlProgram:
    """The installed server, or the one fetched. Raises NoMysqlError."""
    installed = shutil.which("mysqld", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    if installed is not None and "MariaDB" not in _output([installed, "--version"]):
        return MysqlProgram(command=(installed,))
    folder = Path(tempfile.gettempdir()) / f"loadlock-mysql-{os.geteuid()}"
    if not (folder / "done").exists():
        _fetch(folder)
    return _unpacked(folder / "files")


def _unpacked(files: Path) -> MysqlProgram:
    usr = files / "usr"
    program, loaders = usr / "sbin" / "mysqld", sorted(files.glob("usr/lib64/ld-linux*.so.*"))
    libraries = [str(path) for path in sorted(usr.glob("lib/*-linux-gnu"))]
    if not program.exists() or not loaders or not libraries:
        raise NoMysqlError(f"the package {PACKAGE} holds no server for this kind of machine")
    return MysqlProgram(
        command=(str(loaders[0]), "--library-path", ":".join(libraries), str(program)),
        options=(f"--basedir={usr}", f"--lc-messages-dir={usr}/share/mysql",
                 f"--character-sets-dir={usr}/share/mysql/charsets"),
    )  # fmt: skip


def _fetch(folder: Path) -> None:
    """Debian's newest package and what it needs, unpacked."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None or not _SOURCES.exists():
        raise NoMysqlError("MySQL is not installed, and can be fetched on Debian alone")
    address = re.search(r"^URIs:\s*(\S+)", _SOURCES.read_text(encoding="utf-8"), re.MULTILINE)
    if address is None:
        raise NoMysqlError(f"{_SOURCES} names no archive")
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial", "files"):
        (folder / name).mkdir(parents=True)
    (folder / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {address[1]} sid main\n", encoding="utf-8")
    (folder / "status").touch()
    settings = {
        "Dir::Etc::SourceList": folder / "sources.list", "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": folder / "lists", "Dir::Cache": folder / "cache", "Dir::State::status": folder / "status",
        "APT::Sandbox::User": "root", "Debug::NoLocking": "1",
    }  # fmt: skip
    apt = ["apt-get", *(f"-o{name}={value}" for name, value in settings.items()), "-qq", "-y"]
    _output([*apt, "update"])
    _output([*apt, "--no-install-recommends", "--download-only", "install", PACKAGE])
    for package in sorted((folder / "cache" / "archives").glob("*.deb")):
        _output(["dpkg", "-x", str(package), str(folder / "files")])
    folder.chmod(0o755)
    (folder / "done").touch()


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - commands of ours
            command, capture_output=True, text=True, check=False, timeout=_FETCH_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoMysqlError(f"{Path(command[0]).name} failed: {error}") from error
    if done.returncode != 0:
        raise NoMysqlError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-500:]}")
    return done.stdout

"""Private PostgreSQL, MariaDB and MySQL servers on loopback, for tests and benchmarks.

A server runs from the programs installed on the machine, on a free port, with its data in a folder of its own under the
system's temporary folder. It ends with `stop`, or when the process that started it dies. As root it is run as an
unprivileged user (`nobody`; `mysql` for MariaDB), since both refuse to run as root.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from loadlock.errors import LoadlockError

START_SECONDS = 60
_NO_SYNC = {"innodb-flush-method": "nosync"}
_POSTGRES_FOLDERS = ("/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt/postgresql/bin")


class MissingServerError(LoadlockError):
    """The server's programs are not installed on this machine."""


@dataclass(kw_only=True)
class Server:
    """A running server of ours. `url` names a superuser and the server's own first database."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    command: list[str]
    stop_signal: int
    port: int
    socket_folder: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """End it at once, as a crash would (SIGKILL to the server's main process)."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Start it again on the same port and data, after `kill` or `stop_process`."""
        self.process = _launch(self.command, self.folder)
        _wait_for_port(self)

    def stop_process(self) -> None:
        """End it in good order; data stay."""
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def stop(self) -> None:
        """End it and remove its data."""
        self.stop_process()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_postgres(*, durable: bool = False, settings: dict[str, str] | None = None) -> Server:
    """A PostgreSQL server with trust authentication. `durable` = fsync on, as in production (for benchmarks).

    Raises MissingServerError where PostgreSQL is not installed.
    """
    programs = _postgres_programs()
    folder = _folder("loadlock-postgres-", "nobody")
    prefix = _as_user("nobody", signal.SIGINT)
    data = folder / "data"
    _run([*prefix, str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync", "-E",
          "UTF8", "--locale=C.UTF-8"], folder)  # fmt: skip
    port = _free_port()
    chosen = {
        "port": str(port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(folder),
        "fsync": "on" if durable else "off",
        "shared_buffers": "512MB" if durable else "64MB",
        "max_wal_size": "4GB",
        **(settings or {}),
    }
    options = [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
    command = [*prefix, str(programs / "postgres"), "-D", str(data), *options]
    return _start(command, folder, f"postgresql://postgres@127.0.0.1:{port}/postgres", port, signal.SIGINT)


def start_mariadb(*, durable: bool = False, settings: dict[str, str] | None = None) -> Server:
    """A MariaDB server whose user `root` has no password. `durable` = each commit is flushed (for benchmarks).

    Raises MissingServerError where MariaDB is not installed.
    """
    install, server = shutil.which("mariadb-install-db"), shutil.which("mariadbd", path=_wide_path())
    if install is None or server is None:
        raise MissingServerError("MariaDB is not installed", hint="Install it, as Debian's package mariadb-server.")
    folder = _folder("loadlock-mariadb-", "mysql")
    user = ["--user=mysql"] if os.geteuid() == 0 else []
    data = folder / "data"
    _run([install, "--no-defaults", *user, f"--datadir={data}", "--auth-root-authentication-method=normal",
          "--skip-test-db"], folder)  # fmt: skip
    port = _free_port()
    chosen = {
        "port": str(port),
        "bind-address": "127.0.0.1",
        "socket": str(folder / "m.sock"),
        "local-infile": "ON",
        "tmpdir": str(folder),  # a server that starts deletes what looks like its own in a shared one
        "innodb-buffer-pool-size": "1G" if durable else "64M",
        "innodb-flush-log-at-trx-commit": "1" if durable else "0",
        **({} if durable else {**_NO_SYNC, "innodb-doublewrite": "0", "sync-frm": "0"}),
        **(settings or {}),
    }
    options = _words(chosen)
    prefix = _as_user("mysql", signal.SIGTERM)
    command = [*prefix, server, "--no-defaults", f"--datadir={data}", *options]
    return _start(command, folder, f"mysql://root@127.0.0.1:{port}/mysql", port, signal.SIGTERM)


def start_mysql(*, durable: bool = False, settings: dict[str, str] | None = None) -> Server:
    """A MySQL server (not MariaDB) whose user `root` has no password; its programs are fetched where they are not installed.
    `durable` = each commit is flushed (for benchmarks).

    Raises MissingServerError where they can't be had.
    """
    from loadlock.testing.mysql_programs import NoMysqlError, find_mysql

    try:
        program = find_mysql()
    except NoMysqlError as error:
        raise MissingServerError(str(error)) from error
    folder = _folder("loadlock-mysql-", "nobody")
    prefix = _as_user("nobody", signal.SIGTERM)
    base = [*prefix, *program.command, "--no-defaults", *program.options, f"--datadir={folder / 'data'}"]
    _run([*base, "--initialize-insecure", *_words(_NO_SYNC), f"--log-error={folder / 'init.log'}"], folder)
    port = _free_port()
    chosen = {
        "port": str(port),
        "bind-address": "127.0.0.1",
        "mysqlx": "OFF",
        "socket": str(folder / "m.sock"),
        "pid-file": str(folder / "m.pid"),
        "local-infile": "ON",
        "disable-log-bin": "1",
        "innodb-buffer-pool-size": "1G" if durable else "128M",
        "innodb-flush-log-at-trx-commit": "1" if durable else "0",
        "secure-file-priv": "",
        **({} if durable else _NO_SYNC),
        **(settings or {}),
    }
    command = [*base, *_words(chosen)]
    return _start(command, folder, f"mysql://root@127.0.0.1:{port}/mysql", port, signal.SIGTERM)


def _words(options: dict[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]


def _postgres_programs() -> Path:
    """The folder of the newest installed PostgreSQL's server programs."""
    found = [path.parent for base in _POSTGRES_FOLDERS for path in Path(base).glob("**/bin/postgres")]
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).resolve().parent)
    if not found:
        raise MissingServerError("PostgreSQL is not installed", hint="Install it, as Debian's package postgresql.")
    return max(found, key=_version)


def _version(programs: Path) -> float:
    try:
        return float(programs.parent.name)
    except ValueError:
        return 0.0


def _wide_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


def _as_user(user: str, death_signal: int) -> list[str]:
    """Words before a command that drop root's rights and end the command with its parent; none for other users."""
    program = shutil.which("setpriv", path=_wide_path())
    if program is None:
        return []
    words = [program, "--pdeathsig", signal.Signals(death_signal).name.removeprefix("SIG")]
    if os.geteuid() == 0:
        words += [f"--reuid={user}", "--clear-groups"]
    return words


def _folder(prefix: str, user: str) -> Path:
    """A new folder that `user` may use; pytest's own temporary folders are closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    return folder


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)  # noqa: S603
    if done.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        raise LoadlockError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _launch(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)  # noqa: S603


def _start(command: list[str], folder: Path, url: str, port: int, stop_signal: int) -> Server:
    server = Server(
        url=url,
        folder=folder,
        process=_launch(command, folder),
        command=command,
        stop_signal=stop_signal,
        port=port,
        socket_folder=folder,
    )
    try:
        _wait_for_port(server)
    except LoadlockError:
        server.stop()
        raise
    return server


def _wait_for_port(server: Server) -> None:
    """Until the server answers: it may accept before it serves, so the first bytes of its protocol are waited for."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            break
        if _answers(server):
            return
        time.sleep(0.05)
    log = (server.folder / "log").read_text(errors="replace")[-2000:]
    raise LoadlockError(f"the server did not start within {START_SECONDS} seconds: {log}")


def _answers(server: Server) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=2) as wire:
            if server.url.startswith("postgresql"):
                return _postgres_is_ready(wire)
            return len(wire.recv(5)) == 5
    except OSError:
        return False


def _postgres_is_ready(wire: socket.socket) -> bool:
    """Whether a start-up packet is answered by `R` (authentication), not by `E` ("is starting up")."""
    body = b"\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00"
    wire.sendall((len(body) + 4).to_bytes(4, "big") + body)
    return wire.recv(1) == b"R"

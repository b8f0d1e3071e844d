"""TLS options in the URL: what is asked for is had, or the connection is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadlock.delivery.base import Target
from loadlock.delivery.destinations._mysql_address import Address
from loadlock.delivery.destinations._mysql_tls import tls_arguments
from loadlock.delivery.destinations._mysql_wire import connect, run
from loadlock.delivery.destinations.mysql import MysqlDestination
from loadlock.delivery.destinations.postgres import PostgresDestination
from loadlock.errors import DeliveryError, RefusedError, UsageError
from loadlock.testing.servers import MissingServerError, Server, start_mariadb


@pytest.mark.parametrize(
    ("options", "told"),
    [({"sslmode": "required"}, "unknown option: sslmode"), ({"ssl-mode": "on"}, "ssl_mode=on")],
)
def test_a_misspelt_option_is_no_open_connection(options: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        tls_arguments(options)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"no\.pem"):
        tls_arguments({"ssl_ca": str(tmp_path / "no.pem")})


@pytest.mark.mysql
def test_tls_that_the_server_lacks_is_refused(mysql: str) -> None:
    with pytest.raises(DeliveryError, match=r"(?i)ssl"):
        MysqlDestination().inspect(Target(url=f"{mysql}?ssl_mode=required", table="t"))


@pytest.mark.postgres
def test_tls_that_postgres_lacks_is_refused(postgres: str) -> None:
    with pytest.raises(DeliveryError, match=r"(?i)ssl"):
        PostgresDestination().inspect(Target(url=f"{postgres}?sslmode=require", table="t"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `ca.pem`, which is the server's certificate for 127.0.0.1 too, and `key.pem`."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("NO OPENSSL to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    command = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "ca.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o755)
    (folder / "key.pem").chmod(0o644)
    return folder


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[Server]:
    """A MariaDB server with TLS."""
    try:
        made = start_mariadb(settings={"ssl-cert": f"{certificate}/ca.pem", "ssl-key": f"{certificate}/key.pem"})
    except MissingServerError as error:
        pytest.skip(f"NO SERVER: {error}")
    yield made
    made.stop()


def cipher(url: str) -> str:
    connection = connect(Address.parse(url))
    try:
        return str(run(connection, "show session status like 'Ssl_cipher'")[0][1])
    finally:
        connection.close()


@pytest.mark.mysql
def test_the_modes_do_what_they_say(server: Server, certificate: Path, tmp_path: Path) -> None:
    assert cipher(f"{server.url}?ssl_mode=disabled") == ""
    assert cipher(server.url)
    assert cipher(f"{server.url}?ssl_mode=required")
    assert cipher(f"{server.url}?ssl_ca={certificate}/ca.pem")
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    with pytest.raises(DeliveryError, match=r"(?i)certificate|hostname"):
        cipher(f"{elsewhere}?ssl_ca={certificate}/ca.pem")
    assert cipher(f"{elsewhere}?ssl_mode=verify_ca&ssl_ca={certificate}/ca.pem")
    with pytest.raises(DeliveryError, match=r"(?i)certificate"):
        cipher(f"{server.url}?ssl_mode=verify_identity")

"""What can go wrong with a database server and the way to it."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, suppress

from loadlock.delivery.base import CONTROL_TABLE
from loadlock.testing.breaking.places import ServerPlace
from loadlock.testing.breaking.proxy import Proxy
from loadlock.testing.breaking.stage import CannotError, Stage, fill_up, make_room
from loadlock.testing.servers import Server

DOWN_SECONDS = 0.3
HELD_SECONDS = 2.5
"""Longer than the lock timeout of the trials."""
MANY = 64
"""More connections than the trials' servers take."""


def _proxy(stage: Stage) -> Proxy:
    assert stage.proxy is not None
    return stage.proxy


def _server(stage: Stage) -> Server:
    assert stage.server is not None
    return stage.server


def _database(stage: Stage) -> ServerPlace:
    assert isinstance(stage.place, ServerPlace)
    return stage.place


def _is_postgres(stage: Stage) -> bool:
    return stage.place.kind == "postgres"


def reset(stage: Stage) -> None:
    """Every connection gets a reset."""
    _proxy(stage).reset()


def half_close(stage: Stage) -> None:
    """The server is gone, and the client only reads an end."""
    _proxy(stage).half_close()


def stall_a_while(stage: Stage) -> None:
    """Nothing passes for a second."""
    _proxy(stage).stall()
    stage.after(1.0, _proxy(stage).release)


def stall(stage: Stage) -> None:
    """Nothing passes any more; the connections are cut when the run is gone."""
    _proxy(stage).stall()
    stage.undo.append(_proxy(stage).reset)
    stage.undo.append(_proxy(stage).release)


def slow_down(stage: Stage) -> None:
    """A few bytes at a time for the rest of the run."""
    _proxy(stage).slow_down()
    stage.undo.append(_proxy(stage).release)


def kill_server(stage: Stage) -> None:
    """SIGKILL to the server, which is started again a moment later."""
    server = _server(stage)
    server.kill()
    stage.after(DOWN_SECONDS, lambda: _restart(server))


def _restart(server: Server) -> None:
    """Its children may hold memory and port a moment longer."""
    for _ in range(20):
        with suppress(Exception):
            server.restart()
            return
        time.sleep(0.3)


def end_session(stage: Stage) -> None:
    """The run's sessions are ended on the server."""
    with ExitStack() as held:
        _end_sessions(stage, held)


def _end_sessions(stage: Stage, held: ExitStack) -> None:
    """End them over a connection that stays until `held` is closed."""
    execute = _database(stage).session(held)
    if _is_postgres(stage):
        execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name like 'loadlock%' and datname = current_database()"
        )
        return
    for (number,) in execute(
        "select id from information_schema.processlist where db = database() and id <> connection_id()"
    ):
        with suppress(Exception):
            execute(f"kill connection {int(number)}")


def take_all_connections(stage: Stage) -> None:
    """The run's sessions end, and for a while others hold every connection."""
    held = ExitStack()
    stage.undo.append(held.close)
    _end_sessions(stage, held)
    with suppress(Exception):
        for _ in range(MANY):
            _database(stage).session(held)
    stage.after(HELD_SECONDS, held.close)


def hold_target(stage: Stage) -> None:
    """Somebody else has locked the target's rows for longer than the run waits."""
    _hold(stage, "lock table orders in share mode", "select * from orders for update")


def hold_control(stage: Stage) -> None:
    """Somebody else has locked the control table for longer than the run waits."""
    _hold(stage, f"lock table {CONTROL_TABLE} in share mode", f"select * from {CONTROL_TABLE} for update")


def _hold(stage: Stage, postgres: str, mysql: str) -> None:
    held = ExitStack()
    execute = _database(stage).session(held)
    try:
        execute("set lock_timeout = '1s'" if _is_postgres(stage) else "set innodb_lock_wait_timeout = 1")
        execute("begin")
        execute(postgres if _is_postgres(stage) else mysql)
    except Exception as error:
        held.close()
        raise CannotError("the run itself holds this lock here") from error
    stage.undo.append(held.close)
    stage.after(HELD_SECONDS, held.close)


def deadlock(stage: Stage) -> None:
    """Somebody else holds what the run wants next and waits for what it has; the server is to choose the run."""
    held = ExitStack()
    execute = _database(stage).session(held)
    stage.undo.append(held.close)
    if _is_postgres(stage):
        execute("set deadlock_timeout = '1min'")
        execute("begin")
        execute(f"lock table {CONTROL_TABLE} in access exclusive mode")
        blocked = "lock table orders in share mode"
    else:
        # the lighter transaction is the victim
        execute("create database if not exists harness")
        execute("create table if not exists harness.ballast (n integer)")
        execute("set innodb_lock_wait_timeout = 20")
        execute("begin")
        execute("insert into harness.ballast values " + ", ".join("(1)" for _ in range(5000)))
        execute(f"select * from {CONTROL_TABLE} for update")
        blocked = "select * from orders for update"
    done = threading.Event()

    def wait() -> None:
        try:
            execute(blocked)
            execute("rollback")
        finally:
            done.set()

    stage.beside(wait)
    time.sleep(0.3)
    if done.is_set():
        raise CannotError("the run holds no lock on the target here")


def fail_serialization(stage: Stage) -> None:
    """A trigger makes the next change of the target fail once as a serialization failure does."""
    place = _database(stage)
    place.query("create schema harness")
    place.query("create sequence harness.struck")
    place.query(
        "create function harness.strike() returns trigger language plpgsql as $$ begin"
        " if nextval('harness.struck') = 1 then raise exception 'could not serialize access' using errcode = '40001'; end if;"
        " return null; end $$"
    )
    try:
        place.query(
            "set lock_timeout = '1s'; create trigger strike before insert or update or delete on orders"
            " for each statement execute function harness.strike()"
        )
    except Exception as error:
        raise CannotError("the run itself holds this lock here") from error
    stage.undo.append(lambda: (place.query("drop schema harness cascade"), None)[1])


def fill_disk(stage: Stage) -> None:
    """The disk of the table is full."""
    folder = _server(stage).folder / "small"
    fill_up(folder)
    stage.undo.append(lambda: make_room(folder))

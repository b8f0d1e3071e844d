"""The ways to break a run. Each is struck while the run is halted at a named place; then the run goes on.

`ALL` holds them in the order of the page.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from loadlock.testing.breaking import server_ways as servers
from loadlock.testing.breaking.batch import FILES, file_text
from loadlock.testing.breaking.places import OUT, Place
from loadlock.testing.breaking.stage import Stage, fill_up, make_room

INTAKE = ("intake.part_written", "intake.part_listed", "intake.file_read")
BEFORE_DELIVERY = ("intake.staged", "cleaned.recorded")
DELIVERY = ("delivery.opened", "delivery.chunk_sent", "delivery.loaded", "publishing.recorded")
COMMITS = ("chunk.before_commit", "chunk.committed", "target.merged", "target.before_commit", "target.committed")
AFTER = ("delivery.published", "published.recorded", "delivery.verified")
CUT = (*DELIVERY, *COMMITS, *AFTER)


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to break a run."""

    name: str
    group: str
    """The column of the page."""
    strike: Callable[[Stage], None] | None = None
    """Done while the run is halted; None: the place itself sends `signal`."""
    signal: str = "stop"
    """`kill`, `int` or `term` without a strike."""
    places: tuple[str, ...] | None = None
    """Where it is struck; None = at every place that a run passes."""
    codes: tuple[int, ...] = (3,)
    """The exit codes that are right: 3 = survived, since the batch has rejects."""
    says: str = ""
    """What the message must match where the run did not survive."""
    disk: str = ""
    """The folder, below the trial's, that must be a small disk."""
    suits: Callable[[Place], bool] = lambda place: True
    options: tuple[tuple[str, str], ...] = ()
    """Options of the destination in the pipeline."""
    shared: bool = False
    """The same for every destination: shared out over the cells."""
    stalls: bool = False
    """After the strike the run goes no further by itself: it is stopped by SIGINT."""


def _is_server(place: Place) -> bool:
    return place.is_server


def _is_postgres(place: Place) -> bool:
    return place.kind == "postgres"


def _is_local(place: Place) -> bool:
    return not place.is_server


def _is_sqlite(place: Place) -> bool:
    return place.kind == "sqlite"


def _fill_workspace(stage: Stage) -> None:
    folder = stage.folder / ".loadlock"
    fill_up(folder)
    stage.undo.append(lambda: make_room(folder))


def _fill_target(stage: Stage) -> None:
    folder = stage.folder / OUT
    fill_up(folder)
    stage.undo.append(lambda: make_room(folder))


def _change_source(stage: Stage) -> None:
    for number, name in enumerate(FILES):
        path = stage.folder / name
        with path.open("a", encoding="utf-8") as file:
            file.write("5000,late,1.00,15/03/2024\n")
        stage.undo.append(lambda path=path, number=number: path.write_text(file_text(number), encoding="utf-8"))  # type: ignore[misc]


def _remove_source(stage: Stage) -> None:
    for number, name in enumerate(FILES):
        path = stage.folder / name
        path.unlink()
        stage.undo.append(lambda path=path, number=number: path.write_text(file_text(number), encoding="utf-8"))  # type: ignore[misc]


def _hold_sqlite(statement: str) -> Callable[[Stage], None]:
    """Another connection holds the file for a second."""
    import sqlite3

    def strike(stage: Stage) -> None:
        def hold() -> None:
            with closing(sqlite3.connect(stage.place.url, isolation_level=None)) as connection:
                connection.execute("begin")
                connection.execute(statement).fetchall()
                ready.set()
                go.wait(1.0)
                connection.execute("rollback")

        import threading

        ready, go = threading.Event(), threading.Event()
        stage.beside(hold)
        ready.wait(5)

    return strike


def _signals() -> list[Way]:
    stopped = {"codes": (7,), "says": "loadlock resume|stopped by a signal|run again"}
    return [
        Way(name="killed (SIGKILL)", group="SIGKILL", signal="kill", codes=(-9,)),
        Way(name="stopped (SIGINT)", group="SIGINT", signal="int", **stopped),  # type: ignore[arg-type]
        Way(name="stopped (SIGTERM)", group="SIGTERM", signal="term", **stopped),  # type: ignore[arg-type]
    ]


def _connections() -> list[Way]:
    def way(name: str, strike: Callable[[Stage], None], places: tuple[str, ...] = CUT, *, stalls: bool = False) -> Way:
        return Way(
            name=name, group="connection", strike=strike, places=places, codes=(3, 7), says="connection|server|signal|lock",
            suits=_is_server, stalls=stalls,
        )  # fmt: skip

    return [
        way("connection reset", servers.reset),
        way("connection half-closed", servers.half_close),
        way("connection stalled for a second", servers.stall_a_while, DELIVERY + COMMITS),
        way(
            "connection stalled for good, run stopped", servers.stall, ("delivery.opened", "target.merged"), stalls=True
        ),
        way("connection slow", servers.slow_down, DELIVERY),
        way("session ended by the administrator", servers.end_session),
    ]


def _database() -> list[Way]:
    server = {"group": "server", "codes": (3, 7), "says": "server|connection", "suits": _is_server}
    locks = {"group": "locks", "suits": _is_server, "options": (("lock_timeout", "1"),)}
    return [
        Way(name="server killed and restarted", strike=servers.kill_server, places=CUT, **server),  # type: ignore[arg-type]
        Way(name="no connection free", strike=servers.take_all_connections, places=(*BEFORE_DELIVERY, *DELIVERY, *COMMITS),
            **{**server, "group": "connections full", "says": "connection|clients"}),  # type: ignore[arg-type]
        Way(name="deadlock", strike=servers.deadlock, places=("target.merged",), **{**locks, "group": "deadlock"}),  # type: ignore[arg-type]
        Way(name="lock timeout on the target", strike=servers.hold_target, places=DELIVERY[:1] + DELIVERY[3:],
            **locks),  # type: ignore[arg-type]
        Way(name="lock timeout on the control table", strike=servers.hold_control, places=(*DELIVERY, "target.merged"),
            **locks),  # type: ignore[arg-type]
        Way(name="serialization failure", group="serialization", strike=servers.fail_serialization,
            places=("delivery.opened", "delivery.chunk_sent", "publishing.recorded"), suits=_is_postgres),
        Way(name="another process reads for a second", group="locks", strike=_hold_sqlite("select * from orders"),
            places=("delivery.opened", "target.before_commit"), suits=_is_sqlite),
        Way(name="another process writes for a second", group="locks", strike=_hold_sqlite("delete from orders where id = -1"),
            places=("cleaned.recorded",), codes=(3, 5), says="writes to", suits=_is_sqlite),
    ]  # fmt: skip


def _disks() -> list[Way]:
    full = {"group": "disk full", "codes": (1, 3), "says": "(?i)full|space"}
    stores = ("intake.part_written", "intake.part_listed", "intake.staged", "cleanup.part_written", "cleanup.part_listed",
              "cleaned.recorded", "delivery.opened", "delivery.chunk_listed", "publishing.recorded", "file.written",
              "ledger.before_commit", "end.rejects_counted")  # fmt: skip
    return [
        Way(name="workspace's disk full", strike=_fill_workspace, places=stores, disk=".loadlock", shared=True, **full),  # type: ignore[arg-type]
        Way(name="target's disk full", strike=_fill_target, places=(*DELIVERY, *COMMITS), disk=OUT,
            **{**full, "suits": _is_local}),  # type: ignore[arg-type]
        Way(name="server's disk full", strike=servers.fill_disk, places=DELIVERY, disk="server",
            **{**full, "suits": _is_server}),  # type: ignore[arg-type]
    ]  # fmt: skip


def _sources() -> list[Way]:
    places = ("batch.begun", "run.begun", *INTAKE, *BEFORE_DELIVERY)
    changed = {
        "group": "source changed",
        "shared": True,
        "codes": (2, 3),
        "says": "changed|bytes|grows|gone|No such|no file|vanished",
    }
    return [
        Way(name="source files grow", strike=_change_source, places=places, **changed),  # type: ignore[arg-type]
        Way(name="source files vanish", strike=_remove_source, places=places, **changed),  # type: ignore[arg-type]
    ]


ALL: tuple[Way, ...] = (*_signals(), *_connections(), *_database(), *_disks(), *_sources())

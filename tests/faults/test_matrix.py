"""A few trials of the fault matrix and a small soak; `make faults` and `make soak` do all of them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from loadlock import faults
from loadlock.model import WriteMode
from loadlock.testing.breaking import ways
from loadlock.testing.breaking.arena import KINDS
from loadlock.testing.breaking.matrix import Wanted, load, points_of, run_aloud, run_kind
from loadlock.testing.breaking.page import page
from loadlock.testing.breaking.proxy import Proxy
from loadlock.testing.breaking.soak import Soak, apply, make_batches, soaking
from loadlock.testing.breaking.trial import Result
from loadlock.testing.command import CommandLine

Trial = tuple[WriteMode, str, str]
APPEND, REPLACE, UPSERT, SCD2 = WriteMode.APPEND, WriteMode.REPLACE, WriteMode.UPSERT, WriteMode.SCD2
SHORT: dict[str, list[Trial]] = {
    "postgres": [
        (UPSERT, "server killed and restarted", "target.before_commit"),
        (UPSERT, "connection reset", "target.merged"),
        (REPLACE, "deadlock", "target.merged"),
        (REPLACE, "session ended by the administrator", "delivery.published"),
        (UPSERT, "no connection free", "delivery.loaded"),
        (UPSERT, "server's disk full", "delivery.loaded"),
        (UPSERT, "serialization failure", "publishing.recorded"),
        (UPSERT, "killed (SIGKILL)", "target.committed"),
    ],
    "mariadb": [
        (REPLACE, "server killed and restarted", "delivery.loaded"),
        (REPLACE, "connection half-closed", "target.before_commit"),
        (REPLACE, "lock timeout on the target", "delivery.opened"),
        (REPLACE, "killed (SIGKILL)", "target.before_commit"),
    ],
    "duckdb": [(APPEND, "killed (SIGKILL)", "target.before_commit"), (APPEND, "target's disk full", "delivery.loaded")],
    "sqlite": [(SCD2, "killed (SIGKILL)", "target.committed"), (SCD2, "stopped (SIGTERM)", "target.merged")],
    "csv": [(APPEND, "killed (SIGKILL)", "target.committed"), (APPEND, "stopped (SIGTERM)", "target.before_commit")],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mysql),
        "duckdb",
        "sqlite",
        "csv",
    ],
)
def test_a_run_that_is_broken_comes_right(kind: str, tmp_path: Path) -> None:
    wanted = SHORT[kind]
    results = run_kind(
        kind,
        tmp_path,
        lambda cell, way, point: (cell.mode, way.name, point) in wanted,
        lambda result: None,
        modes=[mode for mode, _, _ in wanted],
    )
    assert [(one.way, one.point, one.fault) for one in results if one.fault] == []
    if why := [one.skipped for one in results if one.skipped]:
        pytest.skip("; ".join(why))
    assert {(one.way, one.point) for one in results} == {(way, point) for _, way, point in wanted}


def test_every_name_of_a_place_in_the_ways_is_known_and_every_way_has_its_own_name() -> None:
    named = {point for way in ways.ALL for point in way.places or ()}
    assert named <= set(faults.ALL_POINTS)
    names = [way.name for way in ways.ALL]
    assert len(names) == len(set(names))
    assert {name for trials in SHORT.values() for _, name, _ in trials} <= set(names)
    assert set(SHORT) <= set(KINDS)


def test_the_first_and_the_last_time_at_a_place_are_tried() -> None:
    assert points_of(["a", "b", "a", "a"]) == ["a", "a:3", "b"]


def test_a_wrong_trial_stands_on_the_page_with_its_reason(tmp_path: Path) -> None:
    right = Result(place="sqlite", mode="append", way="killed", group="SIGKILL", point="p", code=-9)
    wrong = Result(place="sqlite", mode="append", way="killed", group="SIGKILL", point="q", fault="two rows too many")
    unmade = Result(place="mysql", mode="", way="", group="", point="", skipped="no server")
    text = page([right, wrong, unmade])
    assert "2 faults injected, 1 survived, 1 not" in text
    assert "| sqlite | append | 1 of 2 | 1 of 2 |" in text
    assert "two rows too many" in text
    assert "no server" in text


@pytest.mark.slow
def test_results_are_kept_and_what_came_right_is_not_done_again(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    wanted = Wanted(modes=("append",), ways=("SIGKILL",), points=("target.committed",), results=results)
    (first,) = run_aloud(wanted, tmp_path, "csv")
    assert (first.fault, first.code) == ("", -9)
    done = frozenset({(first.place, first.mode, first.way, first.point)})
    assert (
        run_aloud(Wanted(modes=("append",), ways=("SIGKILL",), results=results, done=done, most=0), tmp_path, "csv")
        == []
    )
    assert load(results) == [first]


class Echo:
    """A server of one line: it sends back what it got."""

    def __init__(self, stack: ExitStack) -> None:
        self.listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port = int(self.listener.getsockname()[1])


@pytest.fixture
def wires() -> Iterator[tuple[Proxy, socket.socket, socket.socket]]:
    """A proxy, the client's end and the server's end of a connection through it."""
    with ExitStack() as stack:
        echo = Echo(stack)
        proxy = stack.enter_context(Proxy(echo.port))
        client = stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=5))
        server = stack.enter_context(echo.listener.accept()[0])
        client.sendall(b"ping")
        assert server.recv(4) == b"ping"
        yield proxy, client, server


def test_the_proxy_resets_both_ends(wires: tuple[Proxy, socket.socket, socket.socket]) -> None:
    proxy, client, server = wires
    proxy.reset()
    for end in (client, server):
        with pytest.raises(ConnectionResetError):
            end.recv(1)


def test_a_half_closed_client_reads_an_end_and_may_write(wires: tuple[Proxy, socket.socket, socket.socket]) -> None:
    proxy, client, server = wires
    proxy.half_close()
    assert client.recv(1) == b""
    client.sendall(b"to nobody")
    assert server.recv(1) == b""


def test_a_stalled_connection_goes_on_when_it_is_released(wires: tuple[Proxy, socket.socket, socket.socket]) -> None:
    proxy, client, server = wires
    proxy.stall()
    client.sendall(b"held")
    server.settimeout(0.05)
    with pytest.raises(TimeoutError):
        server.recv(4)
    proxy.release()
    server.settimeout(5)
    assert server.recv(4) == b"held"


def test_a_command_that_is_killed_before_it_prints_has_said_nothing(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    started = CommandLine(folder=work).start("--version", fault="")
    started.process.kill()
    for name in ("out", "err"):
        assert (started.printed / name).exists()
    assert started.wait().code in (-9, 0)


def test_the_model_of_the_soak_knows_each_mode() -> None:
    batches = make_batches(60, 40, 1, list(WriteMode))
    assert {batch.mode for batch in batches} == set(WriteMode) - {WriteMode.SCD2}
    model = {7: (7, 0, "old", "1.00")}
    for mode in (WriteMode.INSERT_ONLY, WriteMode.UPSERT):
        batch = next(one for one in batches if one.mode == mode)
        before = dict(model)
        apply(model, batch)
        assert model[7] == before[7]
        assert {row[0] for row in batch.rows} <= set(model)
    whole = next(one for one in batches if one.mode == WriteMode.MIRROR)
    apply(model, whole)
    assert sorted(model.values()) == sorted(whole.rows)


@pytest.mark.slow
@pytest.mark.postgres
def test_a_short_soak_ends_as_its_model(postgres: str, tmp_path: Path) -> None:
    with soaking(tmp_path, 3, postgres) as soak:
        batches = make_batches(6, 120, 3, soak.place.modes)
        soak.run(batches, report_every=3)
        assert soak.differences() == []
    assert [done for done, *_ in soak.sizes] == [3, 6]


@pytest.mark.slow
@pytest.mark.postgres
def test_a_table_that_others_changed_differs_from_the_model(postgres: str, tmp_path: Path) -> None:
    with soaking(tmp_path, 3, postgres) as soak:
        batches = make_batches(2, 20, 3, [WriteMode.APPEND])
        soak.run(batches, report_every=1)
        soak.place.query(f"delete from {batches[0].table} where id = {batches[0].rows[0][0]}")
        assert "1 differ" in soak.differences()[0]
        assert isinstance(soak, Soak)

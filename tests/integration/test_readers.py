"""Readers of a server's table wait for nobody: until the commit they see the old rows, whatever the mode."""

from __future__ import annotations

from typing import Any

import pytest

from loadlock.delivery.base import Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations import _server_session
from loadlock.model import WriteMode
from loadlock.testing.contracts.destinations import PEOPLE, Case, ignore, job, part, person
from loadlock.testing.databases import ask
from loadlock.workflow.destinations import destination_for

MODES = [WriteMode.REPLACE, WriteMode.UPSERT, WriteMode.MIRROR, WriteMode.DELETE_INSERT]
WAITS_A_SECOND = {"postgres": "lock_timeout%3D1000", "mysql": ""}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [pytest.param(name, marks=getattr(pytest.mark, name)) for name in WAITS_A_SECOND])
def test_readers_see_the_old_rows_right_before_the_commit(
    kind: str, mode: WriteMode, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = request.getfixturevalue(kind)
    reader = f"{url}?options=-c%20{WAITS_A_SECOND[kind]}" if WAITS_A_SECOND[kind] else url
    case = Case(destination=destination_for(url)(), target=Target(url=url, table="t"), count=lambda: None)
    seen: list[list[tuple[Any, ...]]] = []

    def look(name: str) -> None:
        if name == "target.before_commit":
            seen.append([(int(number), text) for number, text in ask(reader, "select id, name from t order by id")])

    def deliver(run: str, rows: list[tuple[Any, ...]]) -> None:
        with Delivery(case.destination, job(case, PEOPLE, mode, run)) as delivery:
            delivery.open()
            delivery.load([(1, part(PEOPLE, rows))], ignore)
            delivery.publish()

    deliver("run1", [person(1, "old"), person(2, "old")])
    monkeypatch.setattr(_server_session, "point", look)
    deliver("run2", [person(2, "new"), person(3, "new")])
    assert seen == [[(1, "old"), (2, "old")]]
    assert (3, "new") in [(int(number), text) for number, text in ask(url, "select id, name from t")]

"""The contract suite of SQL statements in the publishing transaction, for destinations that run such."""

from __future__ import annotations

import pytest

from loadlock.delivery.deliver import Delivery
from loadlock.errors import RefusedError
from loadlock.model import WriteMode
from loadlock.testing.contracts.destinations import PEOPLE, Case, deliver, job, part, person


class HooksContract:
    """Subclass it and define the fixture `case`."""

    @pytest.fixture(params=[WriteMode.REPLACE, WriteMode.UPSERT])
    def hooked(self, request: pytest.FixtureRequest, case: Case) -> WriteMode:
        if not case.destination.capabilities.hooks:
            pytest.skip(f"{case.destination.name} runs no SQL")
        deliver(case, job(case, PEOPLE, WriteMode.APPEND, "run0"), [part(PEOPLE, [person(1), person(2)])])
        mode: WriteMode = request.param
        return mode

    def test_hooks_see_the_rows_before_and_behind(self, case: Case, hooked: WriteMode) -> None:
        table = case.target.table
        before = f"update {table} set name = 'seen' where id = 1"
        after = f"-- a comment\nupdate {table} set name = 'late' where id = 3"
        work = job(case, PEOPLE, hooked, "run1", before=(before,), after=(after, f"delete from {table} where id = 2"))
        with Delivery(case.destination, work) as delivery:
            delivery.open()
            delivery.load([(1, part(PEOPLE, [person(3)]))], lambda chunk: None)
            delivery.publish()
            assert delivery.verify().equal is False  # what `after` changed is not what was sent
        assert case.count() == (1 if hooked == WriteMode.REPLACE else 2)

    def test_a_hook_that_fails_or_would_commit_publishes_nothing(self, case: Case, hooked: WriteMode) -> None:
        table = case.target.table
        two = f"delete from {table} where id = 1; delete from {table} where id = 2"
        hooks = [("delete from no_such_table", "failed"), ("/* x */ Commit", "end"), (two, "hook")]
        for number, (sql, told) in enumerate(hooks):
            work = job(case, PEOPLE, hooked, f"late{number}", after=(sql,))
            with Delivery(case.destination, work) as delivery:
                delivery.open()
                delivery.load([(1, part(PEOPLE, [person(3)]))], lambda chunk: None)
                with pytest.raises(RefusedError, match=told):
                    delivery.publish()
                delivery.abandon()
            assert case.count() == 2

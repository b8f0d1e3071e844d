"""What the tests by command share."""

from __future__ import annotations

import pytest

from loadlock.testing.command import CommandLine
from loadlock.workflow import early
from loadlock.workflow.delivering import Deliveries, DeliveryWork


@pytest.fixture(
    params=[
        "duckdb",
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mysql", marks=pytest.mark.mysql),
    ]
)
def url(request: pytest.FixtureRequest, loadlock: CommandLine) -> str:
    """A database of each kind: an empty one on a server, or a file in the command line's folder."""
    if request.param in ("postgres", "mysql"):
        return str(request.getfixturevalue(request.param))
    return f"{request.param}:///{loadlock.folder}/out.db"


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> list[Deliveries | None]:
    """What each early load came to."""
    found: list[Deliveries | None] = []
    finish = early.EarlyLoad.finish

    def tell(self: early.EarlyLoad, work: DeliveryWork) -> Deliveries | None:
        found.append(finish(self, work))
        return found[-1]

    monkeypatch.setattr(early.EarlyLoad, "finish", tell)
    return found

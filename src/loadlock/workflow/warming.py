"""What a run will need later and can be made ready beside its intake: drivers, the report's template."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from loadlock.errors import LoadlockError
from loadlock.workflow.destinations import BoundDestination


def warm(bound: Sequence[BoundDestination], *, report: bool) -> None:
    """Import drivers by asking the destinations that load early for their tables; compile the report. What fails here is
    told where it is needed."""
    for destination in bound:
        if destination.destination.capabilities.early:
            with suppress(LoadlockError):
                destination.destination.inspect(destination.target)
    if report:
        from loadlock.report.page import prepare

        prepare()

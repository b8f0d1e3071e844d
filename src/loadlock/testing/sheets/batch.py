"""`spreadsheets.batchUpdate`: all of it or nothing, in order. A kind of request that is not known here is refused by name."""

from __future__ import annotations

from collections.abc import Callable

from loadlock.testing.sheets import dimensions as kinds_dimensions
from loadlock.testing.sheets import (
    kinds_cells,
    kinds_marks,
    kinds_metadata,
    kinds_paste,
    kinds_tabs,
)
from loadlock.testing.sheets.errors import ApiError, Json, bad, payload, unknown
from loadlock.testing.sheets.present import spreadsheet
from loadlock.testing.sheets.work import Work

KINDS: dict[str, Callable[[Work, Json], Json]] = {
    **kinds_cells.KINDS,
    **kinds_dimensions.KINDS,
    **kinds_marks.KINDS,
    **kinds_metadata.KINDS,
    **kinds_paste.KINDS,
    **kinds_tabs.KINDS,
}
"""Kind of request → what does it."""


def batch_update(work: Work, body: Json) -> Json:
    """Do the requests one after the other on the copy; the first that fails fails all."""
    requests = body.get("requests", [])
    limit = work.settings.limits.subrequests
    if not requests:
        raise bad("Must specify at least one request.")
    if len(requests) > limit:
        raise bad(f"Cannot exceed {limit} requests in a single batch.")
    replies = [_one(work, index, request) for index, request in enumerate(requests)]
    answer: Json = {"spreadsheetId": work.book.spreadsheet_id, "replies": replies}
    if body.get("includeSpreadsheetInResponse"):
        ranges = body.get("responseRanges", [])
        grid = bool(body.get("responseIncludeGridData"))
        answer["updatedSpreadsheet"] = spreadsheet(work, ranges=ranges, grid_data=grid, mask=None)
    return answer


def _one(work: Work, index: int, request: Json) -> Json:
    kinds = list(request)
    if not kinds:
        raise bad(f"Invalid requests[{index}]: No request set.")
    if len(kinds) > 1:
        text = (
            f"Invalid value at 'requests[{index}]' (oneof), oneof field 'kind' is already set. Cannot set '{kinds[1]}'"
        )
        raise payload(f"requests[{index}]", text)
    kind = kinds[0]
    if kind not in KINDS:
        raise unknown(f"the request {kind} (requests[{index}])")
    try:
        reply = KINDS[kind](work, request[kind])
    except ApiError as error:
        raise error.prefixed(f"Invalid requests[{index}].{kind}") from error
    return {kind: reply} if reply else {}

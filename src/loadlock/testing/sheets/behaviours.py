"""What the emulator does as the service does, and how we know: the list behind docs/reference/sheets-emulator.md.

`documented`: Google's documentation or discovery document says so. `observed`: users saw it on the real service and wrote it
down in public. `assumed`: neither; where two readings are possible the one that is worse for the client was taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mark = Literal["documented", "observed", "assumed"]


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """One fact. `test` is the test that shows it on the emulator; those of the contract suite also run with `--live`."""

    area: str
    text: str
    mark: Mark
    source: str
    test: str


def _area(area: str, *facts: tuple[str, Mark, str, str]) -> list[Behaviour]:
    return [Behaviour(area=area, text=text, mark=mark, source=source, test=test) for text, mark, source, test in facts]


DISCOVERY = "discovery document"
GUIDE = "Sheets API guides"
LIMITS = "usage limits page"

BEHAVIOURS: list[Behaviour] = [
    *_area(
        "Requests",
        (
            "Methods, query parameters, enums, bodies and field masks are the discovery document's; anything else is 400.",
            "documented",
            DISCOVERY,
            "test_the_body_is_checked",
        ),
        (
            "Names in snake_case and numbers as text are understood.",
            "documented",
            "proto3 JSON mapping",
            "test_snake_case_and_numbers_as_text_are_understood",
        ),
        (
            "`False` and `True` in a query are understood.",
            "observed",
            "gspread sends them",
            "test_gspread_writes_a_sheet",
        ),
        (
            "A payload above 10,485,760 bytes is 400 `Request payload size exceeds the limit`.",
            "observed",
            "PSGSuite#62, google-api-dotnet-client-samples#23",
            "test_a_payload_above_ten_mebibytes_is_refused",
        ),
        ("NaN and Infinity are no JSON: 400.", "observed", "gspread#680", "test_not_a_number_is_no_json"),
        (
            "A request of more than 180 seconds (by the speed model) is 504; it is not applied.",
            "assumed",
            "180 seconds: usage limits page; that nothing is applied: assumed",
            "test_a_request_that_would_take_too_long_is_not_applied",
        ),
    ),
    *_area(
        "Accounts",
        (
            "Tokens come for a JWT signed by the account's key (RFC 7523), of an hour at most, or for a refresh token.",
            "documented",
            "OAuth 2.0 for service accounts",
            "test_a_key_of_another_account_gets_no_token",
        ),
        (
            "A scope that the method doesn't list is 403.",
            "documented",
            DISCOVERY,
            "test_a_token_of_a_narrow_scope_may_not_write",
        ),
        (
            "A spreadsheet that isn't shared is 403 `The caller does not have permission`, one that doesn't exist 404.",
            "observed",
            "common in public issues",
            "test_only_whom_it_is_shared_with_may_read_and_write",
        ),
        (
            "A service account creates no spreadsheets.",
            "observed",
            "gspread#1592, n8n#26050",
            "test_a_service_account_owns_no_spreadsheets",
        ),
        (
            "Writing into a protected range without being an editor is 400; reading tells by `requestingUserCanEdit`.",
            "documented",
            DISCOVERY,
            "test_a_protected_range_keeps_others_out",
        ),
    ),
    *_area(
        "Quotas",
        (
            "60 reads and 60 writes a minute and user, 300 a project; a batch counts as one; beyond them 429.",
            "documented",
            LIMITS,
            "test_a_minutes_quota_is_refused_with_the_real_body",
        ),
        (
            "The 429 carries ErrorInfo RATE_LIMIT_EXCEEDED with the limit's name and value, and no Retry-After.",
            "observed",
            "ballerina-library#5735",
            "test_a_minutes_quota_is_refused_with_the_real_body",
        ),
        (
            "A minute is any 60 seconds, not the clock's minute; refused requests don't count.",
            "assumed",
            "stricter than fixed minutes",
            "test_a_minutes_quota_is_refused_with_the_real_body",
        ),
    ),
    *_area(
        "Values",
        (
            "RAW stores text, numbers and booleans as they are.",
            "documented",
            GUIDE,
            "test_raw_keeps_every_value_as_it_is",
        ),
        (
            "null leaves a cell alone, empty text clears it.",
            "documented",
            DISCOVERY,
            "test_null_keeps_a_cell_and_empty_text_clears_it",
        ),
        (
            "USER_ENTERED reads as typed: 007, 1-2, 7e30, $100.15, '0123, =1+2.",
            "observed",
            "gspread-dataframe#26, #64",
            "test_user_entered_reads_text_as_if_typed",
        ),
        (
            "Which other texts USER_ENTERED takes for dates and times, in the locale en_US.",
            "assumed",
            "",
            "test_typing_gives",
        ),
        (
            "Reads leave out empty cells and rows at the end.",
            "documented",
            DISCOVERY,
            "test_reading_leaves_out_empty_cells_and_rows_at_the_end",
        ),
        (
            "A read whose start lies outside of the grid is 400; one whose end does is cut.",
            "observed",
            "common in public issues",
            "test_reading_below_the_grid_is_refused",
        ),
        (
            "update never grows the grid, and a bounded range must hold its values.",
            "observed",
            "common in public issues",
            "test_writing_below_the_grid_is_refused_and_the_grid_stays",
        ),
        (
            "values.batchUpdate writes all ranges or none.",
            "documented",
            GUIDE,
            "test_several_ranges_are_written_together_or_not_at_all",
        ),
        (
            "A cell holds 50,000 characters.",
            "observed",
            "common in public issues",
            "test_a_cell_holds_50000_characters_and_no_more",
        ),
        (
            "append finds the last table that its range meets and isn't idempotent.",
            "documented",
            GUIDE,
            "test_appending_twice_doubles_the_row",
        ),
        (
            "append under a filter writes below the last visible row, over hidden ones.",
            "assumed",
            "node-google-spreadsheet#591, #321 saw rows lost",
            "test_an_append_under_a_filter_writes_over_hidden_rows",
        ),
        (
            "Numbers without a format are shown with up to ten digits after the point.",
            "assumed",
            "",
            "test_a_number_is_shown_by_its_format",
        ),
        (
            "Dates are serial numbers since 1899-12-30; a number format makes them dates.",
            "documented",
            GUIDE,
            "test_a_serial_number_with_a_date_format_is_a_date",
        ),
        (
            "Formulas: operators, references and SUM, COUNT, COUNTA, AVERAGE, MIN, MAX, IF, CONCATENATE are worked out.",
            "documented",
            "function list",
            "test_a_formula_gives",
        ),
    ),
    *_area(
        "Batches",
        (
            "A batchUpdate is applied in order, whole or not at all.",
            "documented",
            GUIDE,
            "test_a_batch_is_applied_whole_or_not_at_all",
        ),
        (
            "At most 100,000 requests a batch.",
            "observed",
            "airbyte#42904",
            "test_a_batch_takes_so_many_requests",
        ),
        (
            "The 10,000,000 cells of a spreadsheet count by grid size, and a new row count is checked before a new column count.",
            "observed",
            "pygsheets#589, gspread-dataframe#37",
            "test_cells_are_counted_by_the_grid_and_rows_before_columns",
        ),
        (
            "updateCells never parses text; a range's cells that its rows don't cover are cleared.",
            "documented",
            DISCOVERY,
            "test_a_range_given_to_update_cells_is_cleared_where_rows_end",
        ),
        (
            "A pasted range keeps text that looks like a formula as text.",
            "assumed",
            "",
            "test_pasted_values_stay_what_they_are",
        ),
        (
            "PASTE_VALUES brings values of formulas and no formats.",
            "documented",
            DISCOVERY,
            "test_pasting_values_makes_values_of_formulas_and_brings_no_format",
        ),
        (
            "Pastes neither read nor write rows that a basic filter hides (a setting).",
            "observed",
            "google-api-php-client-services#329, fortune-sheet#612",
            "test_a_paste_skips_rows_that_a_filter_hides",
        ),
        (
            "A filter cleared and set again in the same batch doesn't disturb the paste between.",
            "assumed",
            "",
            "test_clearing_the_filter_in_the_same_batch_makes_the_paste_whole",
        ),
        (
            "A filter hides rows by what they hold when it is set; later writes hide and show none.",
            "assumed",
            "",
            "test_a_paste_skips_rows_that_a_filter_hides",
        ),
        (
            "Of a merged range only the upper left cell keeps a value.",
            "assumed",
            "",
            "test_a_merge_keeps_its_first_value_only",
        ),
        (
            "pasteData is parsed like typing.",
            "documented",
            DISCOVERY,
            "test_pasted_text_is_parsed_as_typed",
        ),
        (
            "cutPaste moves cells; with a formula or named range that refers to them it is refused (501).",
            "assumed",
            "",
            "test_cut_cells_are_moved_unless_something_refers_to_them",
        ),
    ),
    *_area(
        "Tabs and what points at them",
        (
            "addSheet and duplicateSheet keep the sheetId asked for; an id or title in use fails the batch.",
            "documented",
            DISCOVERY,
            "test_an_id_or_title_in_use_makes_the_batch_fail",
        ),
        (
            "Formulas follow a renamed tab; references to a deleted one become #REF!.",
            "observed",
            "gspread#387, gspread#1530",
            "test_formulas_follow_a_renamed_tab_and_lose_a_deleted_one",
        ),
        (
            "Named and protected ranges, filters, merges, formats and formulas move with inserted and deleted rows and columns.",
            "documented",
            GUIDE,
            "test_inserted_and_deleted_rows_move_what_is_below",
        ),
        (
            "A duplicate has new ids for its charts and protected ranges, and none of the developer metadata.",
            "assumed",
            "",
            "test_a_duplicate_gets_the_id_and_title_asked_for",
        ),
    ),
    *_area(
        "Developer metadata",
        (
            "Creating one with an id in use fails the batch.",
            "documented",
            "metadata guide",
            "test_a_metadata_id_in_use_makes_the_whole_batch_fail",
        ),
        (
            "An id made and deleted within one batch leaves nothing and is free again.",
            "assumed",
            "",
            "test_an_id_can_be_made_and_deleted_within_one_batch",
        ),
        ("It is deleted with its tab.", "documented", "metadata guide", "test_metadata_goes_with_its_tab"),
        (
            "30,000 characters for the spreadsheet, and 30,000 for each tab.",
            "documented",
            "metadata guide",
            "test_metadata_has_room_for_30000_characters_a_tab",
        ),
    ),
]
"""All of them, in the order of the page."""

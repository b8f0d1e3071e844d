"""The catalogue of problem codes: stable, documented and few. A code never changes its meaning."""

from __future__ import annotations

from dataclasses import dataclass

from loadlock.model import Stage


@dataclass(frozen=True, kw_only=True)
class ProblemCode:
    """One kind of problem: its stable code, where it is found, what it means, what to do."""

    code: str
    stage: Stage
    meaning: str
    remedy: str


def _codes(stage: Stage, *rows: tuple[str, str, str]) -> list[ProblemCode]:
    return [ProblemCode(code=code, stage=stage, meaning=meaning, remedy=remedy) for code, meaning, remedy in rows]


_ALL = [
    *_codes(
        Stage.INTAKE,
        ("field_count", "The row has more or fewer fields than the header.", "Look for a missing quote or delimiter."),
        (
            "stray_quote",
            "A quote stands inside or right behind the text of a field.",
            "Quote the field and double the quote.",
        ),
        (
            "torn_row",
            "A line of one field stands beside the row and may be a piece of it.",
            "Quote the field that holds a line end, or take such rows with `tolerate: torn_rows`.",
        ),
        (
            "other_table",
            "The row stands below the header of another table in the file.",
            "Say by `table:` which one is read (the others are left out then), or split the file.",
        ),
        ("open_quote", "A quote is opened and never closed.", "Close the quote, or pin `quote:` in the source."),
        ("invalid_encoding", "The bytes decode in no allowed encoding.", "Pin `encoding:` in the source."),
        ("nul_byte", "The row holds NUL bytes.", "Ask the sender for an undamaged file, or pin a UTF-16 encoding."),
        ("record_too_long", "The record is longer than the limit.", "Raise `record_limit` or look for an open quote."),
        (
            "invalid_json",
            "The record is not valid JSON (RFC 8259).",
            "Correct the record; see the message for the place.",
        ),
        ("invalid_xml", "The element is not well-formed XML.", "Correct it; see the message for the place."),
        (
            "formula_without_value",
            "A formula's value is not stored in the workbook.",
            "Open the workbook in a spreadsheet program and save it.",
        ),
        ("truncated", "The file ends inside a record.", "Ask the sender for the whole file."),
        ("nested_too_deep", "The JSON is nested deeper than the limit.", "Raise `depth_limit` if this is meant."),
        ("unreadable_range", "A range of bytes could not be cut into records.", "Look at the raw bytes."),
    ),
    *_codes(
        Stage.CLEANUP,
        ("not_integer", "The value is no whole number.", "Correct it, or use a `number` rule or another type."),
        ("not_decimal", "The value is no decimal number.", "Correct it, or use a `number` rule."),
        ("not_float", "The value is no number.", "Correct it, or use a `number` rule."),
        ("not_boolean", "The value is no boolean word.", "Correct it, or name the words in a `boolean` rule."),
        ("not_date", "The value fits none of the date formats.", "Correct it, or add its format to `formats:`."),
        ("not_time", "The value fits none of the time formats.", "Correct it, or add its format to `formats:`."),
        (
            "not_timestamp",
            "The value fits none of the timestamp formats.",
            "Correct it, or add its format to `formats:`.",
        ),
        ("not_json", "The value is not valid JSON.", "Correct it, or make the column text."),
        ("not_uuid", "The value is no UUID.", "Correct it, or make the column text."),
        ("out_of_range", "The number has more digits than the type holds.", "Widen the type, or correct the value."),
        (
            "too_precise",
            "The number has more decimals than the type holds.",
            "Widen the scale, or round by a `sql` rule.",
        ),
        (
            "ambiguous_date",
            "The value fits two formats with different dates and the column doesn't decide.",
            "Leave one format in `formats:`.",
        ),
        (
            "ambiguous_number",
            "`1,234` may be 1234 or 1.234 and the column doesn't decide.",
            "Pin `decimal:` in the `number` rule.",
        ),
        (
            "drift",
            "The file's columns are not the pipeline's, and it says `drift: reject`.",
            "Declare or alias the columns, ask the sender, or set `drift: ignore`.",
        ),
        ("required", "The value is missing.", "Fill it in, or drop `required`."),
        ("not_unique", "The value stands in an earlier row of the batch.", "Correct it, or use mode upsert."),
        ("not_in", "The value is not in the allowed list.", "Correct it, or extend the list."),
        ("out_of_bounds", "The value is outside the declared range.", "Correct it, or widen the range."),
        ("bad_length", "The text is shorter or longer than declared.", "Correct it, or widen the length."),
        ("no_match", "The text does not match the declared pattern.", "Correct it, or change the pattern."),
        ("not_email", "The text is no e-mail address.", "Correct it."),
        ("not_url", "The text is no web address.", "Correct it."),
        ("not_phone", "The text is no phone number of the country.", "Correct it, or name the country it belongs to."),
        ("not_postcode", "The text is no postcode of the country.", "Correct it, or name the country it belongs to."),
        ("not_code", "The text names no country, currency, language or unit.", "Correct it, or `map` it to its code."),
        (
            "not_identifier",
            "The number (IBAN, VAT, ISBN ...) is not well formed or its check digits are wrong.",
            "Correct it: one digit is wrong or two have changed places.",
        ),
        ("not_duration", "The text is no duration.", "Correct it, or name the unit of plain numbers."),
        (
            "ambiguous_time",
            "The time has no zone, or the clocks of its zone skipped it or showed it twice.",
            "Give the time its offset, as 2024-10-27T02:30:00+01:00.",
        ),
        ("not_found", "The value is not in the lookup.", "Correct it, or extend the lookup."),
        ("forbidden", "The value is in the list of those not allowed.", "Correct it, or change the list."),
        ("comparison", "The value does not compare as declared with another column's.", "Correct one of the two."),
        (
            "bad_split",
            "The text has not as many pieces as there are columns for them.",
            "Correct it, or say what to do.",
        ),
        ("sql_check", "A check written in SQL failed.", "See the check's message."),
        (
            "sql_error",
            "A rule or check written in SQL failed for this row.",
            "Correct the SQL; use try_cast for doubtful values.",
        ),
        ("python_check", "A check written in Python failed.", "See the check's message."),
        ("unmapped", "The value is not in the map and the map says to reject it.", "Extend the map."),
        (
            "python_error",
            "A Python rule or check raised an exception.",
            "See the message; correct the function or the value.",
        ),
        ("key_missing", "A key column is empty.", "Fill it in."),
        (
            "duplicate_json_key",
            "A key stands twice in one object, and only one of its two columns is taken.",
            r"Correct the record, or take the second one too (`from: a\#2`).",
        ),
    ),
    *_codes(
        Stage.DELIVERY,
        ("refused", "The destination refused the row.", "See its message, constraint and code."),
        (
            "too_long_for_column",
            "The text is longer than the destination's column.",
            "Shorten it, or widen the column.",
        ),
        ("too_big_for_column", "The number does not fit the destination's column.", "Correct it, or widen the column."),
        ("null_in_column", "The destination's column must not be null.", "Fill the value in, or add a default."),
        (
            "unsupported_character",
            "The destination can't hold a character of the text (NUL, 4-byte UTF-8).",
            "Remove it by a rule.",
        ),
        ("out_of_date_range", "The destination can't hold a date or time this early or late.", "Correct it."),
        (
            "stale",
            "Others have written the row with this key since the batch was delivered.",
            "Look at both; `replay --force` overwrites it, `discard` gives the reject up.",
        ),
        (
            "discarded",
            "An operator discarded the row, and a rerun found nothing else wrong with it.",
            "`corrections undo` takes that back; `replay --all` sends the row then.",
        ),
    ),
]

CATALOGUE: dict[str, ProblemCode] = {entry.code: entry for entry in _ALL}
"""Every problem code of the core by its name. Plug-ins' checks use `sql_check` or a code of their own."""

ACCEPTABLE = frozenset(
    {
        *("not_in", "out_of_bounds", "bad_length", "no_match", "not_email", "not_url", "not_found", "forbidden"),
        *("comparison", "sql_check", "python_check"),
    }
)
"""What only checks find: the value is there and fits its type, so an operator may let it pass."""

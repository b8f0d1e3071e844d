"""The splitter's decisions, record by record."""

from __future__ import annotations

import pytest

from loadlock.intake import splitter as module
from loadlock.intake._csv_exact import Shape
from loadlock.intake.splitter import Rules, Splitter, Status


def split(data: bytes, fields: int = 3, shape: Shape | None = None, **rules: object) -> list[tuple[bytes, str]]:
    """Raw record and status name of each record."""
    made = Rules(fields=fields, **rules)  # type: ignore[arg-type]
    records = Splitter(shape or Shape(), made).split(data, final=True)
    bounds = zip(records.start, records.end, records.status, strict=True)
    return [(data[start:end], Status(int(status)).name) for start, end, status in bounds]


def statuses(data: bytes, fields: int = 3, shape: Shape | None = None, **rules: object) -> list[str]:
    return [status for _, status in split(data, fields, shape, **rules)]


def exact(data: bytes, fields: int, shape: Shape | None = None, **rules: object) -> dict[int, list[bytes | None]]:
    made = Rules(fields=fields, **rules)  # type: ignore[arg-type]
    return Splitter(shape or Shape(), made).split(data, final=True).exact


def test_plain_lines_are_rows() -> None:
    assert split(b"a,b,c\n1,2,3\n") == [(b"a,b,c", "PLAIN"), (b"1,2,3", "PLAIN")]


def test_the_last_line_needs_no_end() -> None:
    assert split(b"a,b,c\n1,2,3") == [(b"a,b,c", "PLAIN"), (b"1,2,3", "PLAIN")]


def test_without_final_an_incomplete_line_waits() -> None:
    records = Splitter(Shape(), Rules(fields=2)).split(b"a,b\nc,", final=False)
    assert len(records) == 1
    assert records.consumed == 4


def test_quoted_fields_may_hold_delimiters_quotes_and_line_ends() -> None:
    data = b'1,"a,b","say ""hi"""\n2,"x\ny\r\nz",""\n'
    assert split(data) == [(b'1,"a,b","say ""hi"""', "PLAIN"), (b'2,"x\ny\r\nz",""', "PLAIN")]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"1,2", "FIELD_COUNT"),
        (b"1,2,3,4", "FIELD_COUNT"),
        (b'1,a"b,3', "STRAY_QUOTE"),
        (b'1,"a"b,3', "STRAY_QUOTE"),
        (b'1,say "hi" now,3', "STRAY_QUOTE"),
        (b'1,"open,3', "OPEN_QUOTE"),
        (b'1,2,"', "OPEN_QUOTE"),
        (b"1,\x00,3", "NUL_BYTE"),
    ],
)
def test_a_faulty_line_costs_only_itself(line: bytes, status: str) -> None:
    data = b"a,b,c\n" + line + b"\nd,e,f\n" + b'g,"h\nh",i\n'
    assert split(data) == [(b"a,b,c", "PLAIN"), (line, status), (b"d,e,f", "PLAIN"), (b'g,"h\nh",i', "PLAIN")]


def test_an_open_quote_does_not_swallow_rows_up_to_the_next_one() -> None:
    rows = [b"%d,2,3,4,5" % number for number in range(20)]
    data = b'x,"open,3,4,5\n' + b"\n".join(rows) + b'\ny,2,3,4,close"\nz,2,3,4,5\n'
    found = statuses(data, 5)
    assert found == ["OPEN_QUOTE", *["PLAIN"] * 20, "STRAY_QUOTE", "PLAIN"]


def test_two_open_quotes_in_the_last_column_keep_the_rows_between() -> None:
    data = b'1,2,3,4,"open\n' + b"a,b,c,d,e\n" * 6 + b'1,2,3,4,"\n' + b"a,b,c,d,e\n" * 2
    found = statuses(data, 5)
    assert found == ["OPEN_QUOTE", *["PLAIN"] * 6, "OPEN_QUOTE", *["PLAIN"] * 2]


def test_prose_with_commas_in_a_quoted_field_is_one_record() -> None:
    data = b'1,"dear sir,\nthis, then\nthat, too\nbye"\n2,x\n'
    assert statuses(data, 2) == ["PLAIN", "PLAIN"]


def test_a_record_of_many_lines_is_found_within_the_limit() -> None:
    text = b"\n".join(b"line %d" % number for number in range(5000))
    data = b'1,"' + text + b'",3\n4,5,6\n'
    assert statuses(data) == ["PLAIN", "PLAIN"]
    assert statuses(data, record_limit=1000)[0] == "OPEN_QUOTE"


def test_a_long_record_waits_for_its_end_and_gives_up_at_the_limit() -> None:
    start = b'1,"' + b"text\n" * 100
    splitter = Splitter(Shape(), Rules(fields=3, record_limit=1000))
    assert splitter.split(start, final=False).consumed == 0
    assert splitter.split(start + b"text\n" * 200, final=False).status[0] == Status.OPEN_QUOTE


def test_a_line_longer_than_the_limit_is_a_reject() -> None:
    assert statuses(b"a,b," + b"x" * 100 + b"\n1,2,3\n", record_limit=50) == ["TOO_LONG", "PLAIN"]


def test_blank_lines_and_lines_of_delimiters_are_no_records() -> None:
    assert statuses(b"\n,,\n  \n , ,\t\n1,2,3\n,,3\n") == ["BLANK"] * 4 + ["PLAIN"] * 2


def test_many_lines_that_begin_and_end_empty_are_told_from_blank_ones() -> None:
    lines = [b",a,b,", b", \t,,", b",\xc3\xa4,,", b"   ", b',"",,'] * 1000
    records = Splitter(Shape(), Rules(fields=4)).split(b"\n".join(lines), final=True)
    assert [Status(kind).name for kind in records.status.tolist()] == [
        "PLAIN",
        "BLANK",
        "PLAIN",
        "BLANK",
        "PLAIN",
    ] * 1000


def test_a_quoted_empty_field_is_no_blank_line() -> None:
    assert statuses(b'""\n\n"a"\n', 1) == ["PLAIN", "BLANK", "PLAIN"]


def test_repeated_headers_are_set_apart_and_rows_like_them_are_not() -> None:
    data = b"id,name,x\n1,2,3\nid,name,x\nid,Name,x\n"
    assert statuses(data, header=b"id,name,x") == ["HEADER", "PLAIN", "HEADER", "PLAIN"]


def test_comment_lines_are_set_apart_even_with_a_quote() -> None:
    assert statuses(b'# it"s\n1,2,3\n', comment=b"#") == ["COMMENT", "PLAIN"]


def test_a_byte_order_mark_in_the_middle_belongs_to_no_record() -> None:
    assert split(b"1,2,3\n\xef\xbb\xbfid,b,c\n", header=b"id,b,c") == [(b"1,2,3", "PLAIN"), (b"id,b,c", "HEADER")]


def test_empty_fields_beyond_the_header_are_trimmed_and_counted() -> None:
    records = Splitter(Shape(), Rules(fields=2)).split(b'a,b,,\nc,d,\ne,f, ""\ng,h,,i\n', final=True)
    assert [Status(int(status)).name for status in records.status] == ["PLAIN", "PLAIN", "EXACT", "FIELD_COUNT"]
    assert records.trim.tolist() == [2, 1, 1, 0]
    assert records.counts["trailing_empty"] == 3


def test_unnamed_columns_at_the_end_may_be_missing() -> None:
    assert exact(b"a,b\nc\n", 4, least=2) == {0: [b"a", b"b", None, None]}


def test_white_space_between_delimiter_and_quote_is_dropped_and_counted() -> None:
    records = Splitter(Shape(), Rules(fields=3)).split(b'1, "a,b" ,3\n2, "x\ny",z\n', final=True)
    assert records.exact == {0: [b"1", b"a,b", b"3"], 1: [b"2", b"x\ny", b"z"]}
    assert records.counts == {"padded_quotes": 2}


def test_record_ends_may_be_mixed() -> None:
    assert statuses(b"1,2,3\r\n4,5,6\n7,8,9\r\n") == ["PLAIN"] * 3
    assert statuses(b"1,2,3\r4,5,6\n7,8,9\r\n", shape=Shape(record_end=b"\r")) == ["PLAIN"] * 3


def test_a_lone_carriage_return_is_text_unless_it_ends_records() -> None:
    assert exact(b"1,a\rb,3\n", 3) == {0: [b"1", b"a\rb", b"3"]}


def test_a_lone_line_feed_is_text_where_only_crlf_ends_records() -> None:
    assert exact(b"1,a\nb,3\r\n4,5,6\r\n", 3, Shape(record_end=b"\r\n")) == {0: [b"1", b"a\nb", b"3"]}


def test_records_may_end_with_any_text() -> None:
    shape = Shape(record_end=b"|~\n")
    assert list(exact(b"1,a\nb,3|~\n4,5,6|~\n", 3, shape).values()) == [[b"1", b"a\nb", b"3"], [b"4", b"5", b"6"]]


def test_delimiters_may_be_of_several_characters() -> None:
    shape = Shape(delimiter=b"||")
    data = b'1||"a||b"||c|d\n2||"x\ny"||z\n3||4\n||||\n'
    assert list(exact(data, 3, shape).values()) == [[b"1", b"a||b", b"c|d"], [b"2", b"x\ny", b"z"]]
    assert statuses(data, 3, shape) == ["EXACT", "EXACT", "FIELD_COUNT", "BLANK"]


def test_backslashes_escape_quotes_delimiters_and_line_ends() -> None:
    shape = Shape(escape=True)
    data = b'1,"say \\"hi\\"",a\\,b\n2,x\\\ny,\\N\n3,c:\\\\d,e\n'
    records = Splitter(shape, Rules(fields=3)).split(data, final=True)
    assert list(records.exact.values()) == [
        [b"1", b'say "hi"', b"a,b"],
        [b"2", b"x\ny", b"\\N"],
        [b"3", b"c:\\d", b"e"],
    ]
    assert records.line.tolist() == [0, 1, 3]


def test_without_quoting_quotes_are_text() -> None:
    assert statuses(b'1,5" pipe,3\n4,"x,6\n', shape=Shape(quote=b"")) == ["PLAIN", "PLAIN"]


def test_single_quotes_can_be_the_quote() -> None:
    assert statuses(b"1,'a,b',it\n", shape=Shape(quote=b"'")) == ["PLAIN"]


@pytest.mark.parametrize(
    ("tolerance", "line", "values"),
    [
        ("pad_short", b"1,2", [b"1", b"2", None]),
        ("drop_extra", b"1,2,3,4", [b"1", b"2", b"3"]),
        ("merge_tail", b'1,2,3,"4,5",6', [b"1", b"2", b'3,"4,5",6']),
        ("stray_quotes", b'1,say "hi" now,3', [b"1", b'say "hi" now', b"3"]),
        ("stray_quotes", b'1,"Pedro "the" legend",3', [b"1", b'Pedro "the" legend', b"3"]),
        ("stray_quotes", b'1,6",3', [b"1", b'6"', b"3"]),
    ],
)
def test_what_is_tolerated_is_a_row_and_counted(tolerance: str, line: bytes, values: list[bytes | None]) -> None:
    rules = Rules(fields=3, tolerate=frozenset({tolerance}))
    records = Splitter(Shape(), rules).split(line + b"\n7,8,9\n", final=True)
    assert records.exact == {0: values}
    assert records.counts == {tolerance: 1}
    assert statuses(line + b"\n")[0] in ("FIELD_COUNT", "STRAY_QUOTE")


def test_very_short_lines_are_split_in_several_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINES_AT_ONCE", 10)
    splitter = Splitter(Shape(), Rules(fields=1))
    records = splitter.split(b"a\n" * 25, final=True)
    assert (records.consumed, records.more, len(records)) == (20, True, 10)


def test_a_record_of_more_lines_than_are_split_at_once_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINES_AT_ONCE", 10)
    data = b'"' + b"a\n" * 25 + b'"\nb\n'
    assert statuses(data, 1) == ["PLAIN", "PLAIN"]


def test_lines_of_hundreds_of_fields_are_counted_right() -> None:
    line = b",".join([b"x"] * 700)
    assert statuses(line + b"\n" + line + b",y\n" + line[:-2] + b"\n", 700) == ["PLAIN", "FIELD_COUNT", "FIELD_COUNT"]


def test_a_record_of_several_lines_with_another_field_count_is_one_reject() -> None:
    assert split(b'1,2,3\n4,5,6,"long\ntext"\n7,8,9\n') == [
        (b"1,2,3", "PLAIN"),
        (b'4,5,6,"long\ntext"', "FIELD_COUNT"),
        (b"7,8,9", "PLAIN"),
    ]


def test_a_good_record_is_not_taken_into_the_reject_before_it() -> None:
    found = split(b'1,2,"x\n4,"y\n",5\n7,8,9\n')
    assert found[0] == (b'1,2,"x', "OPEN_QUOTE")
    assert (b'4,"y\n",5', "PLAIN") in found

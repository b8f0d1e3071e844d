"""CSV files read whole: rows, rejects, provenance, counts, and bytes by class."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from loadlock import rows
from loadlock.errors import SourceError
from loadlock.intake import _csv_stream
from loadlock.intake.base import RawPart, SourceOptions
from loadlock.intake.formats.csv import CsvFormat
from loadlock.model import ByteCount, FileReport, SourceFile

CORPORA = Path(__file__).parents[2].parent / "shared" / "corpora"


@dataclass(frozen=True, kw_only=True)
class Bytes:
    """A source of bytes in memory."""

    data: bytes
    name: str = "x.csv"
    block: int = 1 << 22

    @property
    def file(self) -> SourceFile:
        return SourceFile(index=2, path=f"/in/{self.name}", name=self.name, size_bytes=len(self.data), sha256="")

    def open(self) -> Iterator[bytes]:
        return (self.data[at : at + self.block] for at in range(0, len(self.data), self.block))

    def head(self, size: int = 1 << 20) -> bytes:
        return self.data[:size]

    def sample(self, size: int = 4 << 20) -> list[bytes]:
        return [self.data[:size]]


@dataclass(frozen=True, kw_only=True)
class Read:
    """What came out of a file."""

    parts: list[RawPart]
    report: FileReport

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        return [row for part in self.parts for row in part.rows.to_pylist()]

    @cached_property
    def rejects(self) -> list[dict[str, Any]]:
        return [row for part in self.parts for row in part.rejects.to_pylist()]

    @property
    def values(self) -> list[list[str | None]]:
        return [[row[name] for name in self.report.header] for row in self.rows]

    @property
    def codes(self) -> list[str]:
        return [reject["problems"][0]["code"] for reject in self.rejects]


def read(data: bytes | str, name: str = "x.csv", **options: Any) -> Read:
    raw = data.encode() if isinstance(data, str) else data
    result = CsvFormat().read(Bytes(data=raw, name=name), SourceOptions(**options))
    found = Read(parts=list(result.parts), report=result.report())
    assert found.report.bytes.total == len(raw)
    assert found.report.received == found.report.staged + found.report.rejected
    assert found.report.staged == sum(part.rows.num_rows for part in found.parts)
    assert found.report.rejected == sum(part.rejects.num_rows for part in found.parts)
    return found


def test_rows_carry_their_values_and_their_place() -> None:
    found = read("id,name\n1,Ann\n2,\n")
    assert found.rows == [
        {
            "id": "1",
            "name": "Ann",
            "_source_file": "x.csv",
            "_row": 1,
            "_line": 2,
            "_offset": 8,
            "_length": 5,
            "_encoding": None,
        },
        {
            "id": "2",
            "name": "",
            "_source_file": "x.csv",
            "_row": 2,
            "_line": 3,
            "_offset": 14,
            "_length": 2,
            "_encoding": None,
        },
    ]


def test_the_tables_have_the_contracts_schemas() -> None:
    part = read("id,name\n1,Ann\n2\n").parts[0]
    values = [pa.field("id", pa.string()), pa.field("name", pa.string())]
    assert part.rows.schema == pa.schema([*values, *rows.provenance_fields()])
    assert part.rejects.schema == rows.reject_schema()


def test_values_stay_as_received() -> None:
    found = read('a,b,c\n01, 1.10 ,NULL\nNA,"",\u00a0\n')
    assert found.values == [["01", " 1.10 ", "NULL"], ["NA", "", "\u00a0"]]


def test_a_reject_names_place_reason_and_raw_bytes() -> None:
    found = read("id,name\n1,Ann\n2,Bob,x\n3,Eve\n")
    (reject,) = found.rejects
    assert reject == {
        "_file": 2,
        "_source_file": "x.csv",
        "_row": 2,
        "_sub": 0,
        "_line": 3,
        "_offset": 14,
        "_length": 7,
        "stage": "intake",
        "problems": [{"code": "field_count", "column": None, "value": None, "message": "3 fields instead of 2"}],
        "values": None,
        "raw": b"2,Bob,x",
        "raw_truncated": False,
    }
    assert [row["_row"] for row in found.rows] == [1, 3]


def test_quote_faults_name_the_field() -> None:
    found = read('id,name,x\n1,a,b\n2,"c"d,e\n3,f,"g\n4,h,i\n', quote='"')
    assert [reject["problems"][0]["message"] for reject in found.rejects] == [
        "a quote stands inside or right behind the text of field 2 (name)",
        "the quote opened in field 3 (x) is never closed",
    ]
    assert [row["_row"] for row in found.rows] == [1, 4]


def test_lines_count_on_through_records_of_several_lines() -> None:
    found = read('a,b\n1,"x\ny\nz"\n2,c\n')
    assert [(row["_row"], row["_line"], row["b"]) for row in found.rows] == [(1, 2, "x\ny\nz"), (2, 5, "c")]


def test_harmless_dirt_is_accepted_and_counted() -> None:
    found = read('id,name,x\n1, "a" ,b\n\n2,c,d,,\n,,\n  \nid,name,x\n3,e,f\r\n')
    assert found.values == [["1", "a", "b"], ["2", "c", "d"], ["3", "e", "f"]]
    assert found.report.blank == 3
    assert found.report.counts == {
        "mixed_record_ends": 1,
        "padded_quotes": 1,
        "repeated_header": 1,
        "trailing_empty": 1,
    }


def test_every_byte_belongs_to_a_class() -> None:
    found = read("\ufeffTitle\nid,n\n1,Ann\n2\n\nid,n\n", preamble=1, header=1)
    assert found.report.bytes == ByteCount(rows=5, rejects=1, headers=8, preamble=6, blank=1, framing=3 + 4)


def test_the_byte_order_mark_is_no_part_of_the_first_name() -> None:
    assert read("\ufeffid,name\n1,a\n").report.header == ["id", "name"]


def test_a_file_made_of_two_files_is_read_on() -> None:
    found = read("\ufeffid,name\n1,a\n\ufeffid,name\n2,b\n")
    assert found.values == [["1", "a"], ["2", "b"]]
    assert found.report.counts == {"bom": 1, "repeated_header": 1}
    assert found.rows[1]["_offset"] == 26


@pytest.mark.parametrize(
    ("data", "header"), [(b"", []), (b"\n\r\n", []), (b"\xef\xbb\xbf", []), (b"id,name\n", ["id", "name"])]
)
def test_files_without_a_row_give_none(data: bytes, header: list[str]) -> None:
    found = read(data)
    assert (found.report.header, found.report.received) == (header, 0)


def test_without_header_columns_are_numbered() -> None:
    found = read("1,Ann\n2,Bob\n", header=0)
    assert found.report.header == ["column_1", "column_2"]
    assert found.values == [["1", "Ann"], ["2", "Bob"]]


def test_two_header_rows_are_joined() -> None:
    found = read("2020,,2021\nJan,Feb,Jan\n1,2,3\n", header=2)
    assert found.report.header == ["2020 Jan", "Feb", "2021 Jan"]


def test_a_header_may_span_lines_in_quotes() -> None:
    found = read('id,"amount\nin EUR"\n1,2\n3,4\n')
    assert found.report.header == ["id", "amount\nin EUR"]
    assert [row["_line"] for row in found.rows] == [3, 4]


def test_doubled_and_empty_names_are_mapped_and_shown() -> None:
    found = read("id,amount,amount,\n1,2,3,4\n5,6,7\n")
    assert found.report.header == ["id", "amount", "amount_2", "column_4"]
    assert found.report.header_found == ["id", "amount", "amount", ""]
    assert found.values == [["1", "2", "3", "4"], ["5", "6", "7", None]]
    assert found.report.counts == {"missing_unnamed": 1}


def test_unnamed_empty_columns_at_the_end_are_kept_as_columns() -> None:
    found = read("Div,Date,,\nB1,06/08/05,,\nB1,07/08/05,,\n")
    assert found.report.header == ["Div", "Date", "column_3", "column_4"]
    assert found.values[0] == ["B1", "06/08/05", "", ""]


def test_a_chosen_table_is_read_and_the_others_are_counted_as_preamble() -> None:
    data = "id,amount\n1,2.5\n2,3.5\n\nname,day,n\nAnn,2024-01-01,5\nBob,2024-01-02,6\n\nx,y\n1,2\n"
    assert read(data).values == [["1", "2.5"], ["2", "3.5"]]
    found = read(data, table=2)
    assert found.values == [["Ann", "2024-01-01", "5"], ["Bob", "2024-01-02", "6"]]
    assert found.rows[0]["_line"] == 6
    assert found.report.rejected == 0
    assert any("3 tables" in note for note in found.report.notes)


def test_a_footer_is_left_out_and_counted_as_preamble() -> None:
    found = read("id,n\n1,a\n2,b\nTotal: 2\n\n", footer=1)
    assert found.values == [["1", "a"], ["2", "b"]]
    assert found.report.bytes.preamble == len("Total: 2\n\n")


def test_comment_lines_are_left_out_and_counted() -> None:
    found = read("# made by x\nid,n\n1,a\n# 5\n2,b\n", comment="#")
    assert found.values == [["1", "a"], ["2", "b"]]
    assert found.report.counts == {"comments": 2}


def test_a_row_in_another_encoding_is_decoded_alone_and_marked() -> None:
    good = "".join(f"{n},Zoë\n" for n in range(20)).encode()
    found = read(b"id,name\n" + good + b"20,Jos\xe9\n21,\x81\x8d\n")
    assert found.rows[-1]["name"] == "José"
    assert [row["_encoding"] for row in found.rows[-2:]] == [None, "cp1252"]
    assert found.report.encoding["fallback_rows"] == 1
    assert found.codes == ["invalid_encoding"]
    assert found.rejects[0]["raw"] == b"21,\x81\x8d"


def test_only_the_cells_in_another_encoding_are_read_by_it() -> None:
    good = "".join(f"{n},Zoë,x\n" for n in range(20)).encode()
    found = read(b"id,name,city\n" + good + "20,García,".encode() + b"M\xfcnchen\n21,Garc\xc3\xada \xff,x\n")
    assert found.values[-1] == ["20", "García", "München"]
    assert found.codes == ["invalid_encoding"]


def test_a_utf8_row_in_a_legacy_file_is_read_as_a_whole() -> None:
    found = read(
        "id,name\n1,Zoë\n".encode("cp1252") + "2,Łukasz é\n".encode(), encoding="cp1252", fallback_encoding="utf-8"
    )
    assert found.values == [["1", "Zoë"], ["2", "Łukasz é"]]
    assert [row["_encoding"] for row in found.rows] == [None, "utf-8"]


def test_legacy_files_are_transcoded_with_offsets_in_their_own_bytes() -> None:
    data = "id,name\n1,Müller\n2,Zoë\n".encode("cp1252")
    found = read(data, encoding="cp1252")
    assert found.values == [["1", "Müller"], ["2", "Zoë"]]
    assert [data[row["_offset"] : row["_offset"] + row["_length"]] for row in found.rows] == [
        b"1,M\xfcller",
        b"2,Zo\xeb",
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_files_keep_offsets_and_raw_bytes_of_the_original(encoding: str) -> None:
    data = "id,name\n1,Zoë\n2,x,y\n3,\U0001f600\n".encode(encoding)
    found = read(data, encoding=encoding)
    assert found.values == [["1", "Zoë"], ["3", "\U0001f600"]]
    for row in [*found.rows, *found.rejects]:
        cut = data[row["_offset"] : row["_offset"] + row["_length"]]
        assert cut.decode(encoding.removesuffix("-le").removesuffix("-be") + encoding[6:9]) != ""
    assert found.rejects[0]["raw"] == data[found.rejects[0]["_offset"] :][: found.rejects[0]["_length"]]
    assert found.rejects[0]["raw"].replace(b"\0", b"") == b"2,x,y"


def test_shift_jis_trail_bytes_are_no_delimiters() -> None:
    text = "名前|値\nソ表|1\n能|2\n"
    found = read(text.encode("shift_jis"), encoding="shift_jis", delimiter="|")
    assert found.values == [["ソ表", "1"], ["能", "2"]]


def test_rows_with_nul_bytes_are_rejects() -> None:
    assert read(b"id,n\n1,a\x00\n2,b\n", encoding="utf-8").codes == ["nul_byte"]


def test_a_record_beyond_the_limit_is_a_reject_with_its_true_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_csv_stream, "BLOCK_BYTES", 1000)
    long = b"x" * 300_000
    found = read(b"id,n\n1,a\n" + long + b"\r\n2,b\n", record_limit=5000, header=1)
    (reject,) = found.rejects
    assert (reject["_offset"], reject["_length"], reject["_line"], reject["_row"]) == (9, 300_000, 3, 2)
    assert (len(reject["raw"]), reject["raw_truncated"]) == (rows.RAW_LIMIT, True)
    assert found.codes == ["record_too_long"]
    assert found.values == [["1", "a"], ["2", "b"]]


def test_a_file_that_is_one_endless_line_is_one_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_csv_stream, "BLOCK_BYTES", 1000)
    found = read(b"\0" * 50_000, record_limit=5000, encoding="utf-8")
    assert found.codes == ["record_too_long"]
    assert found.report.bytes.rejects == 50_000


@pytest.mark.parametrize(
    ("tolerate", "line", "values"),
    [
        ("pad_short", "1", ["1", None]),
        ("drop_extra", "1,2,3", ["1", "2"]),
        ("merge_tail", "1,2,3", ["1", "2,3"]),
        ("stray_quotes", '1,6" pipe', ["1", '6" pipe']),
    ],
)
def test_tolerated_faults_are_rows_and_counted(tolerate: str, line: str, values: list[str | None]) -> None:
    data = f"id,n\n{line}\n8,9\n"
    assert read(data, header=1, delimiter=",").report.rejected == 1
    found = read(data, tolerate=(tolerate,), header=1, delimiter=",")
    assert found.values == [values, ["8", "9"]]
    assert found.report.counts == {tolerate: 1}


def test_delimiters_of_several_characters_and_escapes_are_read_exactly() -> None:
    found = read('a||b\n1||"x||y"\n2||z\n', delimiter="||")
    assert found.values == [["1", "x||y"], ["2", "z"]]
    found = read('a,b\n1,"say \\"hi\\""\n2,\\N\n3,c\n', escape="\\")
    assert found.values == [["1", 'say "hi"'], ["2", "\\N"], ["3", "c"]]


def test_a_quote_written_back_for_the_parser_stays_one_quote() -> None:
    found = read('a,b\n1, "x""y"\n2,z\n', quote='"')
    assert found.values == [["1", 'x"y'], ["2", "z"]]


def test_one_column_may_hold_any_character() -> None:
    cells = [chr(code) for code in range(1, 32) if chr(code) not in "\t\n\r"]
    found = read("name\n" + "\n".join(f"x{cell}" for cell in cells) + '\n""\n', delimiter="", header=1)
    assert [row[0] for row in found.values] == [*(f"x{cell}" for cell in cells), ""]


def test_parts_are_cut_by_bytes_and_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_csv_stream, "BLOCK_BYTES", 20_000)
    data = "id,name\n" + "".join(f"{n},name {n}\n" if n % 7 else f"{n}\n" for n in range(20_000))
    small, large = read(data, part_bytes=50_000), read(data)
    assert len(small.parts) == 5
    assert len(large.parts) == 1
    assert (small.rows, small.rejects) == (large.rows, large.rejects)


def test_closing_the_parts_early_leaves_no_thread_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_csv_stream, "BLOCK_BYTES", 500)
    source = Bytes(data=b"id,name\n" + b"1,a\n" * 5000)
    parts = CsvFormat().read(source, SourceOptions(part_bytes=100)).parts
    assert next(parts).rows.num_rows > 0
    parts.close()  # type: ignore[attr-defined]
    assert next(parts, None) is None


def test_a_wide_file_keeps_every_column() -> None:
    names = [f"c{n}" for n in range(3000)]
    found = read(",".join(names) + "\n" + ",".join("v" for _ in names) + "\n")
    assert found.report.header == names
    assert found.values == [["v"] * 3000]


def test_an_unknown_encoding_is_an_error_of_the_source() -> None:
    with pytest.raises(SourceError):
        CsvFormat().read(Bytes(data=b"a,b\n"), SourceOptions(encoding="no-such"))


@pytest.mark.parametrize(
    ("head", "name", "least", "most"),
    [
        (b"a,b\n1,2\n", "x.csv", 0.8, 1.0),
        (b"a\tb\n1\t2\n", "x.tsv", 0.8, 1.0),
        (b"a;b\n1;2\n", "export", 0.5, 0.7),
        (b"hello\n", "readme", 0.1, 0.3),
        (b'{"a": 1}\n', "x", 0.0, 0.1),
        (b"PK\x03\x04...", "x.csv", 0.0, 0.0),
        (b"\x7fELF\0\0", "tool", 0.0, 0.0),
    ],
)
def test_sniffing(head: bytes, name: str, least: float, most: float) -> None:
    assert least <= CsvFormat().sniff(head, name) <= most


# ---- files that nobody here wrote


def corpus(folder: str) -> list[Path]:
    files = sorted(path for path in (CORPORA / folder).rglob("*") if path.suffix in (".csv", ".tsv"))
    if not files:
        pytest.skip(f"NO CORPUS: {CORPORA / folder} is not at hand")
    return files


def test_csv_spectrum_gives_the_expected_json() -> None:
    for path in corpus("csv-spectrum"):
        # its JSON has another phone number than its CSV
        if path.stem == "location_coordinates":
            continue
        found = read(path.read_bytes(), path.name, header=1)
        expected = json.loads((CORPORA / "csv-spectrum" / "json" / f"{path.stem}.json").read_text())
        values = [{name: row[name] for name in found.report.header} for row in found.rows]
        # the authors' parser turned CRLF in values into LF
        assert json.loads(json.dumps(values).replace("\\r\\n", "\\n")) == json.loads(
            json.dumps(expected).replace("\\r\\n", "\\n")
        ), path.name


def test_quotes_as_minutes_and_seconds_need_tolerance() -> None:
    data = b"phone,place,city\n2095257564,37\xb036'37.8\"N 121\xb02'17.9\"W,Modesto\n"
    assert read(data, encoding="latin-1", header=1).codes == ["stray_quote"]
    found = read(data, encoding="latin-1", header=1, tolerate=("stray_quotes",))
    assert found.values[0][1] == "37°36'37.8\"N 121°2'17.9\"W"


@cache
def read_corpus(folder: str) -> dict[str, tuple[bytes, Read]]:
    """Each file's bytes and what came out, by name; read once for all tests."""
    files = {str(path.relative_to(CORPORA)): path.read_bytes() for path in corpus(folder)}
    return {name: (data, read(data, Path(name).name)) for name, data in files.items()}


@pytest.mark.parametrize("folder", ["messytables", "duckdb-csv", "football", "covid-daily", "beers"])
def test_the_corpora_are_read_with_every_byte_accounted_for(folder: str) -> None:
    for name, (data, found) in read_corpus(folder).items():
        for part in found.parts:
            places = zip(*(part.rows[column].to_pylist() for column in ("_offset", "_length")), strict=True)
            assert all(0 < length <= len(data) - offset for offset, length in places), name


def test_football_has_matches_in_every_file_and_next_to_no_rejects() -> None:
    found = [entry.report for _, entry in read_corpus("football").values()]
    assert all(report.staged >= 120 and report.header[0] == "Div" for report in found)
    assert sum(report.rejected for report in found) == 1
    lines = [line for data, _ in read_corpus("football").values() for line in data.split(b"\n")[:-1]]
    assert sum(report.blank for report in found) == sum(not line.strip(b", \t\r") for line in lines) > 2000


def test_covid_has_four_headers_and_the_ragged_days_are_rejects() -> None:
    found = {Path(name).stem: entry.report for name, (_, entry) in read_corpus("covid-daily").items()}
    assert {len(report.header) for report in found.values()} == {6, 8, 12, 14}
    assert {day: report.rejected for day, report in found.items() if report.rejected} == {
        "05-29-2020": 85,
        "05-30-2020": 85,
    }
    assert found["03-22-2020"].counts["mixed_record_ends"] == 3


def test_a_very_wide_file_keeps_quotes_missing_fields_and_other_encodings() -> None:
    names = [f"c{n}" for n in range(600)]
    plain = [str(n) for n in range(600)]
    quoted = [*plain[:598], '"a, ""b"""', '"two\nlines"']
    short = plain[:599]
    foreign = [*plain[:598], "Zoë", "é"]
    lines = [",".join(cells) for cells in (names, plain, quoted, short, foreign, [*plain, ""])]
    data = "\n".join(lines[:4]).encode() + b"\n" + lines[4].encode("cp1252") + b"\n" + lines[5].encode()
    found = read(data, encoding="utf-8", delimiter=",", header=1, tolerate=("pad_short",))
    assert found.values[0] == found.values[4] == plain
    assert found.values[1][598:] == ['a, "b"', "two\nlines"]
    assert found.values[2] == [*short, None]
    assert found.values[3][598:] == ["Zoë", "é"]
    assert [row["_encoding"] for row in found.rows] == [None, None, None, "cp1252", None]


@pytest.mark.parametrize("first", ["'1','world'", "'2008-01-01','world'"])
def test_a_first_row_of_values_in_another_quote_is_no_header(first: str) -> None:
    value = first.split(",")[0].strip("'")
    found = read(f"{first}\n" + f"{value},world\n" * 30, quote='"')
    assert (len(found.rows), found.report.header) == (31, ["column_1", "column_2"])
    assert found.values[0] == first.split(",")


def test_a_header_of_another_width_than_the_rows_is_named_as_the_cause() -> None:
    found = read("id,na,me,day\n" + "1,Ann,2024-01-01\n" * 12)
    assert found.report.staged == 0
    wanted = "most rows are rejects: the header has 4 names, rows have 3 fields; is it damaged?"
    assert wanted in found.report.notes

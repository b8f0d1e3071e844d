"""JSON documents: records of arrays, objects and paths; a broken record costs one record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from loadlock import rows
from loadlock.cleanup.flatten import flatten
from loadlock.errors import SourceError
from loadlock.intake import _json_scan, _json_stream
from loadlock.intake.base import SourceOptions
from loadlock.intake.files import open_sources
from loadlock.intake.formats.json import JsonFormat
from loadlock.model import FileReport
from loadlock.pipeline.model import Flatten

SUITE = Path(__file__).parents[2].parent / "shared" / "corpora" / "json-test-suite"
Rows = list[dict[str, Any]]


class Reading:
    """All that reading some bytes gave; balance and places are checked for each."""

    def __init__(self, folder: Path, data: bytes, **options: Any) -> None:
        path = folder / "in.json"
        path.write_bytes(data)
        [source] = open_sources([path])
        result = JsonFormat().read(source, SourceOptions(**options))
        parts = list(result.parts)
        self.rows: Rows = [row for part in parts for row in part.rows.to_pylist()]
        self.rejects: Rows = [row for part in parts for row in part.rejects.to_pylist()]
        self.report: FileReport = result.report()
        assert self.report.received == len(self.rows) + len(self.rejects)
        assert self.report.bytes.total == len(data)
        self._check_places(data)

    def _check_places(self, data: bytes) -> None:
        """Rows and rejects stand in file order, never overlap, and only the first bytes of a line come before `_line`."""
        end = 0
        everything = sorted(self.rows + self.rejects, key=lambda row: row["_row"])
        assert [row["_row"] for row in everything] == list(range(1, len(everything) + 1))
        for row in everything:
            assert row["_offset"] >= end
            end = row["_offset"] + row["_length"]
            if b"\r" not in data and b"\0" not in data:
                assert row["_line"] == data[: row["_offset"]].count(b"\n") + 1

    @property
    def texts(self) -> list[str]:
        return [row["_json"] for row in self.rows]

    @property
    def raws(self) -> list[bytes]:
        return [reject["raw"] for reject in self.rejects]

    @property
    def codes(self) -> list[str]:
        return [reject["problems"][0]["code"] for reject in self.rejects]

    @property
    def messages(self) -> list[str]:
        return [reject["problems"][0]["message"] for reject in self.rejects]


@pytest.fixture(params=[24, 100, 1 << 22], ids=["tiny blocks", "small blocks", "whole"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in blocks of several sizes: no result depends on where they end."""
    monkeypatch.setattr(_json_stream, "BLOCK_BYTES", request.param)
    monkeypatch.setattr(_json_scan, "_PIECE", min(request.param, 1 << 18))


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(
    ("data", "texts"),
    [
        ('[{"a":1},{"a":2}]', ['{"a":1}', '{"a":2}']),
        ('\n[ {"a":"x,]}\\""} ,\n\t[1,[2]]\n]\n', ['{"a":"x,]}\\""}', "[1,[2]]"]),
        ('[1, "x,]" ,null,true,-1.50e3, "\\\\"]', ["1", '"x,]"', "null", "true", "-1.50e3", '"\\\\"']),
        ('{"a":\n[1,2]}', ['{"a":\n[1,2]}']),
        ('{"a":1}\n{"a":2}{"a":3}  {}', ['{"a":1}', '{"a":2}', '{"a":3}', "{}"]),
        ("[]", []),
        (" [ ] ", []),
        ("42", ["42"]),
        (' "a b" ', ['"a b"']),
        ('[{"a":1e999,"a":12345678901234567890.10}]', ['{"a":1e999,"a":12345678901234567890.10}']),
    ],
)
def test_records_are_staged_as_their_own_text(tmp_path: Path, data: str, texts: list[str]) -> None:
    read = Reading(tmp_path, data.encode())
    assert read.texts == texts
    assert read.rejects == []
    for row in read.rows:
        assert data[row["_offset"] : row["_offset"] + row["_length"]] == row["_json"]


@pytest.fixture
def one_byte_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_json_stream, "BLOCK_BYTES", 1)


GOOD = '{"id":1,"name":"x","tags":[{"id":2}],"note":"a {b} [c], d"}'


def with_fault(fault: str) -> tuple[bytes, list[str]]:
    others = [GOOD.replace('"id":1', f'"id":{number}') for number in range(10, 16)]
    document = "[\n" + ",\n".join([*others[:3], fault, *others[3:]]) + "\n]\n"
    return document.encode(), others


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(
    "fault",
    [
        GOOD.replace('"x"', '"x'),
        GOOD.replace('"x"', 'x"'),
        GOOD.replace('"x"', ""),
        GOOD.replace('"x"', "NaN"),
        GOOD.replace('"x"', '"\\ud800"'),
        GOOD.replace('"x"', '"\\x"'),
        GOOD.replace('"x"', "01"),
        GOOD.replace("}]", "]"),
        GOOD.replace("}]", "}"),
        GOOD[:-1],
        GOOD[1:],
        GOOD[:-1] + "]",
        GOOD + "}",
        GOOD.replace('{"id":2}', '{"id":2}}'),
        GOOD.replace('"name"', '"name'),
        GOOD.replace('"note"', 'note"'),
        GOOD.replace(",", ",,", 1),
        GOOD[:20],
    ],
)
def test_a_broken_record_costs_one_record(tmp_path: Path, fault: str) -> None:
    data, others = with_fault(fault)
    read = Reading(tmp_path, data)
    whole = [text for text in read.texts if text != GOOD]
    assert whole == others
    assert len(read.rejects) in (1, 2)


@pytest.mark.usefixtures("blocks")
def test_the_first_record_may_be_the_broken_one(tmp_path: Path) -> None:
    for broken in (GOOD.replace('"x"', '"x'), GOOD[:-1], '{"id' + GOOD[5:]):
        others = [GOOD.replace('"id":1', f'"id":{number}') for number in range(10, 14)]
        read = Reading(tmp_path, ("[\n" + ",\n".join([broken, *others]) + "\n]").encode())
        assert read.texts == others
        assert len(read.rejects) == 1


def test_no_inner_value_of_a_damaged_record_becomes_a_row(tmp_path: Path) -> None:
    inner = '{"id":1,"items":[{"id":2,"n":1},{"id":3,"n":1},{"id":4,"n":1}],"x":bad}'
    assert Reading(tmp_path, f"[{inner}]".encode()).texts == []
    assert Reading(tmp_path, f'[{inner[1:]},{{"id":9,"items":[],"x":1}}]'.encode()).texts in (
        [],
        ['{"id":9,"items":[],"x":1}'],
    )


@pytest.mark.parametrize(
    ("data", "texts", "raws"),
    [
        (b"[1,,2]", ["1", "2"], [b","]),
        (b"[1,]", ["1"], [b","]),
        (b'[{"a":1}{"a":2}]', ['{"a":1}', '{"a":2}'], [b""]),
        (b"[1 true]", [], [b"1 true"]),
        (b"[1]x", ["1"], [b"x"]),
        (b"[1]]", ["1"], [b"]"]),
        (b"[][2]", ["2"], [b"["]),
        (b"{}}", ["{}"], [b"}"]),
        (b'"x" y', [], [b'"x" y']),
        (b'{"a":1} xyz', ['{"a":1}'], [b"xyz"]),
        (b"abc", [], [b"abc"]),
    ],
)
def test_faults_between_records_are_rejects_of_their_own(
    tmp_path: Path, data: bytes, texts: list[str], raws: list[bytes]
) -> None:
    read = Reading(tmp_path, data)
    assert (read.texts, read.raws) == (texts, raws)
    assert set(read.codes) == {"invalid_json"}


@pytest.mark.usefixtures("one_byte_blocks")
def test_faults_between_records_are_found_when_a_block_ends_anywhere(tmp_path: Path) -> None:
    read = Reading(tmp_path, b'[1 , , {"a":2}{"a":3} ,\n] ')
    assert read.texts == ["1", '{"a":2}', '{"a":3}']
    assert len(read.rejects) == 3


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        (b'[{"a":1},{"a":', ['{"a":1}']),
        (b'[{"a":1},{"a":2}', ['{"a":1}', '{"a":2}']),
        (b'[{"a":1},', ['{"a":1}']),
        (b"[1,23", ["1"]),
        (b'["x', []),
        (b'{"a":{"b":1}', []),
    ],
)
def test_a_truncated_tail_is_one_reject(tmp_path: Path, data: bytes, texts: list[str]) -> None:
    read = Reading(tmp_path, data)
    assert (read.texts, read.codes) == (texts, ["truncated"])


def test_a_reject_says_line_column_and_byte(tmp_path: Path) -> None:
    read = Reading(tmp_path, '[\n {"ä":1},\n {"ä":tru}]'.encode())
    assert read.messages == ["Expecting value: line 3, column 7 (byte 20)"]
    assert [(row["_row"], row["_line"], row["_offset"], row["_length"]) for row in read.rejects] == [(2, 3, 14, 10)]


def test_nan_is_taken_where_it_is_tolerated(tmp_path: Path) -> None:
    assert Reading(tmp_path, b'[{"a":NaN}]', tolerate=("nan",)).texts == ['{"a":NaN}']
    assert Reading(tmp_path, b'[{"a":NaN}]').codes == ["invalid_json"]


@pytest.mark.usefixtures("blocks")
def test_records_lie_at_a_path(tmp_path: Path) -> None:
    document = '{"m":{"data":[9,"]"]},"data":{"n":null,"t":"x","items":[{"a":1}\n,{"a":2}],"z":[1]},"k":-1}'
    read = Reading(tmp_path, document.encode(), records_path="data.items")
    assert (read.texts, read.rejects) == (['{"a":1}', '{"a":2}'], [])


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ('{"a":1,"b":{"c":2}}', r"there is no 'data'"),
        ('{"data":{"x":1}}', r"there is no 'items'"),
        ('{"data":[1]}', r"'data' is no object"),
        ('{"data":{"items":{"a":1}}}', r"'items' is something else"),
        ("[1]", r"the document is an array"),
    ],
)
def test_a_path_that_leads_to_no_array_is_a_source_error(tmp_path: Path, document: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        Reading(tmp_path, document.encode(), records_path="data.items")


def test_a_dot_within_a_key_of_the_path_is_escaped(tmp_path: Path) -> None:
    assert Reading(tmp_path, b'{"a.b":{"c":[{"x":1}]}}', records_path=r"a\.b.c").texts == ['{"x":1}']


FEATURE = '{"type":"Feature","geometry":{"type":"Point","coordinates":[1.10,2]},"properties":{"n":%d}}'
FEATURES = [FEATURE % 1, FEATURE % 2]
COLLECTION = '"features":[' + ",\n".join(FEATURES) + "]"


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(
    "document",
    [
        '{"type": "FeatureCollection", "crs":{"type":"name","features":[1]}, %s, "bbox":[1,2]}',
        '{%s,"type":"FeatureCollection"}',
        ' {"note":"\\"features\\":[","type" : "FeatureCollection",%s}\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_features_of_a_geojson_collection_are_its_records(tmp_path: Path, document: str, encoding: str) -> None:
    data = (document % COLLECTION).encode(encoding)
    read = Reading(tmp_path, data)
    assert (read.texts, read.rejects) == (FEATURES, [])
    assert read.report.notes == ["a GeoJSON feature collection: its features are the records"]


@pytest.mark.parametrize(
    ("document", "options"),
    [
        ("{" + COLLECTION.replace("Feature", "Thing").replace("Things", "features") + "}", {}),
        ('{"type":"FeatureCollection","features":{"a":1}}', {}),
        ('{"type":"FeatureCollection",' + COLLECTION + "}", {"records_path": "."}),
    ],
)
def test_what_is_no_geojson_collection_or_is_asked_for_whole_is_one_record(
    tmp_path: Path, document: str, options: dict[str, Any]
) -> None:
    assert Reading(tmp_path, document.encode(), **options).texts == [document]


@pytest.mark.usefixtures("blocks")
def test_a_long_document_without_a_path_says_what_to_do(tmp_path: Path) -> None:
    read = Reading(tmp_path, b'{"data":[' + b'{"a":1},' * 99 + b'{"a":1}]}', record_limit=100)
    assert read.codes == ["record_too_long"]
    assert "set `records_path`" in read.messages[0]


def test_a_document_cut_off_around_its_records_is_truncated(tmp_path: Path) -> None:
    read = Reading(tmp_path, b'{"data":[{"a":1}],"z":{', records_path="data")
    assert (read.texts, read.codes) == (['{"a":1}'], ["truncated"])
    assert Reading(tmp_path, b'{"x":{"data"', records_path="data").rejects != []


@pytest.mark.usefixtures("blocks")
def test_a_record_beyond_the_limit_costs_one_record(tmp_path: Path) -> None:
    long = '{"a":"' + "x" * 900 + '"}'
    for document in (f'[{{"a":1}},{long},{{"a":2}},{{"a":3}}]', f'[{{"a":1}},{long[:-2]},{{"a":2}},{{"a":3}}]'):
        read = Reading(tmp_path, document.encode(), record_limit=100)
        assert read.texts == ['{"a":1}', '{"a":2}', '{"a":3}']
        assert len(read.rejects) == 1
        assert read.rejects[0]["_length"] == len(document) - len('[{"a":1},,{"a":2},{"a":3}]')


@pytest.mark.parametrize("data", [b"[" * 100_000, b"[" * 500 + b"]" * 500, b'{"a":' * 50_000])
def test_nesting_bombs_are_one_reject(tmp_path: Path, data: bytes) -> None:
    read = Reading(tmp_path, data)
    assert (read.texts, read.codes) == ([], ["nested_too_deep"])


def test_the_depth_limit_counts_levels_of_the_record(tmp_path: Path) -> None:
    read = Reading(tmp_path, b'[[[1]],[[["x[[["]]]]', depth_limit=2)
    assert (read.texts, read.codes) == (["[[1]]"], ["nested_too_deep"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "cp932", "gb18030"])
def test_offsets_are_of_the_original_bytes_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    data = '[{"a":"東京ソ"},\r\n{bad},\n{"b":2}]'.encode(encoding)
    read = Reading(tmp_path, data, encoding=encoding)
    plain = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(encoding, encoding)
    assert read.texts == ['{"a":"東京ソ"}', '{"b":2}']
    assert [row["_line"] for row in read.rows] == [1, 3]
    for row in read.rows:
        assert data[row["_offset"] : row["_offset"] + row["_length"]].decode(plain) == row["_json"]
    assert read.raws == ["{bad}".encode(plain)]


def test_a_record_in_another_encoding_is_decoded_and_marked(tmp_path: Path) -> None:
    data = '[{"a":"é"},{"a":"é"},'.encode() + '{"a":"é"}]'.encode("cp1252")
    read = Reading(tmp_path, data, encoding="utf-8")
    assert read.texts == ['{"a":"é"}'] * 3
    assert [row["_encoding"] for row in read.rows] == [None, None, "cp1252"]


def test_an_empty_file_has_no_rows_but_a_blank_document_is_refused(tmp_path: Path) -> None:
    assert Reading(tmp_path, b"").report.notes == ["the file holds no records"]
    assert Reading(tmp_path, b" \n").codes == ["invalid_json"]
    assert Reading(tmp_path, b"\xef\xbb\xbf").codes == ["invalid_json"]


def test_a_big_array_equals_the_same_records_read_by_the_standard_library(tmp_path: Path) -> None:
    records = [{"id": n, "text": 'q"\\' * (n % 4) + "{[é", "sub": {"list": [n, [n]]}} for n in range(3000)]
    for indent in (None, 1):
        data = json.dumps(records, indent=indent, ensure_ascii=False).encode()
        read = Reading(tmp_path, data, part_bytes=20_000)
        assert [json.loads(text) for text in read.texts] == records
        for row in read.rows:
            assert data[row["_offset"] : row["_offset"] + row["_length"]].decode() == row["_json"]


SMALL_SUITE = [
    ("y", b'{"a":"b","a":"c"}'), ("y", b"[1E+22, -0, 123456789012345678901234567890]"), ("y", b'["\\uD801\\udc37"]'),
    ("y", b' [""] '), ("y", b'"\xf4\x8f\xbf\xbf"'), ("n", b"[1,,2]"), ("n", b"[NaN]"), ("n", b'["\\uD800\\u"]'),
    ("n", b"[-01]"), ("n", b"{'a':0}"), ("n", b'{"a":true} "x"'), ("n", b"[1]x"), ("n", b'["a'), ("n", b"\xef\xbb\xbf"),
    ("n", b"[" * 5000), ("i", b'["\\uDd1ea"]'), ("i", b'["\xff"]'), ("i", b"[1e9999]"), ("i", '["é"]'.encode("utf-16")),
]  # fmt: skip


def check_of_suite(tmp_path: Path, kind: str, data: bytes) -> list[str]:
    """What is wrong about the reading of one file: `y` must be accepted, `n` refused, `i` either."""
    read = Reading(tmp_path, data, format="json")
    wrong = []
    if kind == "y" and (read.rejects or read.report.received != len(read.rows)):
        wrong.append("refused")
    if kind == "n" and data and not read.rejects:
        wrong.append("accepted")
    if any(row["_source_file"] != "in.json" or row["_offset"] > len(data) for row in read.rejects):
        wrong.append("a reject without its place")
    for text in read.texts:
        json.loads(text, parse_constant=pytest.fail)
    staged = pa.table({rows.JSON_RECORD: pa.array(read.texts, pa.string())})
    if flatten(staged, Flatten()).problems:
        wrong.append("staged, and no columns")
    return wrong


@pytest.mark.parametrize(("kind", "data"), SMALL_SUITE)
def test_valid_json_is_accepted_and_invalid_json_refused(tmp_path: Path, kind: str, data: bytes) -> None:
    assert check_of_suite(tmp_path, kind, data) == []


@pytest.mark.skipif(not SUITE.is_dir(), reason="the corpus json-test-suite is not at hand")
def test_every_file_of_the_json_test_suite_is_accepted_or_refused_as_it_must_be(tmp_path: Path) -> None:
    found = {
        path.name: check_of_suite(tmp_path, path.name.partition("_")[0], path.read_bytes())
        for path in SUITE.rglob("*.json")
    }
    assert len(found) > 300
    assert {name: wrong for name, wrong in found.items() if wrong} == {}

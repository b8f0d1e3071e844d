"""XML: records by path or by what repeats, exact places, one reject for a damaged one, nothing fetched or expanded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.errors import SourceError, UsageError
from loadlock.intake.base import SourceOptions
from loadlock.intake.formats.xml import XmlFormat
from loadlock.intake.read import choose_format
from loadlock.model import FileReport
from loadlock.testing.bytes_source import BytesSource

ORDERS = """<?xml version="1.0"?>
<export>
 <meta><at>2024</at></meta>
 <orders>
  <order id="1"><name>Ann &amp; Bo</name><item>a</item><item>b</item></order>
  <order id="2"/>
  <order id="3"><name>Zoë</name></order >
 </orders>
</export>
"""


class Reading:
    """All that reading some bytes gave; balance of rows and bytes, and the place of each, are checked for each."""

    def __init__(self, data: bytes | str, *, block_bytes: int = 4 << 20, **options: Any) -> None:
        data = data.encode() if isinstance(data, str) else data
        result = XmlFormat().read(BytesSource(data, "in.xml", block_bytes=block_bytes), SourceOptions(**options))
        parts = list(result.parts)
        self.rows = [row for part in parts for row in part.rows.to_pylist()]
        self.rejects = [row for part in parts for row in part.rejects.to_pylist()]
        self.report: FileReport = result.report()
        assert self.report.received == len(self.rows) + len(self.rejects)
        assert self.report.bytes.total == len(data)
        assert self.report.bytes.framing >= 0
        everything = sorted(self.rows + self.rejects, key=lambda row: row["_row"])
        assert [row["_row"] for row in everything] == list(range(1, len(everything) + 1))
        self.cut = [data[row["_offset"] : row["_offset"] + row["_length"]] for row in everything]
        for reject in self.rejects:
            start = reject["_offset"]
            assert reject["raw"] == data[start : start + min(reject["_length"], 65536)]

    @property
    def values(self) -> list[Any]:
        return [json.loads(row["_json"]) for row in self.rows]

    @property
    def codes(self) -> list[str]:
        return [reject["problems"][0]["code"] for reject in self.rejects]


def test_the_elements_that_repeat_are_the_records_and_the_reason_is_told() -> None:
    read = Reading(ORDERS)
    assert read.values == [
        {"@id": "1", "name": "Ann & Bo", "item": ["a", "b"]},
        {"@id": "2"},
        {"@id": "3", "name": "Zoë"},
    ]
    assert read.report.dialect["records_path"] == "/export/orders/order"
    assert "3 elements export/orders/order" in read.report.dialect["reasons"][0]


def test_every_record_has_its_line_and_its_bytes() -> None:
    read = Reading(ORDERS)
    assert [row["_line"] for row in read.rows] == [5, 6, 7]
    assert read.cut == [
        b'<order id="1"><name>Ann &amp; Bo</name><item>a</item><item>b</item></order>',
        b'<order id="2"/>',
        '<order id="3"><name>Zoë</name></order >'.encode(),
    ]


@pytest.mark.parametrize("path", ["order", "orders/order", "/export/orders/order", "export.orders.order"])
def test_a_path_says_which_elements_are_records(path: str) -> None:
    assert len(Reading(ORDERS, records_path=path).rows) == 3


def test_a_text_alone_is_a_value() -> None:
    assert Reading(ORDERS, records_path="item").values == ["a", "b"]


def test_text_beside_elements_and_attributes_is_kept() -> None:
    read = Reading('<r><x>a<b>1</b> c</x><x u="m">5</x><x/><x xsi:nil="true"/></r>')
    assert read.values == [{"b": "1", "#text": "a c"}, {"@u": "m", "#text": "5"}, "", None]


def test_an_element_said_to_repeat_is_always_an_array() -> None:
    data = "<r><o><is><i>1</i></is></o><o><is><i>1</i><i>2</i></is></o></r>"
    plain, said = Reading(data), Reading(data, extra={"repeated": ["is/i"]})
    assert plain.values == [{"is": {"i": "1"}}, {"is": {"i": ["1", "2"]}}]
    assert said.values == [{"is": {"i": ["1"]}}, {"is": {"i": ["1", "2"]}}]


def test_comments_and_cdata_are_no_markup() -> None:
    read = Reading("<r><!-- <x>no</x> --><x><![CDATA[<x>&]]></x><x><?go?>1<!-- 2 -->3</x></r>")
    assert read.values == ["<x>&", "13"]


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ("Ann & Bo", "invalid_xml"),
        ("Ann &nbsp; Bo", "invalid_xml"),
        ("Ann < Bo", "invalid_xml"),
        ("Ann\x01", "invalid_xml"),
    ],
)
def test_a_damaged_record_costs_itself_only(found: str, code: str) -> None:
    read = Reading(ORDERS.replace("Ann &amp; Bo", found))
    assert [row["_json"] for row in read.rows] == ['{"@id":"2"}', '{"@id":"3","name":"Zoë"}']
    assert read.codes == [code]
    assert read.rejects[0]["_line"] == 5
    assert "line 5" in read.rejects[0]["problems"][0]["message"]


def test_a_record_without_its_end_costs_itself_only() -> None:
    read = Reading(ORDERS.replace("</item></order>", "</item>"))
    assert read.values == [{"@id": "2"}, {"@id": "3", "name": "Zoë"}]
    assert read.codes == ["invalid_xml"]


def test_bytes_that_do_not_decode_are_said_to_be_that() -> None:
    read = Reading(b"<?xml version='1.0' encoding='utf-8'?><r><x>a</x><x>\xe9</x><x>b</x></r>")
    assert read.values == ["a", "b"]
    assert read.codes == ["invalid_encoding"]
    assert read.cut[1] == b"<x>\xe9</x>"


def test_a_cut_off_document_keeps_its_whole_records() -> None:
    data = ORDERS.encode()
    read = Reading(data[: data.index(b"</name></order >")])
    assert len(read.rows) == 2
    assert read.codes == ["truncated"]
    between = Reading(data[: data.index(b'<order id="3"')])
    assert (len(between.rows), between.codes) == (2, ["truncated"])


def test_a_wrong_end_tag_around_the_records_is_a_reject_and_the_records_are_rows() -> None:
    read = Reading(ORDERS.replace("</orders>", "</order>"))
    assert (len(read.rows), read.codes) == (3, ["invalid_xml"])


def test_records_of_documents_put_together_are_all_read() -> None:
    read = Reading(ORDERS + ORDERS)
    assert len(read.rows) == 6
    assert read.codes == ["invalid_xml"]


def test_a_record_within_a_record_is_part_of_it() -> None:
    read = Reading("<r><x><n>1</n></x><x><x>2</x></x></r>", records_path="x")
    assert read.values == [{"n": "1"}, {"x": "2"}]


def test_no_row_comes_out_of_a_damaged_record_where_records_stand_within_records() -> None:
    read = Reading("<r><x><x>1</x></x><x>&<x>2</x></x><x>3</x></r>", records_path="/r/x")
    assert {"x": "1"} in read.values
    assert "2" not in read.values


@pytest.mark.parametrize(
    "data",
    [
        '<!DOCTYPE r [<!ENTITY a "x">]><r><x>&a;</x></r>',
        '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]><r><x>&a;</x></r>',
        '<!DOCTYPE r [<!ENTITY % a SYSTEM "http://localhost/x.dtd"> %a;]><r/>',
        '<!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;</l>',
    ],
    ids=["entity", "external", "parameter", "laughs"],
)
def test_documents_that_declare_entities_are_refused(data: str) -> None:
    with pytest.raises(SourceError, match="declares an entity"):
        Reading(data)


def test_an_external_definition_is_not_fetched_and_its_entities_are_rejects() -> None:
    read = Reading('<!DOCTYPE r SYSTEM "http://127.0.0.1:1/y.dtd"><r><x>&a;</x><x>1</x></r>')
    assert (read.values, read.codes) == (["1"], ["invalid_xml"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "cp1252", "shift_jis", "utf-8-sig"])
def test_places_are_those_of_the_original_bytes(encoding: str) -> None:
    text = {"shift_jis": "日本", "cp1252": "Zoë"}.get(encoding, "Zoë €")
    name = {"utf-8-sig": "utf-8", "utf-16-be": "utf-16"}.get(encoding, encoding)
    document = f'<?xml version="1.0" encoding="{name}"?>\n<r><x>{text}</x>\n<x>& </x><x>b</x></r>'
    read = Reading(("\ufeff" if encoding == "utf-16-be" else "").encode(encoding) + document.encode(encoding))
    assert read.values == [text, "b"]
    codec = {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}.get(encoding, encoding)
    assert [piece.decode(codec) for piece in read.cut] == [f"<x>{text}</x>", "<x>& </x>", "<x>b</x>"]


def test_an_unknown_declared_encoding_is_a_clear_error() -> None:
    with pytest.raises(SourceError, match="unknown encoding 'klingon'"):
        Reading('<?xml version="1.0" encoding="klingon"?><r/>')


def test_deep_and_long_records_are_rejects_and_their_neighbours_rows() -> None:
    deep = "<a>" * 30 + "</a>" * 30
    read = Reading(f"<r><x>1</x><x>{deep}</x><x>{'y' * 3000}</x><x>2</x></r>", depth_limit=10, record_limit=1000)
    assert read.values == ["1", "2"]
    assert read.codes == ["nested_too_deep", "record_too_long"]


def test_very_deep_documents_are_refused_not_followed() -> None:
    with pytest.raises(SourceError, match="deeper than 1,000"):
        Reading("<a>" * 200_000, records_path="x")


def test_an_endless_tag_is_a_reject() -> None:
    read = Reading(
        f'<r><x>1</x><x a="{"y" * 2_000_000}"/><x>2</x></r>', records_path="x", record_limit=1000, block_bytes=9999
    )
    assert read.values == ["1", "2"]
    assert read.codes == ["record_too_long"]


def test_a_path_that_leads_nowhere_is_a_mistake_and_an_empty_place_is_none() -> None:
    with pytest.raises(SourceError, match="no element orders/ordr"):
        Reading(ORDERS.replace("orders", "list"), records_path="orders/ordr")
    assert Reading("<export><orders/></export>", records_path="orders/order").rows == []
    with pytest.raises(UsageError, match="names no element"):
        Reading(ORDERS, records_path="/")


def test_a_blank_file_has_no_records() -> None:
    assert Reading(b" \n ").report.received == 0


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_the_blocks_it_comes_in_do_not_matter(size: int) -> None:
    for data in (ORDERS, ORDERS.replace("&amp;", "&"), ORDERS.replace("</item></order>", "</item>"), ORDERS[:200]):
        small, whole = Reading(data, block_bytes=size), Reading(data)
        assert small.rows == whole.rows
        assert small.rejects == whole.rejects


def test_it_is_told_from_html_and_json_and_csv() -> None:
    def chosen(data: str, name: str) -> str:
        return choose_format(BytesSource(data.encode(), name), SourceOptions()).name

    assert chosen(ORDERS, "a.dat") == "xml"
    assert chosen("<rows><row/></rows>", "a.xml") == "xml"
    assert chosen("a,b\n<1>,2\n", "a.csv") == "csv"
    with pytest.raises(SourceError, match="HTML page"):
        chosen("<!DOCTYPE html>\n<html><table></table></html>", "a.csv")


NAMES = st.sampled_from(["a", "b", "ns:c", "d-1", "é"])
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"], exclude_characters="\x85"), max_size=8
)
TREES = st.recursive(
    TEXTS, lambda below: st.dictionaries(NAMES, below | st.lists(below, min_size=2, max_size=3), min_size=1, max_size=3)
)


def written(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(written(name, item) for item in value)
    if isinstance(value, dict):
        return f"<{name}>{''.join(written(key, item) for key, item in value.items())}</{name}>"
    escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<{name}>{escaped}</{name}>"


@settings(max_examples=60, deadline=None)
@given(st.lists(TREES, min_size=2, max_size=5), st.integers(1, 60))
def test_what_was_written_is_read_back(records: list[Any], block_bytes: int) -> None:
    document = "<all>\n" + "\n".join(written("rec", record) for record in records) + "</all>"
    read = Reading(document, block_bytes=block_bytes, records_path="/all/rec")
    assert read.values == records
    assert [piece.decode() for piece in read.cut] == [written("rec", record) for record in records]

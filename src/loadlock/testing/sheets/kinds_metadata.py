"""Developer metadata: create, update, delete, search. An id in use makes the request fail, whatever else it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from loadlock.testing.sheets.book import Metadata
from loadlock.testing.sheets.errors import ApiError, Json, bad, unknown
from loadlock.testing.sheets.masks import writing
from loadlock.testing.sheets.present import metadata_json
from loadlock.testing.sheets.work import Work


def create(work: Work, body: Json) -> Json:
    given = body.get("developerMetadata", {})
    number = given.get("metadataId")
    if number is None:
        number = work.book.fresh_id(set(work.book.metadata))
    elif number in work.book.metadata:
        raise bad(f"A developer metadata with id {number} already exists.")
    if not given.get("metadataKey"):
        raise bad("developerMetadata.metadataKey must be specified.")
    if given.get("visibility") not in ("DOCUMENT", "PROJECT"):
        raise bad("developerMetadata.visibility must be specified.")
    item = Metadata(
        metadata_id=number,
        key=given["metadataKey"],
        value=given.get("metadataValue"),
        visibility=given["visibility"],
        location=_location(work, given.get("location")),
    )
    work.book.metadata[number] = item
    _check_chars(work, item)
    return {"developerMetadata": metadata_json(item)}


def _location(work: Work, given: Json | None) -> Json:
    given = {name: value for name, value in (given or {}).items() if name != "locationType"}
    if len(given) != 1:
        raise bad("developerMetadata.location must have exactly one location set.")
    if "sheetId" in given:
        work.book.tab(given["sheetId"])
    elif "dimensionRange" in given:
        at = given["dimensionRange"]
        work.book.tab(at.get("sheetId", 0))
        if at.get("endIndex", -1) - at.get("startIndex", 0) != 1 or at.get("dimension") not in ("ROWS", "COLUMNS"):
            raise bad("developerMetadata.location.dimensionRange must cover exactly one row or column.")
    elif given["spreadsheet"] is not True:
        raise bad("developerMetadata.location.spreadsheet must be true.")
    return given


def _check_chars(work: Work, added: Metadata) -> None:
    """30,000 characters for the spreadsheet, and as many for each of its tabs."""
    limit = work.settings.limits.metadata_chars
    total = sum(item.chars for item in work.book.metadata.values() if item.sheet_id == added.sheet_id)
    if total > limit:
        where = "spreadsheet" if added.sheet_id is None else "sheet"
        raise bad(f"Developer metadata on this {where} exceeds the limit of {limit} characters.")


def update(work: Work, body: Json) -> Json:
    mask = writing(body.get("fields", ""), "DeveloperMetadata", work.discovery)
    given = body.get("developerMetadata", {})
    found = [item for item in work.book.metadata.values() if _matches_any(item, body.get("dataFilters", ()))]
    for item in found:
        for name in mask:
            if name == "metadataKey":
                item.key = given.get("metadataKey") or item.key
            elif name == "metadataValue":
                item.value = given.get("metadataValue")
            elif name == "visibility":
                item.visibility = given.get("visibility", item.visibility)
            elif name == "location":
                item.location = _location(work, given.get("location"))
            elif body.get("fields") != "*":
                raise bad(f"{name} is immutable.")
        _check_chars(work, item)
    return {"developerMetadata": [metadata_json(item) for item in found]} if found else {}


def delete(work: Work, body: Json) -> Json:
    """Deletes what the filter matches; nothing matched is no error."""
    found = [item for item in work.book.metadata.values() if _matches_any(item, [body.get("dataFilter", {})])]
    for item in found:
        del work.book.metadata[item.metadata_id]
    return {"deletedDeveloperMetadata": [metadata_json(item) for item in found]} if found else {}


def search(work: Work, body: Json) -> Json:
    """developerMetadata.search: all that match at least one filter."""
    answers = []
    for item in work.book.metadata.values():
        filters = [given for given in body.get("dataFilters", ()) if _matches_any(item, [given])]
        if filters:
            answers.append({"developerMetadata": metadata_json(item), "dataFilters": filters})
    return {"matchedDeveloperMetadata": answers} if answers else {}


def get(work: Work, metadata_id: int) -> Json:
    """developerMetadata.get."""
    item = work.book.metadata.get(metadata_id)
    if item is None:
        raise ApiError(404, f"No developer metadata with id: {metadata_id}")
    return metadata_json(item)


def _matches_any(item: Metadata, filters: Iterable[Json]) -> bool:
    return any(_matches(item, given) for given in filters)


def _matches(item: Metadata, given: Json) -> bool:
    lookup = given.get("developerMetadataLookup")
    if lookup is None or len(given) != 1:
        raise unknown("data filters other than developerMetadataLookup")
    if "metadataLocation" in lookup or lookup.get("locationMatchingStrategy") == "INTERSECTING_LOCATION":
        return _located(item, lookup)
    wanted = {"metadataId": item.metadata_id, "metadataKey": item.key, "metadataValue": item.value or ""}
    wanted |= {"visibility": item.visibility, "locationType": metadata_json(item)["location"]["locationType"]}
    if not lookup:
        raise bad("developerMetadataLookup must have at least one field set.")
    return all(name in wanted and wanted[name] == value for name, value in lookup.items())


def _located(item: Metadata, lookup: Json) -> bool:
    """At exactly the location (the default), or on the tab that is named (`INTERSECTING_LOCATION`)."""
    location = {name: value for name, value in lookup.get("metadataLocation", {}).items() if name != "locationType"}
    rest = {
        name: value for name, value in lookup.items() if name not in ("metadataLocation", "locationMatchingStrategy")
    }
    if rest and not _matches(item, {"developerMetadataLookup": rest}):
        return False
    if lookup.get("locationMatchingStrategy") != "INTERSECTING_LOCATION":
        return location == item.location
    if location.get("spreadsheet"):
        return True
    if "sheetId" not in location:
        raise unknown("metadata intersecting a row or column")
    return bool(item.sheet_id == location["sheetId"])


KINDS: dict[str, Callable[[Work, Any], Json]] = {
    "createDeveloperMetadata": create,
    "updateDeveloperMetadata": update,
    "deleteDeveloperMetadata": delete,
}

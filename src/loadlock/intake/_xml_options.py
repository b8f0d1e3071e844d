"""Options of XML documents."""

from __future__ import annotations

from dataclasses import dataclass

from loadlock.intake._options import option


@dataclass(frozen=True, kw_only=True)
class XmlOptions:
    """Options beside the common ones; the path of the records is `records_path`."""

    repeated: tuple[str, ...] = option(
        "Paths of elements below the record, as `items/item`, that are arrays even where they stand only once.",
        default=(),
    )

    def repeated_paths(self) -> frozenset[str]:
        """The paths, written with slashes."""
        marked = ((path, "/" if "/" in path else ".") for path in self.repeated)
        return frozenset("/".join(filter(None, path.split(mark))) for path, mark in marked)

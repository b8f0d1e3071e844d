"""The report of a run: one self-contained HTML page, made from the run's JSON document alone."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from loadlock._version import __version__
from loadlock.errors import WorkspaceError
from loadlock.problems import CATALOGUE
from loadlock.report.charts import bar, reject_matrix
from loadlock.report.flow import flow_svg

_PAGE = "template.html"
_SHOWN = 120
"""Characters of a value that are shown."""


def write_report(document: dict[str, Any], path: Path) -> None:
    """Write the page beside and rename it into place. Raises WorkspaceError where the folder can't be written."""
    write_page(render(document), path)


def write_page(text: str, path: Path) -> None:
    """Write a page beside and rename it into place. Raises WorkspaceError where the folder can't be written."""
    beside = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as exc:
        raise WorkspaceError(f"the page {path} can't be written: {exc.strerror}") from exc


def prepare() -> None:
    """Compile the template of `render`, which takes longer than to fill it."""
    template_of(_PAGE)


def render(document: dict[str, Any]) -> str:
    """The page as text. Values of the data are escaped; nothing is loaded from outside."""
    from markupsafe import Markup

    template = template_of(_PAGE)
    balance = document["balance"]
    page: str = template.render(
        d=_Lenient(document),
        delivered=balance["inserted"] + balance["updated"] + balance["unchanged"],
        rejected=sum(balance["rejected"].values()),
        flow=Markup(flow_svg(balance)),  # noqa: S704 — numbers and own words, escaped in flow.py
        matrix=Markup(reject_matrix(document.get("reject_columns", []))),  # noqa: S704 — escaped in charts.py
        codes=_codes(document),
        rules=_rules(document),
        columns=_columns(document),
        bar=lambda share, css="good": Markup(bar(share, css)),  # noqa: S704 — a number and a fixed word
        percent=lambda part, whole: f"{part * 100 / whole:.2f} %" if whole else "0 %",
        size=_size,
        show=shown_value,
        words=_words,
        version=__version__,
    )
    return page


@cache
def template_of(name: str) -> Any:
    """A page's template. Whatever is put into it is escaped; `style` and `n` (a number for people) are there already."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def own(file: str) -> str:
        return resources.files("loadlock.report").joinpath(file).read_text("utf-8")

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.globals["style"] = Markup(own("style.css"))  # noqa: S704 — our own file
    environment.globals["n"] = lambda number: f"{number:,}"
    return environment.from_string(own(name))


class _Lenient(dict[str, Any]):
    """A document in which an absent key is None, for documents of older versions."""

    def __missing__(self, key: str) -> None:
        return None

    def __getattr__(self, key: str) -> Any:
        value = self[key]
        if isinstance(value, dict):
            return _Lenient(value)
        if isinstance(value, list):
            return [_Lenient(item) if isinstance(item, dict) else item for item in value]
        return value


def _codes(document: dict[str, Any]) -> list[dict[str, Any]]:
    counts: dict[tuple[str, str], int] = {}
    for stage, code, _, rows in document.get("reject_columns", []):
        counts[stage, code] = counts.get((stage, code), 0) + rows
    most = max(counts.values(), default=1)
    found = []
    for (stage, code), rows in sorted(counts.items(), key=lambda item: -item[1]):
        known = CATALOGUE.get(code)
        found.append(
            {
                "stage": stage,
                "code": code,
                "rows": rows,
                "share": rows / most,
                "meaning": known.meaning if known else "",
                "remedy": known.remedy if known else "",
            }
        )
    return found


def _rules(document: dict[str, Any]) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = (document.get("tallies") or {}).get("rules", [])
    return rules


def _columns(document: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for column in (document.get("tallies") or {}).get("columns", []):
        rows = column["values"] + column["nulls"]
        found.append({**column, "filled": column["values"] / rows if rows else 0.0})
    return found


def _size(number: int) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000  # type: ignore[assignment]
    raise AssertionError("unreachable")


def _words(text: str) -> Any:
    """Text of the catalogue, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    pieces = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if index % 2 else escape(piece) for index, piece in enumerate(pieces)
    )


def shown_value(value: object) -> str:
    """A value as a person can see it: null, white space and control characters made visible, long text cut."""
    if value is None:
        return "null"
    text = str(value)
    shown = "".join(_visible(character) for character in text[:_SHOWN])
    return shown + ("…" if len(text) > _SHOWN else "") if text else "(empty)"


def _visible(character: str) -> str:
    names = {"\n": "↵", "\t": "⇥", "\r": "␍", "\x00": "␀", "\u00a0": "⍽"}
    return names.get(character, character if character.isprintable() else f"\\u{ord(character):04x}")

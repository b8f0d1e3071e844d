"""From a profile of files to a written pipeline: proposals with reasons, nothing guessed in silence."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from loadlock.cleanup.profile import ColumnProfile, Profile, merged
from loadlock.model import FileReport
from loadlock.pipeline._guess_checks import Extras, extras_of, is_personal
from loadlock.pipeline._guess_types import Verdict, judge, shown, values

MOST_REJECTS = 0.04
"""Share of all rows that the proposals together may reject: below the default budget of 5 percent."""

_REASON_WORDS = {
    "delimiter": "delimiter",
    "quote": "quote",
    "escape": "escape",
    "header": "header",
    "preamble": "skipped",
    "sheet": "sheet",
    "records_path": "records_path",
    "positions": "positions",
}
"""Option → word of the reason that reading gives for it."""
_HOW = {"utf8": "all bytes are valid UTF-8", "bom": "a byte-order mark", "nul_pattern": "the places of NUL bytes"}
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_KEY_NAME = re.compile(r"(?:^|_)(?:id|key|code|no|nr|number|uuid|guid|index)$")
_LETTERS = str.maketrans({"ß": "ss", "ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ø": "o", "ł": "l",
                          "æ": "ae", "Ø": "O", "Ł": "L", "Æ": "Ae", "%": " percent ", "#": " number "})  # fmt: skip
_MENDED = (
    ("mojibake", "fix_encoding", "decoded wrongly before they came:"),
    ("invisible", "strip_invisible", "characters that can't be seen in"),
    ("entities", "html_unescape", "HTML entities in"),
)
"""Count → rule → what is said of it."""
_SURE_NULLS = frozenset(("N/A", "n/a", "#N/A", "NULL", "null", "Null", "\\N", "(null)", "--", "NaN", "nan"))
"""Words that mean null in a text column too; the others may be texts (NA is Namibia)."""


@dataclass(frozen=True, kw_only=True)
class ProposedColumn:
    """One proposed column; `reasons` are shown as comments."""

    name: str
    sources: tuple[str, ...]
    type: str
    formats: tuple[str, ...] = ()
    required: bool = False
    unique: bool = False
    mask: bool = False
    rules: tuple[Any, ...] = ()
    checks: tuple[Any, ...] = ()
    reasons: tuple[str, ...] = ()
    misfits: int = 0

    def written(self) -> Any:
        """As in the pipeline: the type alone where there is nothing else to say."""
        document: dict[str, Any] = {}
        if self.sources != (self.name,):
            document["from"] = self.sources[0] if len(self.sources) == 1 else list(self.sources)
        document["type"] = self.type
        for key in ("formats", "rules", "checks"):
            if value := getattr(self, key):
                document[key] = list(value)
        for key in ("required", "unique", "mask"):
            if getattr(self, key):
                document[key] = True
        return self.type if len(document) == 1 else document


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A proposed pipeline. `found` says how the files were read; it is written as comments, ready to be pinned."""

    name: str
    files: tuple[str, ...]
    rows: int
    format: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the source that were pinned by the user."""
    found: tuple[tuple[str, Any, str], ...] = ()
    """(option, value, evidence) of what was found out."""
    columns: tuple[ProposedColumn, ...] = ()
    destination: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The pipeline as a mapping for `pipeline_from`, without the comments."""
        files = self.files[0] if len(self.files) == 1 else list(self.files)
        source: dict[str, Any] = {"files": files, **({"format": self.format} if self.format else {}), **self.options}
        document: dict[str, Any] = {"pipeline": self.name, "source": source}
        if self.columns:
            document["columns"] = {column.name: column.written() for column in self.columns}
        return {**document, "destination": dict(self.destination)}


def propose(
    profile: Profile,
    *,
    name: str,
    files: Sequence[str],
    reports: Sequence[FileReport] = (),
    options: Mapping[str, Any] | None = None,
    destination: Mapping[str, Any] | None = None,
) -> Proposal:
    """The pipeline that the profile speaks for.

    `reports` say how the files were read; `options` are those of the source that the user pinned; the destination is a
    DuckDB file beside the pipeline unless one is given. The pipeline runs as it is, and rejects of the rows it was
    derived from only what the reasons name.
    """
    columns = _bounded(_columns(profile), profile.rows)
    formats = {report.format for report in reports}
    return Proposal(
        name=name,
        files=tuple(files),
        rows=profile.rows,
        format=formats.pop() if len(formats) == 1 and "format" not in (options or {}) else None,
        options=dict(options or {}),
        found=_found(reports, options or {}),
        columns=columns,
        destination=destination or {"url": f"duckdb:///{identifier(name)}.duckdb", "table": identifier(name)},
        notes=_notes(columns, reports),
    )


def to_yaml(proposal: Proposal) -> str:
    """The proposal as a pipeline file with its reasons as comments."""
    from loadlock.pipeline._guess_yaml import write

    return write(proposal)


def identifier(name: str, number: int = 1) -> str:
    """A plain name for a column or table: lower case, words joined by `_`; `column_<number>` where nothing is left."""
    text = unicodedata.normalize("NFKD", _CAMEL.sub(" ", name.translate(_LETTERS)))
    text = _NOT_WORD.sub("_", text.encode("ascii", "ignore").decode().lower()).strip("_")
    if not text:
        return f"column_{number}"
    return f"column_{text}" if text[0].isdigit() else text[:60].rstrip("_")


def _columns(profile: Profile) -> tuple[ProposedColumn, ...]:
    """A column for each of the files' columns; those that are one under two names come together."""
    groups: dict[str, list[ColumnProfile]] = {}
    for number, column in enumerate(profile.columns, start=1):
        plain = name = identifier(column.name, number)
        copy = 1
        while name in groups and not all(profile.apart(column.name, other.name) for other in groups[name]):
            copy += 1
            name = f"{plain}_{copy}"
        groups.setdefault(name, []).append(column)
    return tuple(_column(name, group, profile) for name, group in groups.items())


def _column(name: str, group: list[ColumnProfile], profile: Profile) -> ProposedColumn:
    column = group[0]
    for other in group[1:]:
        column = merged(column, other)
    verdict = judge(column)
    complete = column.values == profile.rows and column.values > 1
    typed = verdict.type in ("text", "integer", "uuid")
    named = _KEY_NAME.search(name) is not None and not is_personal(name)
    is_key = complete and bool(column.unique) and typed and named
    proposed = _with_rules(name, tuple(one.name for one in group), column, verdict, is_key=is_key)
    reasons = _more_reasons(name, column, group, profile)
    if is_key:
        reasons.append("never empty and never twice")
        return replace(proposed, required=True, unique=True, reasons=(*proposed.reasons, *reasons))
    return replace(proposed, reasons=(*proposed.reasons, *reasons))


def _with_rules(
    name: str, sources: tuple[str, ...], column: ColumnProfile, verdict: Verdict, *, is_key: bool
) -> ProposedColumn:
    """The rules and checks that the counts ask for, the rules in the order in which they must run."""
    is_text = verdict.type == "text"
    words = [word for word in column.null_words if not is_text or word in _SURE_NULLS]
    kept = {word: count for word, count in column.null_words.items() if word not in words}
    extras = extras_of(name, column, verdict.type, kept) if not is_key or verdict.type == "text" else Extras()
    no_empties = extras.no_empties and bool(column.empties)
    mended, reasons = _mended(column, needed=no_empties) if is_text or words else ([], [])
    if words:
        counted = ", ".join(f"{word!r} ({column.null_words[word]:,})" for word in words)
        reasons.append(f"words for null: {counted}")
    if no_empties:
        reasons.append(f"{column.empties:,} empty texts become null, which no check finds")
    nulls = [{"null_if": [*words, *([""] if no_empties else [])]}] if words or no_empties else []
    return ProposedColumn(
        name=name,
        sources=sources,
        type=verdict.type,
        formats=verdict.formats,
        rules=(*mended, *nulls, *extras.rules, *verdict.rules),
        checks=extras.checks,
        mask=extras.mask,
        reasons=(*reasons, *verdict.reasons, *extras.reasons),
        misfits=verdict.misfits,
    )


def _mended(column: ColumnProfile, *, needed: bool) -> tuple[list[Any], list[str]]:
    """Rules that mend texts, with the reasons; `needed`: words must stand without white space around them."""
    found: list[tuple[str, str]] = []
    for count, rule, what in _MENDED:
        if column.count(count):
            examples = shown(column.examples.get(count, ()), 2)
            found.append((rule, f"{what} {values(column.count(count))}, as {examples}: {rule}"))
    if column.count("padded"):
        found.append(("trim", f"white space at the ends of {values(column.count('padded'))}: trim"))
    elif needed and column.empties:
        found.append(("trim", ""))
    return [rule for rule, _ in found], [reason for _, reason in found if reason]


def _more_reasons(name: str, column: ColumnProfile, group: list[ColumnProfile], profile: Profile) -> list[str]:
    """What else the reader should know: names, gaps, texts that may be null, e-mail addresses."""
    found = []
    if name != (plain := identifier(column.name, 0)) and not plain.startswith("column_"):
        found.append(f"the name {plain} is taken by another column")
    if len(group) > 1:
        found.append(f"{' and '.join(repr(one.name) for one in group)} never stand in one file: taken for one column")
    missing = profile.rows - column.rows
    empty = column.nulls + column.empties + missing
    if empty and column.values:
        found.append(f"no value in {empty:,} of {profile.rows:,} rows")
    if column.null_words and not any(word in _SURE_NULLS for word in column.null_words) and column.kinds.get("other"):
        counted = ", ".join(f"{word!r} ({count:,})" for word, count in list(column.null_words.items())[:5])
        found.append(f"{counted} may mean null: add {{null_if: [...]}} then")
    emails = column.count("email")
    if 2 * emails >= column.values > emails:
        found.append(f"{emails:,} of {values(column.values)} are e-mail addresses: checks: [email] would demand it")
    if column.count("inner_spaces") + column.count("odd_spaces"):
        spaces = column.count("inner_spaces") + column.count("odd_spaces")
        found.append(f"doubled or odd spaces in {values(spaces)}: collapse_spaces would make each one plain space")
    return found


def _bounded(columns: tuple[ProposedColumn, ...], rows: int) -> tuple[ProposedColumn, ...]:
    """Leave columns as text, those with most misfits first, until the proposal rejects few rows in all."""
    while sum(column.misfits for column in columns) > MOST_REJECTS * rows:
        worst = max(columns, key=lambda column: column.misfits)
        reason = f"stays text: as {worst.type} too many rows would be rejected in all"
        plain = replace(worst, type="text", formats=(), checks=(), misfits=0, reasons=(reason, *worst.reasons))
        rules = tuple(rule for rule in worst.rules if rule in ("trim", *(rule for _, rule, _ in _MENDED)))
        columns = tuple(replace(plain, rules=rules) if column is worst else column for column in columns)
    return columns


def _found(reports: Sequence[FileReport], options: Mapping[str, Any]) -> tuple[tuple[str, Any, str], ...]:
    """What reading found out, one line an option; where files differ, all findings are named."""
    found: list[tuple[str, Any, str]] = []
    encodings = _tally([(report.encoding.get("name"), _encoding_reason(report.encoding)) for report in reports])
    entries = [("encoding", encodings)]
    for option, word in _REASON_WORDS.items():
        entries.append((option, _tally([(_setting(r, option), _reason(r, word)) for r in reports])))
    for option, tally in entries:
        for value, (count, reason) in tally.items():
            share = f"in {count:,} of {len(reports):,} files" if len(tally) > 1 else ""
            if option not in options:
                found.append((option, value, "; ".join(filter(None, (share, reason)))))
    return tuple(found)


def _setting(report: FileReport, option: str) -> Any:
    """What was found, None where it is what stands there anyway."""
    value = report.dialect.get(option)
    if isinstance(value, list):
        return tuple(value)
    return None if value == 0 and option == "preamble" else value


def _reason(report: FileReport, word: str) -> str:
    reasons = [str(reason) for reason in report.dialect.get("reasons", ())]
    return next((reason for reason in reasons if word in reason), "")


def _tally(entries: list[tuple[Any, str]]) -> dict[Any, tuple[int, str]]:
    """Value → (how many files, first reason); values that nobody found are left out."""
    found: dict[Any, tuple[int, str]] = {}
    for value, reason in entries:
        if value is not None:
            count, first = found.get(value, (0, reason))
            found[value] = (count + 1, first)
    return found


def _encoding_reason(encoding: Mapping[str, Any]) -> str:
    how = str(encoding.get("how", ""))
    pieces = [_HOW.get(how, how)]
    if encoding.get("confidence") not in (None, 1, 1.0):
        pieces.append(f"confidence {encoding['confidence']:.2f}")
    if encoding.get("runner_up") and how == "detected":
        pieces.append(f"else {encoding['runner_up']}")
    if encoding.get("fallback_rows"):
        pieces.append(f"{encoding['fallback_rows']:,} rows in another")
    return ", ".join(filter(None, pieces))


def _notes(columns: tuple[ProposedColumn, ...], reports: Sequence[FileReport]) -> tuple[str, ...]:
    notes = []
    rejected = sum(report.rejected for report in reports)
    if rejected:
        notes.append(f"{rejected:,} rows can't be read whatever the rules; see loadlock preview")
    if misfits := sum(column.misfits for column in columns):
        notes.append(f"{misfits:,} of these rows at most will be rejected, for values that do not fit their column")
    key = next((column.name for column in columns if column.unique), None)
    if key:
        notes.append(f"{key} can be a key: mode: upsert with key: [{key}] makes loading the same rows twice harmless")
    return tuple(notes)

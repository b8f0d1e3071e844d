"""Which rules and checks a text or number column's values speak for beside its type, each with the evidence.

Checks that a new value might break warn; they reject only when the reader makes them so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loadlock.cleanup.profile import ColumnProfile, as_regex
from loadlock.pipeline._guess_types import shown, values
from loadlock.pipeline._misspelt import misspelt

MOST_WORDS = 32
"""Different values up to which a list is proposed ..."""
REPEATED = 10
"""... where each of them stands so often on average."""
ENOUGH = 30
"""Values from which lists and patterns are proposed at all."""
MOST_PATTERNS = 3
COVERED = 0.98
"""Share of the values that the patterns proposed must fit."""

_PERSONAL = re.compile(
    r"(?:^|_)(?:e?mail|phone|telefon|tel|mobile|handy|fax|iban|ssn|passport|birth|birthday|dob|geburtsdatum|geburtstag"
    r"|first_name|firstname|last_name|lastname|surname|vorname|nachname)(?:_|$)|(?:address|street|strasse)$"
)


@dataclass(frozen=True, kw_only=True)
class Extras:
    """What is proposed beside the type."""

    rules: tuple[Any, ...] = ()
    """After those that mend the text, before those of the type."""
    checks: tuple[Any, ...] = ()
    mask: bool = False
    reasons: tuple[str, ...] = ()
    no_empties: bool = False
    """Whether empty texts must become null, since a check would find them."""


def extras_of(name: str, column: ColumnProfile, kind: str, kept_words: Mapping[str, int]) -> Extras:
    """`name` as proposed, `kind` = the proposed type, `kept_words`: words for null that stay texts."""
    if kind != "text":
        return _of_number(name, column, kind)
    if any(column.count(mended) for mended in ("mojibake", "entities", "invisible")):
        return _masked(name, column, Extras())  # the values after their mending are not the ones counted
    if column.count("email") == column.values > 0 and not kept_words:
        said = f"all {values(column.values)} are e-mail addresses"
        return _masked(name, column, Extras(checks=("email",), reasons=(said,), no_empties=True))
    listed = _list(column, kept_words)
    return _masked(name, column, listed or _pattern(column, kept_words) or Extras(reasons=tuple(_lengths(column))))


def _of_number(name: str, column: ColumnProfile, kind: str) -> Extras:
    """A column of numbers of which none is negative."""
    plain = sum(column.kinds.get(one, 0) for one in ("integer", "decimal"))
    counted = kind == "integer" or kind.startswith("decimal")
    if not counted or plain < column.values or column.values < ENOUGH or column.count("negative"):
        return _masked(name, column, Extras())
    check = {"range": {"min": 0}, "severity": "warn"}
    return _masked(name, column, Extras(checks=(check,), reasons=("never negative; a value that is gives a warning",)))


def _masked(name: str, column: ColumnProfile, found: Extras) -> Extras:
    """The same with `mask` where values are personal data beyond doubt, or a word where only the name speaks for it."""
    sure = next((kind for kind in ("email", "phone", "iban") if 2 * column.count(kind) > column.values), None)
    if sure is not None:
        what = {"email": "e-mail addresses", "phone": "telephone numbers", "iban": "bank accounts"}[sure]
        said = f"personal data ({what}): mask hides the values in previews, reports and logs"
        return Extras(**{**vars(found), "mask": True, "reasons": (*found.reasons, said)})
    if is_personal(name) and column.values:
        said = "by its name perhaps personal data: mask: true would hide the values in previews, reports and logs"
        return Extras(**{**vars(found), "reasons": (*found.reasons, said)})
    return found


def is_personal(name: str) -> bool:
    """Whether a column's name speaks for personal data: such a column is no key, however different its values are."""
    return _PERSONAL.search(name) is not None


def _list(column: ColumnProfile, kept_words: Mapping[str, int]) -> Extras | None:
    """A list of the values where they are few and come again and again; one case where only the case differs."""
    words = dict(column.words or {})
    if not 1 <= len(words) <= MOST_WORDS or column.values < max(ENOUGH, REPEATED * len(words)):
        return None
    rule, folded, said = _one_case(words)
    doubtful = misspelt(folded)
    counts = {**{word: count for word, count in folded.items() if word not in doubtful}, **kept_words}
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    listed = ", ".join(f"{word} ({counts[word]:,})" for word in ordered)
    check = {"in": ordered, "severity": "warn"}
    what = f"{len(ordered)} different values" if len(ordered) > 1 else "one value"
    left = [
        f"perhaps misspelt, so not in the list: {word!r} ({folded[word]:,}), like {usual!r} ({folded[usual]:,})"
        for word, usual in doubtful.items()
    ]
    reasons = (*said, f"{what}: {listed}; another one gives a warning", *left)
    return Extras(rules=(rule,) if rule else (), checks=(check,), reasons=reasons, no_empties=True)


def _one_case(words: Mapping[str, int]) -> tuple[str | None, dict[str, int], tuple[str, ...]]:
    """The rule that makes words that differ in case only one, the words after it, and what is said of it."""
    groups: dict[str, list[str]] = {}
    for word in words:
        groups.setdefault(word.casefold(), []).append(word)
    varied = [group for group in groups.values() if len(group) > 1]
    if not varied:
        return None, dict(words), ()
    usual = [max(group, key=lambda word: words[word]) for group in groups.values()]
    examples = " and ".join(repr(word) for word in varied[0][:3])
    for rule, change in (("upper", str.upper), ("lower", str.lower)):
        if all(word == change(word) for word in usual):
            folded: dict[str, int] = {}
            for word, count in words.items():
                folded[change(word)] = folded.get(change(word), 0) + count
            return rule, folded, (f"{examples} differ in case only: {rule}",)
    return None, dict(words), (f"{examples} differ in case only: upper, lower or map would make them one",)


def _pattern(column: ColumnProfile, kept_words: Mapping[str, int]) -> Extras | None:
    """A pattern for codes: few shapes, each with a digit, fit (nearly) all values; what doesn't fit is named."""
    if column.patterns is None or column.values < ENOUGH or kept_words:
        return None
    ordered = sorted(column.patterns.items(), key=lambda item: (-item[1], item[0]))
    chosen = [entry for entry in ordered if "9" in entry[0]][:MOST_PATTERNS]
    covered = sum(count for _, count in chosen)
    if covered < COVERED * column.values:
        return None
    regex = "|".join(as_regex(shape, exact=column.exact) for shape, _ in chosen)
    left = [shape for shape, _ in ordered if shape not in dict(chosen)]
    others = [column.pattern_examples[shape] for shape in left if shape in column.pattern_examples]
    examples = shown([column.pattern_examples.get(shape, shape) for shape, _ in chosen])
    missing = column.values - covered
    rest = f"; {values(missing)} {'does' if missing == 1 else 'do'} not, as {shown(others)}" if missing else ""
    said = f"{covered:,} of {values(column.values)} look like {examples}{rest}; what looks otherwise gives a warning"
    check = {"matches": regex, "severity": "warn"}
    return Extras(checks=(check,), reasons=(said,), no_empties=True)


def _lengths(column: ColumnProfile) -> Iterator[str]:
    """What can be said of free texts."""
    if column.values >= ENOUGH:
        about = "" if column.distinct <= 2048 else "about "
        yield f"{about}{column.distinct:,} different texts of up to {column.max_length:,} characters"

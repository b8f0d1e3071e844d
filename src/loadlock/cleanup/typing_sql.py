"""The declared types as SQL: text in, typed value or null out, and what is wrong where it is null.

Every type is read strictly: DuckDB's own casts round, take `1e3` for an integer and `24-2-8` for a year. The usual
spelling is tried first on the text as it is; only what fails is trimmed, matched by patterns and read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loadlock.cleanup import formats
from loadlock.cleanup._sql import BLANK, literal
from loadlock.cleanup._zones import in_zone
from loadlock.types import ColumnType

# no year 0000, which DuckDB takes for a year before Christ; with an offset a year 0001 could become one
_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_DATE = f"{_YEAR}-[0-9]{{2}}-[0-9]{{2}}"
_LATE_DATE = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2})-[0-9]{2}-[0-9]{2}"
_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]{1,6}0*)?)?"
_OFFSET = "(?:Z|[+-](?:0[0-9]|1[0-8])(?::?[0-5][0-9])?)"
_NUMBER = "[+-]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?"
_UUID = "-".join(f"[0-9A-Fa-f]{{{count}}}" for count in (8, 4, 4, 4, 12))


@dataclass(frozen=True, kw_only=True)
class TypeSpec:
    """What decides how a text is read: the type, its date formats, the zone of naive times, decided format pairs."""

    type: ColumnType
    formats: tuple[str, ...] = ()
    timezone: str | None = None
    winners: Mapping[str, int | None] | None = None
    """Colliding pairs of formats `i-j` → the index that reads both, or None: undecided."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way in which a text is unfit: code, message (`{value}` is filled in), and the SQL condition over the text."""

    code: str
    message: str
    condition: str = "true"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """SQL that reads a text: helper columns first (`helpers`: suffix → expression), then the value."""

    helpers: tuple[tuple[str, str], ...]
    value: str


def trimmed(value: str) -> str:
    """The text without white space at its ends, null where nothing is left."""
    return f"nullif(regexp_replace({value}, {literal(f'^{BLANK}+|{BLANK}+$')}, '', 'g'), '')"


def reading(spec: TypeSpec, value: str, prefix: str) -> Reading:
    """How the text in column `value` is read strictly; helper columns are named `<prefix><suffix>`."""
    match spec.type.kind:
        case "integer":
            cast = f"{prefix}f"
            return Reading(helpers=((cast, f"try_cast({value} as bigint)"),), value=_integer(value, cast))
        case "date" if not spec.formats:
            cast = f"{prefix}f"
            return Reading(helpers=((cast, f"try_cast({value} as date)"),), value=_iso_date(value, cast))
        case _:
            return Reading(helpers=(), value=strict(spec, value))


def strict(spec: TypeSpec, value: str) -> str:
    """One SQL expression: the typed value of a text, or null."""
    kind = spec.type
    if spec.formats:
        return _by_formats(spec, value)
    match kind.kind:
        case "integer":
            return _integer(value, f"try_cast({value} as bigint)")
        case "decimal":
            return _decimal(value, kind)
        case "float":
            return f"case when regexp_full_match({value}, '{_NUMBER}') then {_finite(value)} end"
        case "boolean":
            return _boolean(value)
        case "date":
            return _iso_date(value, f"try_cast({value} as date)")
        case "time":
            return f"case when regexp_full_match({value}, '{_TIME}') then try_cast({value} as time) end"
        case "timestamp":
            return f"case when {_iso_moment(value)} then try_cast({value} as timestamp) end"
        case "timestamptz":
            return _timestamptz(spec, value)
        case "uuid":
            return _uuid(value)
        case _:
            return value


def _integer(value: str, cast: str) -> str:
    return (
        f"case when ({cast})::varchar = {value} then {cast}"
        f" when regexp_full_match({value}, '[+-]?[0-9]+') then {cast} end"
    )


def _decimal(value: str, kind: ColumnType) -> str:
    assert kind.precision is not None
    assert kind.scale is not None
    whole = kind.precision - kind.scale
    usual = "-?" + (f"[0-9]{{1,{whole}}}" if whole else "0")
    usual += f"(?:\\.[0-9]{{1,{kind.scale}}})?" if kind.scale else ""
    cast = f"try_cast({value} as {kind.duckdb})"
    return (
        f"case when regexp_full_match({value}, '{usual}') then {cast}"
        f" when regexp_full_match({value}, '{_NUMBER}') then case when {_exact(value, kind.scale)} then {cast} end end"
    )


def _exact(value: str, scale: int) -> str:
    """Whether a number's text has no digit but 0 behind `scale` decimals, its exponent included."""
    mantissa = f"split_part(lower({value}), 'e', 1)"
    exponent = f"coalesce(try_cast(nullif(split_part(lower({value}), 'e', 2), '') as integer), 0)"
    digits = f"replace(ltrim({mantissa}, '+-'), '.', '')"
    decimals = f"strlen(split_part({mantissa}, '.', 2))"
    kept = f"rtrim({digits}, '0')"
    return f"({kept} = '' or {decimals} - (strlen({digits}) - strlen({kept})) - {exponent} <= {scale})"


def _finite(value: str) -> str:
    return f"case when isfinite(try_cast({value} as double)) then try_cast({value} as double) end"


def _boolean(value: str) -> str:
    """DuckDB's cast takes true, t, yes, y, 1 and their opposites in any case, and nothing else."""
    return (
        f"case when strlen({value}) <= 5 then coalesce(try_cast({value} as boolean),"
        f" case lower({value}) when 'on' then true when 'off' then false end) end"
    )


def _iso_date(value: str, cast: str) -> str:
    return f"case when strlen({value}) = 10 and ({cast})::varchar = {value} and {value} >= '0001' then {cast} end"


def _iso_moment(value: str, date: str = _DATE) -> str:
    return f"regexp_full_match({value}, '{date}(?:[T ]{_TIME})?')"


def _timestamptz(spec: TypeSpec, value: str) -> str:
    zoned = f"regexp_full_match({value}, '{_LATE_DATE}[T ]{_TIME}{_OFFSET}')"
    branches = f"when {zoned} then try_cast({value} as timestamptz)"
    if spec.timezone is not None:
        naive = _in_zone(f"try_cast({value} as timestamp)", spec.timezone)
        branches += f" when {_iso_moment(value, _LATE_DATE)} then {naive}"
    return f"case {branches} end"


def _in_zone(naive: str, zone: str) -> str:
    """A naive time as a moment; null where the clock skipped that time or showed it twice."""
    return f"timezone('UTC', {in_zone(naive, zone)})"


def _uuid(value: str) -> str:
    return (
        f"case when regexp_full_match({value}, '{_UUID}') then lower({value})"
        f" when regexp_full_match({value}, '[0-9A-Fa-f]{{32}}|\\{{{_UUID}\\}}') then try_cast({value} as uuid)::varchar end"
    )


def _by_formats(spec: TypeSpec, value: str) -> str:
    winners = dict(spec.winners or {})
    tries = [_typed_format(spec, value, index) for index in formats.ordered(len(spec.formats), winners)]
    found = f"coalesce({', '.join(tries)})" if len(tries) > 1 else tries[0]
    doubt = ambiguous(spec, value)
    return f"case when {doubt} then null else {found} end" if doubt else found


def _typed_format(spec: TypeSpec, value: str, index: int) -> str:
    text = spec.formats[index]
    parsed = formats.parse(value, text)
    if spec.type.kind == "timestamptz" and not formats.ZONED.search(text):
        assert spec.timezone is not None
        parsed = _in_zone(f"({parsed})", spec.timezone)
    return f"({parsed})::{spec.type.duckdb}"


def ambiguous(spec: TypeSpec, value: str) -> str | None:
    """SQL: the value fits two formats with different results and nothing decides between them; None = can't happen."""
    tests = []
    for pair, winner in (spec.winners or {}).items():
        if winner is None:
            first, second = (f"({formats.parse(value, spec.formats[int(index)])})" for index in pair.split("-"))
            tests.append(f"coalesce({first} <> {second}, false)")
    return f"({' or '.join(tests)})" if tests else None


def faults(spec: TypeSpec, value: str) -> list[Fault]:
    """What may be wrong with a (trimmed, not null) text that has no typed value; the first whose condition holds."""
    kind = spec.type
    number = f"regexp_full_match({value}, '{_NUMBER}')"
    if doubt := ambiguous(spec, value):
        return [Fault(code="ambiguous_date", message=_AMBIGUOUS, condition=doubt), *_misfit(spec)]
    if kind.kind == "integer":
        whole = f"regexp_full_match({value}, '[+-]?[0-9]+')"
        return [
            Fault(code="out_of_range", message="{value} does not fit a 64-bit integer", condition=whole),
            *_misfit(spec),
        ]
    if kind.kind == "decimal":
        assert kind.scale is not None
        exact = _exact(value, kind.scale)
        return [
            Fault(code="out_of_range", message=f"{{value}} does not fit {kind}", condition=f"{number} and {exact}"),
            Fault(code="too_precise", message=f"{{value}} has more than {kind.scale} decimals", condition=number),
            *_misfit(spec),
        ]
    if kind.kind == "float":
        return [
            Fault(code="out_of_range", message="{value} does not fit a 64-bit float", condition=number),
            *_misfit(spec),
        ]
    return _misfit(spec)


_AMBIGUOUS = "{value} fits two of the date formats with different dates, and the column does not decide"
_EXPECTED = {
    "integer": "is no whole number",
    "decimal": "is no decimal number",
    "float": "is no number",
    "boolean": "is no boolean word (true, false, yes, no, 1, 0, on, off ...)",
    "date": "is no date as 2024-12-31",
    "time": "is no time as 23:59:59",
    "timestamp": "is no time as 2024-12-31T23:59:59 without zone",
    "timestamptz": "is no time with zone as 2024-12-31T23:59:59+01:00",
    "json": "is not valid JSON",
    "uuid": "is no UUID",
}


def _misfit(spec: TypeSpec) -> list[Fault]:
    kind = spec.type.kind
    code = "not_timestamp" if kind == "timestamptz" else f"not_{kind}"
    expected = _EXPECTED[kind]
    if spec.formats:
        expected = f"fits none of the formats {', '.join(spec.formats)}"
    elif spec.timezone is not None:
        expected += f", and no time that the clocks of {spec.timezone} show exactly once"
    return [Fault(code=code, message=f"{{value}} {expected}")]

"""Values written in a check's options, as SQL literals of the column's type."""

from __future__ import annotations

import datetime
import uuid
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation

from loadlock.cleanup._sql import literal
from loadlock.errors import UsageError
from loadlock.types import ColumnType

_INTEGER = ColumnType(kind="decimal", precision=19, scale=0)
_LONGEST = 38


def typed_literal(written: str | int | float, kind: ColumnType, place: str) -> str:
    """The value as a literal of the type; raises UsageError where it is none (`place` begins the message)."""
    text = str(written).strip()
    try:
        return _literal(text, kind)
    except (ValueError, InvalidOperation) as error:
        raise UsageError(
            f"{place}: {text!r} is no value of the type {kind}",
            hint="Write it as the type is written: 12.5, 2024-12-31.",
        ) from error


def _literal(text: str, kind: ColumnType) -> str:
    match kind.kind:
        case "integer":
            number = _finite(text)
            if number != number.to_integral_value() or abs(number) >= Decimal(2) ** 63:
                raise ValueError(text)
            return f"{int(number)}::bigint"
        case "decimal":
            number = _finite(text)
            if abs(number) >= _beyond(kind) or number != _rounded(number, kind, ROUND_FLOOR):
                raise ValueError(text)
            return f"'{number:f}'::{kind.duckdb}"
        case "float":
            return f"'{float(text)!r}'::double"
        case "boolean":
            return {"true": "true", "false": "false"}[text.lower()] if text.lower() in ("true", "false") else _bad(text)
        case "date":
            return f"date '{datetime.date.fromisoformat(text)}'"
        case "time":
            return f"time '{datetime.time.fromisoformat(text)}'"
        case "timestamp":
            return f"timestamp '{datetime.datetime.fromisoformat(text).replace(tzinfo=None)}'"
        case "timestamptz":
            moment = datetime.datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
            return f"timestamptz '{moment.astimezone(datetime.UTC)}'"
        case "uuid":
            return literal(str(uuid.UUID(text)))
        case _:
            return literal(text)


def lower_bound(written: str | int | float, kind: ColumnType, *, exclusive: bool, place: str) -> tuple[str, str] | None:
    """(operator that must hold, literal) for a smallest value; None where every value of the type holds it."""
    return _bound(written, kind, exclusive=exclusive, place=place, lower=True)


def upper_bound(written: str | int | float, kind: ColumnType, *, exclusive: bool, place: str) -> tuple[str, str] | None:
    """(operator that must hold, literal) for a largest value; None where every value of the type holds it."""
    return _bound(written, kind, exclusive=exclusive, place=place, lower=False)


def _bound(
    written: str | int | float, kind: ColumnType, *, exclusive: bool, place: str, lower: bool
) -> tuple[str, str] | None:
    operator = (">" if lower else "<") + ("" if exclusive else "=")
    if kind.kind not in ("integer", "decimal"):
        return operator, typed_literal(written, kind, place)
    try:
        number = _finite(str(written).strip())
    except (ValueError, InvalidOperation):
        return operator, typed_literal(written, kind, place)
    # a bound with more decimals than the column, or beyond its digits, would overflow in the comparison
    exact = kind if kind.kind == "decimal" else _INTEGER
    limit = Decimal(2) ** 63 if kind.kind == "integer" else _beyond(kind)
    if abs(number) >= limit:
        return None if (number < 0) == lower else (operator, "null")
    rounded = _rounded(number, exact, ROUND_CEILING if lower else ROUND_FLOOR)
    if abs(rounded) >= limit:
        return (operator, "null") if (rounded > 0) == lower else None
    if rounded != number:
        operator = operator[0] + "="
    return operator, _literal(f"{rounded:f}", kind)


def _finite(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite() or "_" in text:
        raise ValueError(text)
    return number


def _beyond(kind: ColumnType) -> Decimal:
    """The smallest power of ten that the decimal type can't hold."""
    return Decimal(10) ** ((kind.precision or _LONGEST) - (kind.scale or 0))


def _rounded(number: Decimal, kind: ColumnType, rounding: str) -> Decimal:
    """To the type's scale; a number with fewer decimals is returned as it is."""
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    scale = kind.scale or 0
    if -exponent <= scale:
        return number
    return number.quantize(Decimal(1).scaleb(-scale), rounding=rounding)


def _bad(text: str) -> str:
    raise ValueError(text)

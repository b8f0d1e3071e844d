"""What the records of the maker hold: each column once as it should load and once as it stands in the file.

Both are Arrow string arrays. Values come from vocabularies rendered beforehand, so that a block of 100,000 records takes a
fraction of a second.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

FIRST_NAMES = (
    "Ana", "Bob", "Chloé", "Dmitri", "Eve", "Faïza", "George", "Hélène", "Ivan", "Jörg", "Søren", "Núria", "Omar", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Smith", "García", "Müller", "O'Neil", "Nguyen", "Brown", "Petrov", "Sato", "Khan", "Grünwald", "Åkesson", "Muñoz", "Weiß",
    "de la Cruz",
)  # fmt: skip
CITIES = (
    "Berlin", "São Paulo", "New York", "Paris", "Malmö", "Tokyo", "Lagos", "Lima", "Oslo", "Delhi", "Genève", "Århus", "Köln",
)  # fmt: skip
COUNTRIES = ("DE", "BR", "US", "FR", "SE", "JP", "NG", "PE", "NO", "IN", "CH", "DK")
STATUSES = ("new", "open", "paid", "shipped", "closed")
TRUE_WORDS = ("yes", "Y", "TRUE", "1")
FALSE_WORDS = ("no", "N", "false", "0")
NULL_WORDS = ("N/A", "-", "")
TAGS = ("[]", '["new"]', '["vip","b2b"]', '["a","b","c"]', '["größe"]')
NOTES = (
    "called back", "vip, priority", 'see "ticket" 42', "needs follow up; soon", "long free text about the customer and the order",
    "leave at the door", "gift", "call before 9:00",
)  # fmt: skip
MULTILINE_NOTES = (
    'line one\nline two, with comma\nline "three"',
    "first\nsecond; third",
    "above\n\nbelow an empty line",
)
BREAKABLE = "éèüöñøçäß"
"""Letters whose mojibake has neither a character without cp1252 byte nor one that looks like a blank."""
AMOUNT_STYLES = 8
FIRST_DAY = dt.date(2021, 1, 1)
DAYS = 2_000
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass
class Values:
    """A block of records. `clean` null = should load as null; `dirty` null = not there (JSON)."""

    clean: dict[str, pa.Array]
    dirty: dict[str, pa.Array]
    codes: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Record → (problem code, column) of a value that must be rejected."""


def mojibake(text: str) -> str:
    """The text as it looks when its UTF-8 bytes were read as cp1252."""
    return text.encode().decode("cp1252")


def can_break(text: str) -> bool:
    """Whether its mojibake can be told from other text for sure (`Ã…` for `Å`, say, can't)."""
    foreign = {character for character in text if not character.isascii()}
    return bool(foreign) and foreign <= set(BREAKABLE)


def amount_texts(cents: int) -> list[str]:
    """One amount in `AMOUNT_STYLES` spellings, none of them ambiguous."""
    whole, part = divmod(cents, 100)
    english, german = f"{whole:,}.{part:02}", f"{whole:,}".replace(",", ".") + f",{part:02}"
    return [
        f"{whole}.{part:02}", f"{whole},{part:02}", english, german, f"${english}", f"€ {german}", f"{english} USD",
        f"{german} €",
    ]  # fmt: skip


def date_texts(day: dt.date) -> list[str]:
    """One date in four formats: `%Y-%m-%d`, `%d.%m.%Y`, `%d/%m/%Y`, `%b %d %Y` (in English, whatever the locale)."""
    return [
        day.isoformat(), f"{day:%d.%m.%Y}", f"{day:%d/%m/%Y}", f"{MONTHS[day.month - 1]} {day:%d %Y}",
    ]  # fmt: skip


class Vocabulary:
    """All values, rendered once."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.names = [f"{first} {last}" for first in FIRST_NAMES for last in LAST_NAMES]
        self.broken_names = [name for name in self.names if can_break(name)]
        self.foreign_names = [name for name in self.names if not name.isascii()]
        days = [FIRST_DAY + dt.timedelta(days=number) for number in range(DAYS)]
        self.iso_days = pa.array([day.isoformat() for day in days])
        self.dirty_days = pa.array([text for day in days for text in date_texts(day)])
        cents = sorted(
            {*rng.integers(1, 10_000_00, 8_000).tolist(), *rng.integers(1_000_000_00, 9_000_000_00, 200).tolist()}
        )
        self.amounts = pa.array([f"{cent // 100}.{cent % 100:02}" for cent in cents])
        self.dirty_amounts = pa.array([text for cent in cents for text in amount_texts(cent)])
        self.hex = pa.array([f"{number:08x}" for number in rng.integers(0, 2**32, 50_000)])
        self.weights = pa.array([f"{number / 1_000_000:.6f}" for number in rng.integers(0, 99_000_000, 20_000)])


def pick(rng: np.random.Generator, words: Any, count: int) -> pa.Array:
    """`count` random words."""
    array = words if isinstance(words, pa.Array) else pa.array(words, pa.string())
    return array.take(pa.array(rng.integers(0, len(array), count)))


def join(*pieces: Any) -> pa.Array:
    """The pieces (arrays or texts) put together, row by row."""
    arrays = [pa.scalar(piece) if isinstance(piece, str) else piece for piece in pieces]
    return pc.binary_join_element_wise(*arrays, "")


def choose(mask: np.ndarray[Any, Any], yes: Any, no: Any) -> pa.Array:
    """Row by row `yes` where the mask is set, else `no`."""
    return pc.if_else(pa.array(mask), pa.scalar(yes) if isinstance(yes, str) else yes, no)


def make_values(rng: np.random.Generator, words: Vocabulary, first_id: int, count: int) -> Values:
    """`count` good records with ids from `first_id`."""
    ids = pa.array(np.arange(first_id, first_id + count)).cast(pa.string())
    clean: dict[str, pa.Array] = {"order_id": ids}
    dirty: dict[str, pa.Array] = {"order_id": ids}
    _customers(rng, words, clean, dirty, count)
    _contacts(rng, clean, dirty, ids, count)
    _dates(rng, words, clean, dirty, count)
    _figures(rng, words, clean, dirty, count)
    notes = pick(rng, NOTES, count)
    notes = choose(rng.random(count) < 0.01, pick(rng, MULTILINE_NOTES, count), notes)
    clean["note"], dirty["note"] = _nulls(rng, notes, count, 0.3)
    clean["tags"] = dirty["tags"] = pick(rng, TAGS, count)
    padded = pc.utf8_lpad(ids, 10, "0")
    clean["reference"] = dirty["reference"] = join("REF-", padded, "-", pick(rng, words.hex, count))
    return Values(clean=clean, dirty=dirty)


def _nulls(rng: np.random.Generator, values: pa.Array, count: int, share: float) -> tuple[pa.Array, pa.Array]:
    """(clean, dirty) with a share of nulls, written as `N/A`, `-` or nothing."""
    mask = rng.random(count) < share
    null = pa.scalar(None, pa.string())
    return pc.if_else(pa.array(mask), null, values), choose(mask, pick(rng, NULL_WORDS, count), values)


def _customers(
    rng: np.random.Generator, words: Vocabulary, clean: dict[str, pa.Array], dirty: dict[str, pa.Array], count: int
) -> None:
    """Names and cities: 1 % mojibake, 26 % of the rows padded by blanks."""
    names = pick(rng, words.names, count)
    breaks = rng.random(count) < 0.01
    number = rng.integers(0, len(words.broken_names), count)
    whole = pa.array(words.broken_names).take(pa.array(number))
    broken = pa.array([mojibake(name) for name in words.broken_names]).take(pa.array(number))
    clean["customer"] = choose(breaks, whole, names)
    shown = choose(breaks, broken, names)
    cities = pick(rng, CITIES, count)
    clean["city"] = cities
    pads = rng.random(count)
    dirty["customer"] = choose(pads < 0.2, join("  ", shown, " "), shown)
    dirty["city"] = choose((pads > 0.1) & (pads < 0.26), join(" ", cities), cities)


def _contacts(
    rng: np.random.Generator, clean: dict[str, pa.Array], dirty: dict[str, pa.Array], ids: pa.Array, count: int
) -> None:
    host = pc.utf8_lpad(pa.array(rng.integers(0, 97, count)).cast(pa.string()), 2, "0")
    clean["email"] = join("user", ids, "@example", host, ".com")
    dirty["email"] = choose(rng.random(count) < 0.1, pc.utf8_upper(clean["email"]), clean["email"])
    phones = join("+49 30 ", pc.utf8_lpad(pa.array(rng.integers(0, 10_000_000, count)).cast(pa.string()), 7, "0"))
    clean["phone"], dirty["phone"] = _nulls(rng, phones, count, 0.1)
    clean["country"] = pick(rng, COUNTRIES, count)
    dirty["country"] = choose(rng.random(count) < 0.05, pc.utf8_lower(clean["country"]), clean["country"])
    clean["status"] = pick(rng, STATUSES, count)
    dirty["status"] = choose(rng.random(count) < 0.05, pc.utf8_upper(clean["status"]), clean["status"])


def _dates(
    rng: np.random.Generator, words: Vocabulary, clean: dict[str, pa.Array], dirty: dict[str, pa.Array], count: int
) -> None:
    """`ordered_on` in four formats; `shipped_on` in two (ISO and day first), a fifth of them null."""
    days, styles = rng.integers(0, DAYS - 30, count), rng.integers(0, 4, count)
    clean["ordered_on"] = words.iso_days.take(pa.array(days))
    dirty["ordered_on"] = words.dirty_days.take(pa.array(days * 4 + styles))
    later = days + rng.integers(0, 30, count)
    unshipped = rng.random(count) < 0.2
    clean["shipped_on"] = pc.if_else(
        pa.array(unshipped), pa.scalar(None, pa.string()), words.iso_days.take(pa.array(later))
    )
    shown = words.dirty_days.take(pa.array(later * 4 + np.where(styles < 2, 0, 2)))
    dirty["shipped_on"] = choose(unshipped, pick(rng, NULL_WORDS, count), shown)


def _figures(
    rng: np.random.Generator, words: Vocabulary, clean: dict[str, pa.Array], dirty: dict[str, pa.Array], count: int
) -> None:
    amounts, styles = rng.integers(0, len(words.amounts), count), rng.integers(0, AMOUNT_STYLES, count)
    clean["amount"] = words.amounts.take(pa.array(amounts))
    dirty["amount"] = words.dirty_amounts.take(pa.array(amounts * AMOUNT_STYLES + styles))
    clean["quantity"] = dirty["quantity"] = pa.array(rng.integers(1, 1_000, count)).cast(pa.string())
    paid = rng.random(count) < 0.5
    clean["paid"] = choose(paid, "true", pa.array(["false"] * count))
    dirty["paid"] = choose(paid, pick(rng, TRUE_WORDS, count), pick(rng, FALSE_WORDS, count))
    clean["weight"] = dirty["weight"] = pick(rng, words.weights, count)

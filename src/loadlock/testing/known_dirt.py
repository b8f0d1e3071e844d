"""Tables whose dirt is known cell by cell, of the kinds that research on cleaning is measured by.

`flights`: gaps, and times written in several ways. `hospital`: letters and digits replaced by an x. `rayyan`: gaps, days and
months swapped, codes in variants. `beers`: units, shares, words for null, values in the wrong column.
(The tables of those names are not part of this project; these are made.)
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROWS = 240
Rows = list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Known:
    """A table as it should be and as it comes: same columns, same rows, in the same order. The first column is a key."""

    header: Sequence[str]
    clean: Rows
    dirty: Rows

    def write(self, path: Path) -> None:
        """The dirty table as CSV."""
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([self.header, *self.dirty])

    @property
    def untouched(self) -> list[tuple[int, int]]:
        """Row and column of each cell that came clean."""
        pairs = zip(self.clean, self.dirty, strict=True)
        return [(n, m) for n, (good, bad) in enumerate(pairs) for m, cell in enumerate(good) if cell == bad[m]]


def _soiled(chance: random.Random, clean: Rows, dirt: dict[int, Callable[[str], str]], share: float) -> Rows:
    """A copy in which this share of the cells of each column with a kind of dirt has it."""
    return [
        [dirt[m](cell) if m in dirt and chance.random() < share else cell for m, cell in enumerate(row)]
        for row in clean
    ]


def flights() -> Known:
    """A flight's times as several web sites tell them."""
    chance = random.Random("flights")  # noqa: S311 (test data)
    sites = ["aa", "orbitz", "flightview", "airtravelcenter", "flightaware"]

    def time() -> str:
        return f"{chance.randint(1, 12)}:{chance.randint(0, 59):02} {chance.choice(['a.m.', 'p.m.'])}"

    clean = []
    for n in range(ROWS):
        flight = f"{chance.choice(['AA', 'UA'])}-{chance.randint(1, 4999)}-{chance.choice(['MIA', 'ORD'])}-PHX"
        clean.append([str(n + 1), sites[n % 5], flight, *(time() for _ in range(4))])

    def variant(cell: str) -> str:
        return chance.choice(
            ["", f"12/02/2011 {cell}", f"Dec 02 - {cell}", cell.replace(" ", "").replace(".", ""), "Not Available"]
        )

    header = ["tuple_id", "src", "flight", "sched_dep_time", "act_dep_time", "sched_arr_time", "act_arr_time"]
    return Known(header=header, clean=clean, dirty=_soiled(chance, clean, dict.fromkeys(range(3, 7), variant), 0.3))


def hospital() -> Known:
    """Measures of hospitals: codes with leading zeros, numbers with units, and an x where a letter or digit was."""
    chance = random.Random("hospital")  # noqa: S311 (test data)
    places = [("birmingham", "al", "jefferson"), ("dothan", "al", "houston"), ("guntersville", "al", "marshall")]
    measures = [
        ("ami-1", "aspirin at arrival"),
        ("hf-2", "heart failure: lvs assessment"),
        ("pn-5c", "first antibiotics"),
    ]
    clean = []
    for n in range(ROWS):
        (city, state, county), (code, name) = places[n % 3], measures[n % 4 % 3]
        phone, zip_code = f"205{chance.randint(1000000, 9999999)}", f"0{chance.randint(1000, 9999)}"
        provider, score = f"{chance.randint(10001, 10099):06}", f"{chance.randint(0, 100)}%"
        clean.append(
            [
                str(n + 1), provider, f"{city} medical center", city, state, zip_code, county, phone, "yes", code, name, score,
                f"{chance.randint(1, 300)} patients", f"{state}_{code}",
            ]
        )  # fmt: skip

    def crossed(cell: str) -> str:
        place = chance.randrange(len(cell))
        return f"{cell[:place]}x{cell[place + 1 :]}"

    header = [
        "index", "provider_number", "hospital_name", "city", "state", "zip_code", "county_name", "phone_number",
        "emergency_service", "measure_code", "measure_name", "score", "sample", "state_avg",
    ]  # fmt: skip
    return Known(header=header, clean=clean, dirty=_soiled(chance, clean, dict.fromkeys(range(1, 14), crossed), 0.05))


def rayyan() -> Known:
    """References to articles: ISSN, page ranges and dates that a spreadsheet and several sources have written."""
    chance = random.Random("rayyan")  # noqa: S311 (test data)
    journals = [
        ("The Lancet", "Lancet", "0140-6736"),
        ("Pediatrics", "Pediatrics", "0031-4005"),
        ("Müller's Archiv", "Arch", "1432-0711"),
    ]
    clean = []
    for n in range(ROWS):
        title, short, issn = journals[n % 3]
        date = f"{chance.randint(1, 12)}/{chance.randint(1, 28)}/{chance.randint(0, 15):02}"
        first = chance.randint(1, 900)
        clean.append(
            [
                str(10_000 + n), f"A study of {n}, with \"quotes\" and commas", chance.choice(["eng", "fre", "ger"]), title,
                short, issn, str(chance.randint(1, 90)), str(chance.randint(1, 12)), date,
                f"{first}-{first + chance.randint(1, 9)}", f'{{"A. Author {n}","B. Other"}}',
            ]
        )  # fmt: skip

    def swapped(cell: str) -> str:
        month, day, year = cell.split("/")
        return f"{day}/{month}/{year}"

    dirt: dict[int, Callable[[str], str]] = {
        2: lambda cell: chance.choice(["", {"eng": "English", "fre": "French", "ger": "German"}[cell]]),
        4: lambda _: "",
        5: lambda cell: chance.choice(["", cell.replace("-", ""), cell.replace("-", " ")]),
        6: lambda _: "",
        7: lambda _: "",
        8: swapped,
        9: lambda cell: chance.choice(["", cell.replace("-", "–"), f"p. {cell}"]),
    }
    header = [
        "id", "article_title", "article_language", "journal_title", "journal_abbreviation", "journal_issn", "article_jvolumn",
        "article_jissue", "article_jcreated_at", "article_pagination", "author_list",
    ]  # fmt: skip
    return Known(header=header, clean=clean, dirty=_soiled(chance, clean, dirt, 0.15))


def beers() -> Known:
    """Beers: sizes with units, shares with a percent sign and too many digits, a word for null, states behind their cities."""
    chance = random.Random("beers")  # noqa: S311 (test data)
    cities = [("Astoria", "OR"), ("St. Paul", "MN"), ("Portland", "ME"), ("Bend", "OR"), ("New York", "NY")]
    clean, dirty = [], []
    for n in range(ROWS):
        city, state = chance.choice(cities)
        size, share = chance.choice(["12", "16", "19.2", "8.4", "24"]), round(chance.randint(30, 99) / 1000, 3)
        bitter = str(chance.randint(4, 120)) if n % 3 else ""
        names = [str(n + 1), str(2000 + n), f"Beer {n}, the {chance.choice(['Old', 'Fine'])}", "American IPA"]
        ends = [str(chance.randint(0, 500)), f"Brewery {n % 40}"]
        clean.append([*names, size, str(share), bitter, *ends, city, state])
        unit = chance.choice([" oz", " oz.", " ounce", " OZ.", " oz. Alumi-Tek", " oz. Silo Can"])
        written = f"{size}{'' if '.' in size else '.0'}{unit}" if chance.random() < 0.9 else size
        longer = f"{share}{chance.choice(['', '0000000000001', '%'])}%" if chance.random() < 0.2 else str(share)
        moved = [f"{city} {state}", ""] if chance.random() < 0.1 else [city, state]
        dirty.append([*names, written, longer.replace("%%", "%"), bitter or "N/A", *ends, *moved])
    header = [
        "index",
        "id",
        "beer-name",
        "style",
        "ounces",
        "abv",
        "ibu",
        "brewery_id",
        "brewery-name",
        "city",
        "state",
    ]
    return Known(header=header, clean=clean, dirty=dirty)


KINDS: dict[str, Callable[[], Known]] = {"flights": flights, "hospital": hospital, "rayyan": rayyan, "beers": beers}

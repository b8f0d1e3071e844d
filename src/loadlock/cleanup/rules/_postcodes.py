"""The postcodes of countries: their form without blanks and hyphens, and how they are written."""

from __future__ import annotations

import re

_DIGITS = {
    3: "IS", 4: "AT AU BE BG CH CY DK HU LI LU NO NZ SI ZA", 5: "DE EE ES FI FR HR IT KR LT MC MX MY SM TH TR UA VA",
    6: "CN IN KZ RO RU SG VN", 7: "IL",
}  # fmt: skip
_GB_OUTER = r"(GIR|[A-PR-UWYZ](?:\d{1,2}|[A-HK-Y]\d|[A-HK-Y]\d\d|\d[A-HJKPSTUW]|[A-HK-Y]\d[ABEHMNPRV-Y]))"
_OTHERS = {
    "BR": (r"(\d{5})(\d{3})", r"\1-\2"),
    "CA": (r"([ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z])(\d[ABCEGHJ-NPRSTV-Z]\d)", r"\1 \2"),
    "CZ": (r"(\d{3})(\d{2})", r"\1 \2"),
    "GB": (_GB_OUTER + r"(\d[ABD-HJLNP-UW-Z]{2}|0AA)", r"\1 \2"),
    "GR": (r"(\d{3})(\d{2})", r"\1 \2"),
    "IE": (r"([AC-FHKNPRTV-Y]\d[0-9W])([0-9AC-FHKNPRTV-Y]{4})", r"\1 \2"),
    "JP": (r"(\d{3})(\d{4})", r"\1-\2"),
    "LV": (r"(?:LV)?(\d{4})", r"LV-\1"),
    "MT": (r"([A-Z]{3})(\d{4})", r"\1 \2"),
    "NL": (r"([1-9]\d{3})(?!S[ADS])([A-Z]{2})", r"\1 \2"),
    "PL": (r"(\d{2})(\d{3})", r"\1-\2"),
    "PT": (r"(\d{4})(\d{3})", r"\1-\2"),
    "SE": (r"(\d{3})(\d{2})", r"\1 \2"),
    "SK": (r"(\d{3})(\d{2})", r"\1 \2"),
    "US": (r"(\d{5})(\d{4})?", ""),
}  # fmt: skip
_PREFIX = {
    "AT": "A",
    "BE": "B",
    "DE": "D",
    "ES": "E",
    "FI": "FIN",
    "FR": "F",
    "HU": "H",
    "IT": "I",
    "LU": "L",
    "SE": "S",
}
"""Letters of cars, which stand before postcodes in some countries."""

FORMS: dict[str, tuple[re.Pattern[str], str]] = {
    **{
        code: (re.compile(rf"(\d{{{size}}})", re.ASCII), r"\1")
        for size, codes in _DIGITS.items()
        for code in codes.split()
    },
    **{code: (re.compile(pattern, re.ASCII), template) for code, (pattern, template) in _OTHERS.items()},
}
"""Country → (pattern of the whole without blanks and hyphens, how it is written)."""
WIDTHS = {code: size for size, codes in _DIGITS.items() for code in codes.split()}
"""Countries whose postcodes are digits only → how many."""


def written(text: str, country: str) -> str | None:
    """The postcode as the country writes it, or None where it is none."""
    pattern, template = FORMS[country]
    bare = re.sub(rf"^\s*(?:{country}|{_PREFIX.get(country, country)})\s*-\s*", "", text.upper())
    found = pattern.fullmatch(re.sub(r"[\s-]", "", bare))
    if found is None:
        return None
    return found.expand(template) if template else "-".join(part for part in found.groups() if part)

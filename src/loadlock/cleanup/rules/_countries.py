"""Countries by their codes and names, from pycountry."""

from __future__ import annotations

from functools import cache
from typing import Any

from loadlock.cleanup._each import module
from loadlock.cleanup._folded import folded

_ALSO = {
    "uk": "GB", "england": "GB", "scotland": "GB", "wales": "GB", "northern ireland": "GB", "great britain": "GB",
    "usa": "US", "america": "US", "holland": "NL", "south korea": "KR", "north korea": "KP", "russia": "RU",
    "vietnam": "VN", "laos": "LA", "syria": "SY", "iran": "IR", "turkey": "TR", "ivory coast": "CI", "czech republic": "CZ",
    "macedonia": "MK", "swaziland": "SZ", "cape verde": "CV", "burma": "MM", "uae": "AE", "vatican": "VA",
    "palestine": "PS", "brunei": "BN", "east timor": "TL", "el": "GR", "kosovo": "XK",
}  # fmt: skip
_KOSOVO = {"alpha_2": "XK", "alpha_3": "XKX", "numeric": "983", "name": "Kosovo"}


@cache
def by_name(languages: tuple[str, ...] = ()) -> dict[str, str]:
    """Folded code or name (English, and the languages given) → alpha-2 code."""
    found: dict[str, str] = {}
    for country in module("pycountry").countries:
        for name in _names(country, languages):
            found.setdefault(folded(name), country.alpha_2)
    return {"xk": "XK", "xkx": "XK", **found, **{name: code for name, code in _ALSO.items() if name not in found}}


def _names(country: Any, languages: tuple[str, ...]) -> list[str]:
    english = [getattr(country, name, None) for name in ("name", "official_name", "common_name")]
    listed = [country.alpha_2, country.alpha_3, country.numeric, *(name for name in english if name)]
    if "," in country.name:  # Korea, Republic of
        first, _, last = country.name.partition(", ")
        listed.append(f"{last} {first}")
    return listed + [translated(language).gettext(name) for language in languages for name in english if name]


@cache
def translated(language: str) -> Any:
    """The names of countries in a language; raises ValueError where pycountry has none."""
    import gettext

    try:
        return gettext.translation("iso3166-1", module("pycountry").LOCALES_DIR, languages=[language])
    except OSError:
        raise ValueError(f"no names of countries are known in {language!r}; write a code as `de`") from None


def alpha2(text: str, languages: tuple[str, ...] = ()) -> str | None:
    """The alpha-2 code of a country by any of its codes and names, or None."""
    word = folded(text)
    known = by_name(languages)
    return known.get(word) or (known.get(word.zfill(3)) if word.isascii() and word.isdigit() else None)


def attribute(code: str, name: str) -> str:
    """`alpha_2`, `alpha_3`, `numeric` or `name` of the country with an alpha-2 code."""
    if code == "XK":
        return _KOSOVO[name]
    country = module("pycountry").countries.get(alpha_2=code)
    return str(getattr(country, "common_name", None) or country.name) if name == "name" else str(getattr(country, name))

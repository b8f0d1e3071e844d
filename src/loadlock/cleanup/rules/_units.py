"""Units of measure: what they measure, and how many of the first unit of the kind they are."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

_F = Fraction
_KINDS: dict[str, dict[str, Fraction]] = {
    "length": {
        "m": _F(1), "mm": _F(1, 1000), "cm": _F(1, 100), "dm": _F(1, 10), "km": _F(1000), "in inch inches": _F(254, 10_000),
        "ft foot feet": _F(3048, 10_000), "yd yard yards": _F(9144, 10_000), "mi mile miles": _F(1_609_344, 1000),
        "nmi": _F(1852),
    },
    "mass": {
        "kg": _F(1), "mg": _F(1, 10**6), "g": _F(1, 1000), "t": _F(1000), "lb lbs pound pounds": _F(45_359_237, 10**8),
        "oz ounce ounces": _F(45_359_237, 16 * 10**8), "st stone": _F(14 * 45_359_237, 10**8),
    },
    "volume": {
        "l litre litres liter liters": _F(1), "ml": _F(1, 1000), "cl": _F(1, 100), "dl": _F(1, 10), "hl": _F(100),
        "m3 m³": _F(1000),
        "us_gal": _F(3_785_411_784, 10**9), "uk_gal": _F(454_609, 10**5), "us_fl_oz": _F(295_735_295_625, 10**13),
        "uk_fl_oz": _F(284_130_625, 10**10),
    },
    "area": {
        "m2 m² qm sqm": _F(1), "cm2 cm²": _F(1, 10**4), "km2 km²": _F(10**6), "ha": _F(10**4),
        "ft2 ft² sqft": _F(9_290_304, 10**8), "acre acres": _F(40_468_564_224, 10**7),
    },
    "speed": {"m/s": _F(1), "km/h kmh kph": _F(10, 36), "mph": _F(44_704, 10**5), "kn kt knots": _F(1852, 3600)},
    "energy": {
        "J": _F(1), "kJ": _F(1000), "MJ": _F(10**6), "Wh": _F(3600), "kWh": _F(3_600_000), "MWh": _F(3_600_000_000),
        "cal": _F(4184, 1000), "kcal": _F(4184),
    },
    "power": {"W": _F(1), "mW": _F(1, 1000), "kW": _F(1000), "MW": _F(10**6), "GW": _F(10**9)},
    "pressure": {
        "Pa": _F(1), "hPa": _F(100), "kPa": _F(1000), "mbar": _F(100), "bar": _F(10**5),
        "psi": _F(8_896_443_230_521, 1_290_320_000),
    },
    "data": {
        "B": _F(1), "kB": _F(10**3), "MB": _F(10**6), "GB": _F(10**9), "TB": _F(10**12), "KiB": _F(2**10), "MiB": _F(2**20),
        "GiB": _F(2**30), "TiB": _F(2**40),
    },
    "temperature": {"K": _F(1), "°C C degC": _F(1), "°F F degF": _F(5, 9)},
}  # fmt: skip
_ZERO = {"°C": _F(27_315, 100), "°F": _F(45_967, 100) * _F(5, 9)}
"""What 0 of the unit is in kelvin."""


def _listed() -> Iterator[tuple[str, tuple[str, Fraction, Fraction]]]:
    for kind, units in _KINDS.items():
        for names, factor in units.items():
            first = names.split()[0]
            for name in names.split():
                yield name, (kind, factor, _ZERO.get(first, _F(0)))


_EXACT = dict(_listed())


def unit(name: str) -> tuple[str, Fraction, Fraction] | None:
    """(kind, factor, zero) of a unit by its exact name, or by one that differs only in case from exactly one unit's."""
    if name in _EXACT:
        return _EXACT[name]
    alike = {entry for known, entry in _EXACT.items() if known.casefold() == name.casefold()}
    return alike.pop() if len(alike) == 1 else None


def names() -> list[str]:
    """All names of units."""
    return list(_EXACT)


def plain(number: Fraction, decimals: int) -> str:
    """The number with at most so many decimals (a half goes to the even digit), without zeros at its end."""
    scaled = round(abs(number) * 10**decimals)
    whole, rest = divmod(scaled, 10**decimals)
    text = f"{whole}.{rest:0{decimals}d}".rstrip("0").rstrip(".") if decimals else str(whole)
    return f"-{text}" if number < 0 and scaled else text

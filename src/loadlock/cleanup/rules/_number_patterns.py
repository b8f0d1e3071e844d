"""The patterns (RE2) by which `number` reads a value: what a number looks like, and which mark is its decimal mark.

A core is the number without sign, currency and percent. Five kinds of core exclude each other: `INTEGER` (no mark of
doubt), `POINT` (only the point can be the decimal mark), `COMMA` (only the comma can), and `1.234` and `1,234`, which can
be read both ways.
"""

from __future__ import annotations

from loadlock.cleanup._sql import BLANK, SPACES, ZERO_WIDTH, escaped

# Codes of ISO 4217 without those that are English words (ALL, CUP, TOP)
CODES = (
    "AED AFN AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY"
    " COP CRC CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS"
    " INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP"
    " MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR"
    " SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST"
    " XAF XCD XOF XPF YER ZAR ZMW BTC"
)
WORDS = r"US\$|R\$|A\$|C\$|Rs\.?|Fr\.?|kr\.?|zł|Kč|Ft|lei|лв|руб\.?"
CURRENCY = rf"(?:\p{{Sc}}|{WORDS}|(?i:{CODES.replace(' ', '|')}))"
MINUS = r"[\-\x{2212}\x{2010}\x{2011}\x{2013}\x{fe63}\x{ff0d}]"
NEUTRAL = r"[ '_\x{2019}\x{a0}\x{2007}\x{2009}\x{202f}]"
"""Thousands marks that are never decimal marks."""

_HEAD = "[1-9][0-9]{0,2}"
INTEGER = "[0-9]+"
GROUPED = f"{_HEAD}(?:{NEUTRAL}[0-9]{{3}})+"
"""Whole numbers with neutral thousands marks."""


def _sure(decimal: str, thousands: str) -> str:
    """Cores in which only `decimal` can be the decimal mark."""
    return "|".join(
        [
            # two groups or more: 1,234,567 and, as in India, 12,34,567
            f"{_HEAD}(?:{thousands}[0-9]{{3}}){{2,}}(?:{decimal}[0-9]+)?",
            f"[1-9][0-9]?(?:{thousands}[0-9]{{2}})+{thousands}[0-9]{{3}}(?:{decimal}[0-9]+)?",
            f"{_HEAD}{thousands}[0-9]{{3}}{decimal}[0-9]+",
            lone(decimal),
        ]
    )


def lone(decimal: str) -> str:
    """Cores whose one mark can't be a thousands mark: it has a zero or four digits before it, or other than three
    digits behind it."""
    return f"(?:0[0-9]*|[0-9]{{4,}}){decimal}[0-9]+|[0-9]{{1,3}}{decimal}(?:[0-9]{{1,2}}|[0-9]{{4,}})"


POINT = _sure(r"\.", ",")
COMMA = _sure(",", r"\.")
GROUPED_POINT = rf"{GROUPED}\.[0-9]+"
GROUPED_COMMA = f"{GROUPED},[0-9]+"
EITHER = f"{_HEAD}[.,][0-9]{{3}}"
"""Cores that can be read both ways."""


_UNSIGNED = f"[^{MINUS[1:-1]}+()]*"
ONE_SIGN = f"{_UNSIGNED}(?:(?:{MINUS}|\\+){_UNSIGNED}|\\({_UNSIGNED}\\){_UNSIGNED})?"
"""A value with one sign at most, or one pair of brackets."""


CORE = f"[0-9](?:[0-9.,{NEUTRAL[1:]}*[0-9])?"
"""From the first digit to the last."""
_NO_WORD = f"{SPACES}{ZERO_WIDTH}()+{MINUS[1:-1]}\\p{{Sc}}"
MARK_FIRST = {mark: rf"(?:[^0-9]*[{_NO_WORD}])?[{mark}][0-9]+[^0-9]*" for mark in ".,"}
"""By the decimal mark: whole values as `.5` and `$.50` (but `Rs.50` is fifty)."""


_FREQUENT = "EUR|USD|GBP|CHF"
FREQUENT = "$€£¥ EURUSDGBPCHF"
"""What may be trimmed off a value that fits one of `FREQUENT_MONEY`."""


def _frequent(core: str) -> str:
    return f"(?:[$€£¥] ?|(?:{_FREQUENT}) )?(?:{core})(?: ?(?:[$€£¥]|{_FREQUENT}))?"


_CLEAR = {
    ".": rf"{_HEAD}(?:,[0-9]{{3}})+\.[0-9]+|[0-9]+\.[0-9]{{1,2}}",
    ",": rf"{_HEAD}(?:\.[0-9]{{3}})+,[0-9]+|[0-9]+,[0-9]{{1,2}}",
}
FREQUENT_MONEY = {".": _frequent(rf"{_CLEAR['.']}|[0-9]+"), ",": _frequent(_CLEAR[","])}
"""By the decimal mark: whole values as most files write money. They need none of the slower patterns."""
FREQUENT_CLEAR = {mark: _frequent(core) for mark, core in _CLEAR.items()}
"""The same, of those only that leave no doubt about the mark."""


def framed(core: str) -> str:
    """The pattern of a whole value with this core, of values that fit `frame` (which alone knows what may stand around)."""
    return rf"(?:[^0-9]*(?:[^0-9.,]|[^0-9.,{_NO_WORD}]\.))?(?:{core})[^0-9]*"


def frame(*, percent: bool, words: tuple[str, ...] = ()) -> str:
    """The pattern of a whole value around any core: blanks, signs, currency, percent, accounting brackets.

    It stands alone, and knows nothing of marks, as its currencies make it slow to compile (about 2 ms).
    """
    currency = f"(?:{'|'.join([CURRENCY, *map(escaped, words)])})"
    sign = f"(?:(?:{MINUS}|\\+){BLANK}*)?"
    end = f"(?:{BLANK}*(?:{MINUS}|\\)))?"
    rate = f"(?:{BLANK}*%)?" if percent else ""
    bracket = f"(?:\\({BLANK}*)?"
    before = f"{BLANK}*{sign}{bracket}(?:{currency}{BLANK}*)?{bracket}{sign}"
    return f"{before}[.,]?{CORE}{end}(?:{BLANK}*{currency})?{rate}{end}{BLANK}*"

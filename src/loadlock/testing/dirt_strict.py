"""A strict reading of delimited text, character by character: the dirt fuzzer's own, independent of the readers."""

from __future__ import annotations

from loadlock.testing.dirt_files import Style


def strict_records(data: bytes, style: Style, fields: int) -> list[tuple[str, ...]] | None:
    """All records of a well-formed file, the header first; None where any rule is broken anywhere."""
    try:
        text = data.removeprefix(style.mark).decode(style.encoding)
    except UnicodeDecodeError:
        return None
    reader = _Reader(text, style)
    records = []
    while reader.at < len(text):
        record = reader.record()
        if record is None or len(record) != fields:
            return None
        records.append(tuple(record))
    return records or None


class _Reader:
    def __init__(self, text: str, style: Style) -> None:
        self.text, self.style, self.at = text, style, 0

    def record(self) -> list[str] | None:
        values: list[str] = []
        while True:
            value = self._quoted() if self._opens() else self._plain()
            if value is None:
                return None
            values.append(value)
            if self.text.startswith(self.style.delimiter, self.at):
                self.at += len(self.style.delimiter)
                continue
            step = self._end()
            if self.at < len(self.text) and not step:
                return None
            self.at += step
            return values

    def _opens(self) -> bool:
        return bool(self.style.quote) and self.text.startswith(self.style.quote, self.at)

    def _end(self) -> int:
        """Length of a record end here; 0 = none."""
        if self.text.startswith("\r\n", self.at):
            return 2
        ends = "\r\n" if self.style.record_end == "\r" else "\n"
        return int(self.at < len(self.text) and self.text[self.at] in ends)

    def _escaped(self) -> str | None:
        """The character behind a backslash here; a backslash before any other one is text."""
        pair = self.text[self.at : self.at + 2]
        if not self.style.escape or pair[:1] != "\\":
            return None
        self.at += len(pair)
        return pair[1:] if pair[1:] in (self.style.quote, self.style.delimiter, "\\") else pair

    def _plain(self) -> str | None:
        value = ""
        while self.at < len(self.text):
            if self.text.startswith(self.style.delimiter, self.at) or self._end():
                break
            if (escaped := self._escaped()) is not None:
                value += escaped
                continue
            if self._opens():
                return None
            value += self.text[self.at]
            self.at += 1
        return value

    def _quoted(self) -> str | None:
        quote, value = self.style.quote, ""
        self.at += 1
        while self.at < len(self.text):
            if (escaped := self._escaped()) is not None:
                value += escaped
            elif not self._opens():
                value += self.text[self.at]
                self.at += 1
            elif self.text.startswith(quote * 2, self.at):
                value += quote
                self.at += 2
            else:
                self.at += 1
                return value
        return None

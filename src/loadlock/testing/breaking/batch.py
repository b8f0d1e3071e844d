"""The batch of the trials: small, with rows that every stage rejects, and the rows that are in the target before."""

from __future__ import annotations

from pathlib import Path

from loadlock.delivery.base import Capabilities
from loadlock.model import WriteMode

ROWS = 80
FILES = ("a.csv", "b.csv", "c.csv")
DAYS = 15

# a date's order is decided, a row is not unique, the table refuses ids from 9000 on, two encodings make two parts a file
PIPELINE = """
pipeline: orders
source: {{files: "*.csv"}}
columns:
  id: {{type: integer, required: true, unique: true}}
  name: {{type: text, rules: [trim]}}
  amount: {{type: "decimal(12,2)"}}
  day: {{type: date, formats: ["%d/%m/%Y", "%m/%d/%Y"]}}
destination: {{url: "{url}", mode: {mode}{rest}}}
"""
TABLE = (
    "create table orders (id bigint primary key check (id < 9000), name varchar(40), amount decimal(12,2), day date)"
)

VERSIONED_TABLE = (
    "create table orders (id bigint check (id < 9000), name varchar(40), amount decimal(12,2), day date,"
    " valid_from {moment} not null, valid_to {moment}, primary key (id, valid_from))"
)

KEYLESS = (WriteMode.APPEND, WriteMode.REPLACE)

Row = tuple[int, str, str, str]


def write_batch(folder: Path) -> None:
    """The batch's files."""
    for number, name in enumerate(FILES):
        (folder / name).write_text(file_text(number), encoding="utf-8")


def file_text(number: int) -> str:
    """One file: good rows, one that is twice there or no integer, one that is short, one that the table refuses."""
    lines = ["id,name,amount,day"]
    lines += [
        f"{number * ROWS + i}, n{i} ,{i}.25,{13 + i % DAYS}/0{1 + i % 9}/2024"
        for i in range(1 if number == 0 else 0, ROWS)
    ]
    lines += [f'{number * ROWS},"twice",1.00,14/01/2024' if number else "x1,no integer,1.00,14/01/2024"]
    lines += ["7001,few", f"{9000 + number},{'n' * 30},1.00,14/01/2024"]
    return "\n".join(lines) + "\n"


def old_rows(mode: WriteMode) -> list[Row]:
    """What lies in the target before: rows that the batch knows nothing of, and for modes by key some that it changes."""
    found: list[Row] = [(8000 + i, "old", "8.50", "2020-01-31") for i in range(1, 6)]
    if mode not in KEYLESS:
        found += [(i, "before" if i % 3 else f"n{i}", f"{i}.25", _day(i)) for i in range(1, 60)]
    return found


def _day(i: int) -> str:
    return f"2024-0{1 + i % 9}-{13 + i % DAYS}"


def fill_sql(mode: WriteMode, moment: str = "timestamp") -> tuple[str, str]:
    """The statements that make the table of a mode and its old rows; `moment` is the type of a point in time."""
    rows, names = old_rows(mode), "id, name, amount, day"
    values = ", ".join(f"({i}, '{name}', {amount}, '{day}')" for i, name, amount, day in rows)
    if mode != WriteMode.SCD2:
        return TABLE, f"insert into orders ({names}) values {values}"
    values = values.replace(")", ", '2024-01-01 00:00:00')")
    return VERSIONED_TABLE.format(moment=moment), f"insert into orders ({names}, valid_from) values {values}"


def modes_of(capabilities: Capabilities) -> list[WriteMode]:
    """The write modes of a destination, in the order of their enum."""
    return [mode for mode in WriteMode if mode in capabilities.modes]


def pipeline_text(url: str, mode: WriteMode, *, table: bool, options: dict[str, str]) -> str:
    """The pipeline of a trial."""
    rest = ", table: orders" if table else ""
    if mode not in KEYLESS:
        rest += ", key: [id]"
    rest += "".join(f", {name}: {value}" for name, value in options.items())
    return PIPELINE.format(url=url, mode=mode, rest=rest)

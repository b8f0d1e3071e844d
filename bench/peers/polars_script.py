"""The job as a careful engineer writes it with Polars: read, clean, check, load by ADBC. No quarantine, no read-back.

python polars_script.py SOURCE POSTGRES_URL TABLE
"""

import sys

import polars as pl

CURRENCY = r"[$€\s]|USD|EUR"
TRUE, FALSE = ["yes", "y", "true", "t", "1"], ["no", "n", "false", "f", "0"]
COUNTRIES = ["DE", "BR", "US", "FR", "SE", "JP", "NG", "PE", "NO", "IN", "CH", "DK"]
STATUSES = ["new", "open", "paid", "shipped", "closed"]


def main(source: str, url: str, table: str) -> None:
    """Read, clean, check and load."""
    raw = pl.scan_csv(source, infer_schema=False, truncate_ragged_lines=True, encoding="utf8-lossy")
    clean = cleaned(raw).filter(is_good()).unique(subset="order_id", keep="first").collect()
    clean.write_database(table, url, engine="adbc", if_table_exists="append")
    print(f"{clean.height} rows")


def cleaned(raw: pl.LazyFrame) -> pl.LazyFrame:
    """The columns in their types; what can't be parsed is null."""
    return raw.select(
        pl.col("order_id").str.strip_chars().cast(pl.Int64, strict=False),
        pl.col("customer").str.strip_chars().str.replace_all(r"\s+", " "),
        pl.col("email").str.strip_chars().str.to_lowercase(),
        null_words(pl.col("phone").str.strip_chars()),
        pl.col("city").str.strip_chars(),
        pl.col("country").str.strip_chars().str.to_uppercase(),
        dates("ordered_on", ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%b %d %Y"]),
        dates("shipped_on", ["%Y-%m-%d", "%d/%m/%Y"]),
        amount(pl.col("amount").str.replace_all(CURRENCY, "")).alias("amount"),
        pl.col("quantity").str.strip_chars().cast(pl.Int64, strict=False),
        boolean(pl.col("paid").str.strip_chars().str.to_lowercase()).alias("paid"),
        pl.col("status").str.strip_chars().str.to_lowercase(),
        null_words(pl.col("note")),
        pl.col("weight").str.strip_chars().cast(pl.Float64, strict=False),
        pl.col("reference").str.strip_chars(),
    )


def is_good() -> pl.Expr:
    """Whether a row keeps the rules."""
    return (
        pl.all_horizontal(pl.col("order_id", "ordered_on", "amount", "paid").is_not_null())
        & pl.col("email").str.contains(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
        & pl.col("country").is_in(COUNTRIES)
        & pl.col("status").is_in(STATUSES)
        & pl.col("quantity").is_between(1, 1000)
    )


def null_words(column: pl.Expr) -> pl.Expr:
    """Null where a word stands for it."""
    return pl.when(~column.is_in(["N/A", "-", ""])).then(column)


def dates(name: str, formats: list[str]) -> pl.Expr:
    """The first format that fits."""
    text = pl.col(name).str.strip_chars()
    return pl.coalesce([text.str.to_date(format_, strict=False) for format_ in formats]).alias(name)


def amount(text: pl.Expr) -> pl.Expr:
    """Numbers with decimal point or comma."""
    english = text.str.replace_all(",", "", literal=True)
    german = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    is_german = text.str.contains(r",\d{1,2}$")
    return pl.when(is_german).then(german).otherwise(english).cast(pl.Decimal(12, 2), strict=False)


def boolean(text: pl.Expr) -> pl.Expr:
    """True and false by their words."""
    return pl.when(text.is_in(TRUE)).then(True).when(text.is_in(FALSE)).then(False)


if __name__ == "__main__":
    main(*sys.argv[1:])

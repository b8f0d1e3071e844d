"""The job as most scripts do it with pandas: read, clean, check, load by COPY.

python pandas_script.py SOURCE POSTGRES_URL TABLE
"""

import io
import sys

import pandas as pd
import psycopg

TRUE, FALSE = ["yes", "y", "true", "t", "1"], ["no", "n", "false", "f", "0"]
COUNTRIES = ["DE", "BR", "US", "FR", "SE", "JP", "NG", "PE", "NO", "IN", "CH", "DK"]
STATUSES = ["new", "open", "paid", "shipped", "closed"]
NULLS = {"N/A": None, "-": None, "": None}


def main(source: str, url: str, table: str) -> None:
    """Read, clean, check and load."""
    raw = pd.read_csv(source, dtype=str, keep_default_na=False, on_bad_lines="skip", encoding_errors="replace")
    clean = cleaned(raw)
    clean = clean[is_good(clean)].drop_duplicates("order_id", keep="first")
    text = io.BytesIO()
    clean.to_csv(text, index=False, header=False, na_rep="\\N")
    copy_sql = f"copy {table} from stdin (format csv, null '\\N')".encode()
    with psycopg.connect(url) as target, target.cursor() as cursor:
        with cursor.copy(copy_sql) as copy:
            copy.write(text.getvalue())
        print(f"{cursor.rowcount} rows of {len(raw)} read")


def cleaned(raw: pd.DataFrame) -> pd.DataFrame:
    """The columns in their types; what can't be parsed is null."""
    clean = pd.DataFrame()
    clean["order_id"] = pd.to_numeric(raw.order_id.str.strip(), errors="coerce").astype("Int64")
    clean["customer"] = raw.customer.str.strip().str.replace(r"\s+", " ", regex=True)
    clean["email"] = raw.email.str.strip().str.lower()
    clean["phone"] = raw.phone.str.strip().replace(NULLS)
    clean["city"] = raw.city.str.strip()
    clean["country"] = raw.country.str.strip().str.upper()
    clean["ordered_on"] = dates(raw.ordered_on, ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%b %d %Y"])
    clean["shipped_on"] = dates(raw.shipped_on, ["%Y-%m-%d", "%d/%m/%Y"])
    clean["amount"] = amounts(raw.amount)
    clean["quantity"] = pd.to_numeric(raw.quantity.str.strip(), errors="coerce").astype("Int64")
    words = raw.paid.str.strip().str.lower()
    clean["paid"] = words.map({**dict.fromkeys(TRUE, "t"), **dict.fromkeys(FALSE, "f")})
    clean["status"] = raw.status.str.strip().str.lower()
    clean["note"] = raw.note.replace(NULLS)
    clean["weight"] = pd.to_numeric(raw.weight.str.strip(), errors="coerce")
    clean["reference"] = raw.reference.str.strip()
    return clean


def is_good(clean: pd.DataFrame) -> "pd.Series[bool]":
    """Whether each row keeps the rules."""
    good = clean.order_id.notna() & clean.ordered_on.notna() & clean.amount.notna() & clean.paid.notna()
    good &= clean.email.str.match(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
    good &= clean.country.isin(COUNTRIES) & clean.status.isin(STATUSES)
    return good & clean.quantity.between(1, 1000).fillna(False)


def dates(text: "pd.Series[str]", formats: list[str]) -> "pd.Series[pd.Timestamp]":
    """The first format that fits."""
    stripped = text.str.strip()
    found = pd.to_datetime(stripped, format=formats[0], errors="coerce")
    for format_ in formats[1:]:
        found = found.fillna(pd.to_datetime(stripped, format=format_, errors="coerce"))
    return found


def amounts(text: "pd.Series[str]") -> "pd.Series[float]":
    """Numbers with decimal point or comma."""
    plain = text.str.replace(r"[$€\s]|USD|EUR", "", regex=True)
    german = plain.str.contains(r",\d{1,2}$", regex=True)
    english = plain.str.replace(",", "")
    other = plain.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    return pd.to_numeric(english.where(~german, other), errors="coerce").round(2)


if __name__ == "__main__":
    main(*sys.argv[1:])

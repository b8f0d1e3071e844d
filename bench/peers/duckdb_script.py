"""The job as a careful engineer writes it with DuckDB: read with its reject tables, clean by SQL, load by COPY.

python duckdb_script.py SOURCE POSTGRES_URL TABLE
"""

import sys
from pathlib import Path

import duckdb
import psycopg

COLUMNS = (
    "order_id", "customer", "email", "phone", "city", "country", "ordered_on", "shipped_on", "amount", "quantity", "paid",
    "status", "note", "weight", "reference",
)  # fmt: skip
# the dialect and the columns are said: left to itself the sniffer takes this file for one without quotes
READ = """read_csv($source, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
  columns = {$columns}, store_rejects = true)""".replace(
    "$columns", ", ".join(f"'{name}': 'varchar'" for name in COLUMNS)
)
SELECT = """
with raw as (select *, row_number() over () as position from $read),
typed as (
  select
    position,
    try_cast(trim(order_id) as bigint) as order_id,
    regexp_replace(trim(customer), '\\s+', ' ', 'g') as customer,
    lower(trim(email)) as email,
    case when trim(phone) not in ('N/A', '-', '') then trim(phone) end as phone,
    trim(city) as city,
    upper(trim(country)) as country,
    try_strptime(trim(ordered_on), ['%Y-%m-%d', '%d.%m.%Y', '%d/%m/%Y', '%b %d %Y'])::date as ordered_on,
    try_strptime(trim(shipped_on), ['%Y-%m-%d', '%d/%m/%Y'])::date as shipped_on,
    regexp_replace(amount, '[$€\\s]|USD|EUR', '', 'g') as amount_text,
    try_cast(trim(quantity) as bigint) as quantity,
    case when lower(trim(paid)) in ('yes', 'y', 'true', 't', '1') then true
         when lower(trim(paid)) in ('no', 'n', 'false', 'f', '0') then false end as paid,
    lower(trim(status)) as status,
    case when note not in ('N/A', '-', '') then note end as note,
    try_cast(trim(weight) as double) as weight,
    trim(reference) as reference
  from raw
),
parsed as (
  select * exclude (amount_text),
    try_cast(case when regexp_matches(amount_text, ',\\d{1,2}$')
      then replace(replace(amount_text, '.', ''), ',', '.')
      else replace(amount_text, ',', '') end as decimal(12, 2)) as amount
  from typed
)
select order_id, customer, email, phone, city, country, ordered_on, shipped_on, amount, quantity, paid, status, note,
  weight, reference
from parsed
where order_id is not null and ordered_on is not null and amount is not null and paid is not null
  and regexp_matches(email, '^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$')
  and country in ('DE', 'BR', 'US', 'FR', 'SE', 'JP', 'NG', 'PE', 'NO', 'IN', 'CH', 'DK')
  and status in ('new', 'open', 'paid', 'shipped', 'closed')
  and quantity between 1 and 1000
qualify row_number() over (partition by order_id order by position) = 1
"""
BLOCK = 1 << 20


def main(source: str, url: str, table: str) -> None:
    """Clean into a CSV file beside the source, then COPY it."""
    clean = Path(source + ".duckdb.csv")
    with duckdb.connect() as connection:
        connection.execute("set enable_progress_bar = false").fetchall()
        query = SELECT.replace("$read", READ).replace("$source", "'" + source.replace("'", "''") + "'")
        connection.execute(f"copy ({query}) to '{clean}' (header false, nullstr '\\N')").fetchall()
        ((rejected,),) = connection.execute("select count(distinct line) from reject_errors").fetchall()
    copy_sql = f"copy {table} from stdin (format csv, null '\\N')".encode()
    with psycopg.connect(url) as target, target.cursor() as cursor, clean.open("rb") as file:
        with cursor.copy(copy_sql) as copy:
            while block := file.read(BLOCK):
                copy.write(block)
        print(f"{cursor.rowcount} rows, {rejected} lines rejected by the reader")
    clean.unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The keys of a destination in the written pipeline."""

from __future__ import annotations

from loadlock.model import WriteMode
from loadlock.pipeline._key import Key, text_key

MODES = tuple(str(mode) for mode in WriteMode)

DESTINATION = {
    "url": text_key(
        "Database URL or path of a file; `${NAME}` is filled in from the environment when connecting.",
        "${SHOP_DB}",
        "duckdb:///shop.duckdb",
        "out/orders.parquet",
    ),
    "table": text_key("`schema.table`, parts quoted as in SQL; not for files.", "shop.orders"),
    "mode": Key(
        kind="choice", choices=MODES, doc="How rows change the table; left out: append to tables, replace files."
    ),
    "key": Key(kind="texts", doc="Columns that tell rows apart.", examples=(["order_id"],)),
    "columns": Key(kind="texts", doc="Columns to deliver, in order; left out: all."),
    "filter": text_key("SQL condition: rows without it do not go to this destination.", "country = 'DE'"),
    "create": Key(kind="flag", default=True, doc="Create the table from the columns if it is absent."),
    "lineage": Key(kind="lineage", default=False, doc="`columns`: add `_batch` and `_row` to each row."),
    "verify": Key(kind="flag", default=True, doc="Read back and compare after publishing."),
    "on_child_reject": Key(
        kind="choice",
        choices=("keep", "reject_parent"),
        default="keep",
        doc="What becomes of a row where the destination refuses a row of its child tables.",
    ),
    "evolve": Key(
        kind="choice",
        choices=("none", "columns", "types"),
        default="none",
        doc="What a run may change of an existing table: nothing; add the columns that it lacks; also widen types.",
    ),
    "max_delete_percent": Key(
        kind="number",
        minimum=0,
        default=20,
        doc="Modes mirror and scd2 with `missing: close`: stop where more of the table's rows would go; also for an empty batch.",
    ),
    "update": Key(
        kind="update",
        doc="Mode upsert: `changed` writes rows whose values differ, `all` every row whose key is known, a list only these"
        " columns of rows that are known; left out: `changed`.",
        examples=("changed", ["price", "stock"]),
    ),
    "valid_from": Key(kind="text", default="valid_from", doc="Mode scd2: column that says since when a row is valid."),
    "valid_to": Key(
        kind="text", default="valid_to", doc="Mode scd2: column that says until when; null in the row valid now."
    ),
    "missing": Key(
        kind="choice",
        choices=("keep", "close"),
        default="keep",
        doc="Mode scd2: what becomes of keys that the batch lacks: they stay valid, or end.",
    ),
    "undo": Key(
        kind="undo",
        doc="Of how many of the newest batches what `rollback` needs is kept beside the target, or `none`. Left out: 1 for"
        " tables, none for files.",
        examples=(1, "none"),
    ),
    "before": Key(
        kind="texts",
        doc="SQL statements (one, or a list) run in the publishing transaction before the rows change.",
        examples=("set local work_mem = '256MB'",),
    ),
    "after": Key(
        kind="texts",
        doc="SQL statements run in the publishing transaction behind the rows: where one fails, nothing is published.",
        examples=("insert into shop.loads (at) values (now())",),
    ),
    "analyze": Key(kind="flag", default=True, doc="Make fresh statistics of the table after publishing."),
    "options": Key(
        kind="raw", shape="options", doc="Options of this kind of destination; they may stand beside `url` too."
    ),
}

"""The pipeline that fits the maker's files."""

from __future__ import annotations

from collections.abc import Mapping

DEMO_TYPES = {
    "order_id": "integer",
    "customer": "text",
    "email": "text",
    "phone": "text",
    "city": "text",
    "country": "text",
    "ordered_on": "date",
    "shipped_on": "date",
    "amount": "decimal(12,2)",
    "quantity": "integer",
    "paid": "boolean",
    "status": "text",
    "note": "text",
    "tags": "json",
}
"""Columns of the clean rows → types."""

_NULLS = '{null_if: ["N/A", "-", ""]}'
_TYPED_NULLS = '{null_if: ["N/A", "-"]}'
_COLUMNS = {
    "order_id": "{from: [order_id, Order ID, Bestellnummer], type: integer, required: true, unique: true}",
    "customer": (
        "{from: [customer, Customer, Kunde, customer.name], type: text, rules: [fix_encoding, trim, collapse_spaces]}"
    ),
    "email": "{from: [email, E-Mail, customer.email], type: text, rules: [trim, lower], checks: [email]}",
    "phone": f"{{from: [phone, Phone, Telefon, customer.phone], type: text, rules: [trim, {_NULLS}]}}",
    "city": "{from: [city, City, Ort, customer.address.city], type: text, rules: [fix_encoding, trim]}",
    "country": (
        "{from: [country, Country, Land, customer.address.country], type: text, rules: [trim, upper],\n"
        "    checks: [{in: [DE, BR, US, FR, SE, JP, NG, PE, NO, IN, CH, DK]}]}"
    ),
    "ordered_on": (
        "{from: [ordered_on, Ordered on, Bestelldatum], type: date, required: true,\n"
        '    formats: ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%b %d %Y"]}'
    ),
    "shipped_on": (
        "{from: [shipped_on, Shipped on, Versanddatum], type: date,\n"
        f'    formats: ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y"], rules: [{_TYPED_NULLS}]}}  # the column decides the order'
    ),
    "amount": '{from: [amount, Amount, Betrag], type: "decimal(12,2)", rules: [{number: {decimal: auto}}]}',
    "quantity": "{from: [quantity, Quantity, Menge], type: integer, checks: [{range: {min: 1, max: 1000}}]}",
    "paid": "{from: [paid, Paid, bezahlt], type: boolean, rules: [boolean]}",
    "status": (
        "{from: [status, Status], type: text, rules: [trim, lower], checks: [{in: [new, open, paid, shipped, closed]}]}"
    ),
    "note": f"{{from: [note, Note, Bemerkung], type: text, rules: [{_NULLS}]}}",
    "tags": "{type: json}",
    "weight": "{type: float}",
    "reference": "{type: text, rules: [trim]}",
}


def pipeline_yaml(types: Mapping[str, str], shape: str) -> str:
    """The pipeline for these columns, delivering to a DuckDB file beside it."""
    files = "inbox/orders-*" if shape == "demo" else "orders.csv"
    columns = "\n".join(f"  {name}: {_COLUMNS[name]}" for name in types)
    return f"""\
pipeline: orders
source:
  files: {files}
columns:
{columns}
rejects:
  budget: {{percent: 5}}
destination:
  url: duckdb:///orders.duckdb
  table: orders
  mode: replace
"""

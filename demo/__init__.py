"""`make demo`: a 900,000-record dirty batch through the whole lock, compared with its truth; then real dirty files."""

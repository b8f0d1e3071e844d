"""The ledger: what happened to every batch, in a small database."""

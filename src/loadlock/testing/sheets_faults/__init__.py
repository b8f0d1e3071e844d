"""Every request of a delivery into Google Sheets goes wrong once, in every way, against the emulator.

python -m loadlock.testing.sheets_faults --page docs/reliability.md
"""

"""The written pipeline: its values, and how it is read from YAML or built in Python."""

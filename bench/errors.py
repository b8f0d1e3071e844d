"""What goes wrong in a benchmark."""


class BenchError(Exception):
    """A program that the benchmark runs failed, or did what it must not."""

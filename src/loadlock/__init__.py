"""Loadlock: dirty files in, a verified table out."""

from loadlock._version import __version__

__all__ = ["__version__"]

"""Learned image compression that a class can read, run and trust."""

__version__ = "0.1.0"

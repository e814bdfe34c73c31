"""Clinical named entity recognition on a reproducible synthetic population."""

__version__ = "0.1.0"

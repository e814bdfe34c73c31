"""Watching it: note profiles and drift decisions."""

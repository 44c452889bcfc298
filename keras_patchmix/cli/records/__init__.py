"""Data sets written as records."""

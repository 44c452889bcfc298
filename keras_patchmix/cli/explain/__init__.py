"""Saved models explained: maps, figures, numbers."""

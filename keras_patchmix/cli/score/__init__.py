"""Saved models scored under occlusion."""

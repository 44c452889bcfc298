"""Saved models hardened."""

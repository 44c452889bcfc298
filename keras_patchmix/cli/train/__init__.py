"""Models trained with Patch Mixing."""

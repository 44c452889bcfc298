"""Occlusions as pure functions of images, indices and a seed. NumPy only."""

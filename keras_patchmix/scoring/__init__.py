"""A model in, scores out: its own preprocessing, one compiled forward pass, what its scores are."""

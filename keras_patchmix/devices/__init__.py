"""Which devices and hosts there are, and who does which part."""

"""The decision log: who asked, what was decided, by which rule; a chain of hashes with signed heads."""

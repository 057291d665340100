"""One published network per file; the registry lists this folder."""

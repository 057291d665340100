"""Waves as numpy arrays: files, sample rates, silence and level."""

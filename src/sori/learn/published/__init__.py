"""Vocoders that others have published, as checkpoints of ours."""

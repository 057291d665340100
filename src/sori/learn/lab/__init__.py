"""Experiments that a person starts to see how things compare."""

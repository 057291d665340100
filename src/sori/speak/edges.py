"""Even edges: every piece begins and ends with the same short silence, and without a click."""

from typing import NamedTuple

import numpy as np

from sori.audio.silence import fade_edges, sound_span
from sori.core.audio import Audio

LEAD_SECONDS = 0.02
TAIL_SECONDS = 0.04
RAMP_SECONDS = 0.005


class Trimmed(NamedTuple):
    """Samples that are left, and how many were cut off in front."""

    samples: np.ndarray
    cut: int


def trim_edges(audio: Audio, quiet_lead: int, quiet_tail: int) -> Trimmed:
    """Cut a voice's own silence down to an even rest and fade both ends.

    Args:
        quiet_lead: samples in front that the voice gave to silence; never cut beyond them, so a
            soft first consonant stays whole.
        quiet_tail: the same at the end.
    """
    total = len(audio.samples)
    start, stop = sound_span(audio)
    lead, tail, ramp = (
        round(seconds * audio.sample_rate) for seconds in (LEAD_SECONDS, TAIL_SECONDS, RAMP_SECONDS)
    )
    first = max(0, min(start, quiet_lead) - lead)
    last = min(total, max(stop, total - quiet_tail) + tail)
    return Trimmed(fade_edges(audio.samples[first:last], ramp), first)


def rest_between(pause_seconds: float) -> float:
    """Silence to insert for a pause, less the rests that the edges already bring."""
    return max(0.0, pause_seconds - LEAD_SECONDS - TAIL_SECONDS)

"""The graph of a voice in onnxruntime: phoneme ids in, a wave and durations out."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import onnxruntime

from sori.core.errors import SoriError
from sori.speak.card import MEND, Card
from sori.speak.manner import Manner
from sori.speak.source_filter import Filters, Synthesis, noise_bank, synthesise
from sori.text.supphonemes import SupPhonemes

INPUTS = ("ids", "speaker", "speed")
OPTIONAL = ("pitch", "energy")  # what not every voice can change
OUTPUTS = {
    "wave": ("durations", "wave"),
    "source-filter": ("durations", "f0", "harmonic", "phase", "noise"),
}
# Sentences are short: more threads than this only wait for each other.
MOST_THREADS = 4

onnxruntime.disable_telemetry_events()


class Spoken(NamedTuple):
    """One run of a voice: its wave, and samples that each id took."""

    wave: np.ndarray
    durations: np.ndarray


@runtime_checkable
class Speaks(Protocol):
    """Speaks ids, silence at both ends, with these weights of a voice's speakers."""

    def run(self, ids: list[int], weights: np.ndarray, manner: Manner) -> Spoken: ...


class Graph:
    """A loaded voice file. Running it changes nothing, so threads may share it."""

    def __init__(self, path: Path, card: Card, threads: int | None = None):
        self.path = path
        self.card = card
        self.threads = threads or default_threads()
        self.outputs = OUTPUTS[card.synthesis["kind"]]
        self.synthesis = None
        self.cutter = SupPhonemes(card.sup_phonemes) if card.sup_phonemes else None
        if card.synthesis["kind"] == "wave":
            self.session = open_session(path, self.threads)
        else:
            self.session = self.open_with_noise()
        self.fixed = self.check_names()

    def open_with_noise(self) -> onnxruntime.InferenceSession:
        """Open the session; while it is built, which leaves Python idle, make the usual noise."""
        sizes = {key: size for key, size in self.card.synthesis.items() if key != "kind"}
        with ThreadPoolExecutor(max_workers=1) as pool:
            try:
                self.synthesis = Synthesis(**sizes)
                noise = pool.submit(noise_bank, self.synthesis, Manner().seed)
                session = open_session(self.path, self.threads)
                noise.result()
            except (TypeError, ValueError) as error:
                raise SoriError(
                    f"the card of {self.path} cannot be used: {error}; {MEND}"
                ) from error
        return session

    def check_names(self) -> list[str]:
        """Refuse a graph of other names than the format's; returns what it cannot change."""
        required = {*INPUTS, "sup_ids"} if self.cutter else set(INPUTS)
        inputs = {node.name for node in self.session.get_inputs()}
        outputs = {node.name for node in self.session.get_outputs()}
        missing = sorted(required - inputs)
        missing += [name for name in self.outputs if name not in outputs]
        unknown = inputs - required - set(OPTIONAL)
        if missing or unknown:
            strange = ", ".join(missing or sorted(unknown))
            raise SoriError(f"{self.path} does not follow the voice format (see {strange}); {MEND}")
        return [name for name in OPTIONAL if name not in inputs]

    def run(self, ids: list[int], weights: np.ndarray, manner: Manner) -> Spoken:
        """Speak ids, silence at both ends, with these weights of the speakers."""
        feed = {
            "ids": np.array([ids], np.int64),
            "speaker": weights[np.newaxis].astype(np.float32),
            "speed": np.array([manner.speed], np.float32),
        }
        for name in OPTIONAL:
            factor = getattr(manner, name)
            if name not in self.fixed:
                feed[name] = np.array([factor], np.float32)
            elif factor != 1:
                raise SoriError(f"the voice {self.card.name} cannot change its {name}; leave it 1")
        if self.cutter:
            phonemes = "".join(self.card.symbols[number] for number in ids)
            feed["sup_ids"] = np.array([self.cutter.ids(phonemes)], np.int64)
        try:
            outputs = self.session.run(self.outputs, feed)
        except Exception as error:  # onnxruntime has no common class for what a graph can do
            raise SoriError(f"{self.path} failed to speak: {first_line(error)}; {MEND}") from error
        durations, *frames = (np.asarray(output)[0] for output in outputs)
        wave = frames[0] if self.synthesis is None else self.filter(frames, manner.seed)
        if wave.ndim != 1 or durations.shape != (len(ids),):
            raise SoriError(f"{self.path} spoke in shapes that no voice has; {MEND}")
        if not np.isfinite(wave).all():
            raise SoriError(f"{self.path} spoke numbers that are not finite; {MEND}")
        return Spoken(wave, durations * self.card.frame_samples)

    def filter(self, frames: list[np.ndarray], seed: int) -> np.ndarray:
        assert self.synthesis is not None
        f0, *filters = frames
        return synthesise(
            f0, Filters(*filters), self.synthesis, self.card.sample_rate, seed, self.threads
        )


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait awake between two operators halve the time of short ones. After the run they
    # would only take the processor from the synthesis that follows.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 4  # faults come as exceptions; stderr belongs to the caller
    # Every sentence has another length: blocks kept for reuse would only pile up.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # see run()
        raise SoriError(f"{path} cannot be loaded: {first_line(error)}; {MEND}") from error


def default_threads() -> int:
    """Processors this program may use, within reason."""
    if hasattr(os, "sched_getaffinity"):
        return min(MOST_THREADS, len(os.sched_getaffinity(0)))
    return min(MOST_THREADS, os.cpu_count() or 1)


def first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else repr(error)

"""What trained models add to a feature cache: phonemes, durations, predicted mels."""

from pathlib import Path

import numpy as np
import torch

from sori.core.errors import SoriError
from sori.core.files import beside
from sori.learn import registry
from sori.learn.contracts import AcousticBatch
from sori.learn.data.batches import Sentences
from sori.learn.data.cache import Cache, Entry, write_labels
from sori.learn.data.shards import file_name
from sori.learn.models.aligner import Aligner, AlignerBatch
from sori.learn.models.fastspeech2_conv import ConvFastSpeech2
from sori.text.frontend import FrontEnd


def phonemise(folder: Path, cache: Cache, accent: str = "us") -> int:
    """Keep beside a feature cache what our front end reads in its texts; returns how many."""
    front_end = FrontEnd(accent)
    labels = {}
    for entry in cache.entries:
        try:
            spoken = " ".join(s.phonemes for s in front_end.sentences(entry.text))
        except SoriError:
            continue  # a recording without a speakable text cannot be learned from
        labels[entry.name] = {"phonemes": spoken}
    write_labels(folder, labels)
    return len(labels)


def align(folder: Path, cache: Cache, checkpoint: Path) -> int:
    """Keep durations found by a trained aligner beside a feature cache; returns how many.

    Utterances with fewer units of frames than phonemes are left without labels.
    """
    model = registry.load(checkpoint)
    assert isinstance(model, Aligner)
    items = [(cache, e) for e in cache.entries if fits(e, model.config.frames_per_unit)]
    sentences = Sentences(items, AlignerBatch, model.config.symbols, (), 20000, 0)
    labels = {}
    for batch in sentences.plan(0):
        chosen = [sentences.items[i] for i in batch]
        with torch.inference_mode():
            found = model.align(sentences.collate(chosen))
        for (_, entry), durations in zip(chosen, found, strict=True):
            labels[entry.name] = {"phonemes": entry.phonemes, "durations": durations.tolist()}
    write_labels(folder, labels)
    return len(labels)


def fits(entry: Entry, frames_per_unit: int) -> bool:
    """Whether every phoneme and both silences can have a unit of frames."""
    return entry.phonemes is not None and (
        len(entry.phonemes) + 2 <= entry.frames // frames_per_unit
    )


def predict_mels(folder: Path, cache: Cache, checkpoint: Path) -> int:
    """Keep beside the recordings' mels those that an acoustic model makes; returns how many.

    It is given the true durations, F0 and energy, so frames stay aligned with the recording: a
    vocoder trained on them learns to mend what the acoustic model smooths over. Utterances
    without durations, or of a speaker unknown to the model, keep the mel of the recording.
    """
    model = registry.load(checkpoint)
    assert isinstance(model, ConvFastSpeech2)
    config = model.config
    known = [(cache, e) for e in cache.entries if e.durations and e.speaker in config.speakers]
    sentences = Sentences(known, AcousticBatch, config.symbols, config.speakers, 8000, 0)
    made = [np.array(shard) for shard in cache.arrays["mel"]]
    for numbers in sentences.plan(0):
        chosen = [sentences.items[i] for i in numbers]
        batch = sentences.collate(chosen)
        with torch.inference_mode():
            mels = model.reconstruct(batch)
        for (_, entry), mel, frames in zip(chosen, mels, batch.mel_len.tolist(), strict=True):
            shard, start = cache.place(entry)
            made[shard][start : start + frames] = mel[:, :frames].T.numpy()
    for shard, mels in enumerate(made):
        with beside(folder / file_name("predicted", shard)) as part:
            mels.tofile(part)
    return len(known)

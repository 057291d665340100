"""Random batches for any model of the registry, by the names of its fields."""

from dataclasses import fields

import torch

TOKENS, UNITS_PER_TOKEN, FRAMES_PER_UNIT = 6, 2, 2
FRAMES = TOKENS * UNITS_PER_TOKEN * FRAMES_PER_UNIT


def example_batch(spec, items=2, seed=0, config=None):
    """A batch of equally long items that fits the model's tiny config."""
    config = config or spec.tiny
    random = torch.Generator().manual_seed(seed)

    def integers(below, *shape):
        return torch.randint(1, below, shape, generator=random)

    def normal(*shape):
        return torch.randn(*shape, generator=random)

    mel = getattr(config, "mel", None)
    bins = mel.bins if mel else 80
    hop = mel.hop_samples if mel else 300
    makers = {
        "ids": lambda: integers(len(config.symbols), items, TOKENS),
        "ids_len": lambda: torch.full((items,), TOKENS),
        "mel": lambda: normal(items, bins, FRAMES) - 4,
        "mel_len": lambda: torch.full((items,), FRAMES),
        "durations": lambda: torch.full((items, TOKENS), UNITS_PER_TOKEN * FRAMES_PER_UNIT),
        "f0": lambda: 150 + 20 * normal(items, FRAMES) * (torch.arange(FRAMES) > 3),
        "cycles": lambda: torch.arange(FRAMES).expand(items, -1) * (150 / 80),
        "energy": lambda: normal(items, FRAMES),
        "speaker": lambda: torch.zeros(items, dtype=torch.long),
        "wave": lambda: 0.1 * normal(items, FRAMES * hop),
        "letters": lambda: integers(len(config.letters), items, TOKENS),
        "letters_len": lambda: torch.full((items,), TOKENS),
        "accent": lambda: torch.zeros(items, dtype=torch.long),
        "phonemes": lambda: integers(len(config.symbols), items, 4),
        "pixels": lambda: integers(config.levels, items, config.colours, 8, 8) - 1,
        "phonemes_len": lambda: torch.full((items,), 4),
    }
    return spec.batch(**{f.name: makers[f.name]() for f in fields(spec.batch)})

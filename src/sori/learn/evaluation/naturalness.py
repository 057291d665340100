"""Naturalness: networks that learned to predict how people rate speech."""

import contextlib
import importlib.machinery
import importlib.util
import io
import sys
import warnings
from types import ModuleType

import numpy as np
import torch

from sori.audio.resample import resample
from sori.learn.evaluation.clips import Take
from sori.learn.evaluation.judges import require

SAMPLE_RATE = 16_000
DISTILLMOS_INSTALL = "pip install --no-deps distillmos==0.9.1 xls-r-sqa==0.1.0"


def stand_in_for_torchaudio() -> None:
    """Let `import torchaudio` succeed where torchaudio is not installed.

    distillmos imports it for its own file reader, which we do not use, and not every build of
    torch has a torchaudio. An installed torchaudio is left alone.
    """
    if "torchaudio" in sys.modules or importlib.util.find_spec("torchaudio"):
        return
    module = ModuleType("torchaudio")
    module.__spec__ = importlib.machinery.ModuleSpec("torchaudio", loader=None)
    sys.modules["torchaudio"] = module


class DistillMOS:
    """Predicts a mean opinion score, 1 to 5.

    Source: Stahl & Gamper 2025, "Distillation and pruning for scalable self-supervised
    representation-based speech quality assessment", arXiv:2502.05356.
    """

    def __init__(self) -> None:
        stand_in_for_torchaudio()
        distillmos = require("distillmos", "DistillMOS", DISTILLMOS_INSTALL)
        with contextlib.redirect_stdout(io.StringIO()):  # it prints where its weights lie
            self.model = distillmos.ConvTransformerSQAModel().eval()

    def hear(self, take: Take) -> dict[str, float]:
        samples = torch.from_numpy(resample(take.audio, SAMPLE_RATE).samples).float()
        with torch.inference_mode():
            return {"distillmos": float(self.model(samples[None]))}


class DNSMOS:
    """Predicts the scores of ITU-T P.835: signal, background, overall, 1 to 5.

    Source: Reddy et al. 2022, "DNSMOS P.835", arXiv:2110.01763.
    """

    def __init__(self) -> None:
        self.dnsmos = require(
            "speechmos.dnsmos", "DNSMOS", "pip install speechmos librosa requests"
        )

    def hear(self, take: Take) -> dict[str, float]:
        # It refuses samples outside [-1, 1], which a resampler's ripple reaches.
        samples = np.clip(resample(take.audio, SAMPLE_RATE).samples, -1.0, 1.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # librosa's, about settings that DNSMOS fixes
            scores = self.dnsmos.run(samples, SAMPLE_RATE)
        return {"dnsmos": float(scores["ovrl_mos"]), "dnsmos_noise": float(scores["bak_mos"])}

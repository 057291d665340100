"""Voices small enough to make in a test: real ONNX graphs that follow docs/voice-format.md."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from sori.text.phonemes import CONSONANTS, PAUSES, STRESS, VOWELS

SAMPLE_RATE = 24000
FRAME_SAMPLES = 300
FRAMES_OF_SOUND = 6
FRAMES_OF_SILENCE = 12
FFT_SAMPLES = 1024
SPEAKERS = ("ada", "ben")
PITCH_HZ = {"ada": 220.0, "ben": 110.0}


def card(kind: str = "wave", **changes: Any) -> dict[str, Any]:
    """A card with everything in it; `changes` replace or add keys."""
    synthesis: dict[str, Any] = {"kind": kind}
    if kind == "source-filter":
        synthesis |= {
            "hop_samples": FRAME_SAMPLES,
            "window_samples": FFT_SAMPLES,
            "fft_samples": FFT_SAMPLES,
        }
    return {
        "format": 1,
        "name": "tiny",
        "language": "en",
        "licence": "CC0-1.0",
        "sample_rate": SAMPLE_RATE,
        "symbols": ["_", " ", *PAUSES, *STRESS, *VOWELS, *CONSONANTS],
        "speakers": [
            {
                "name": name,
                "description": "a tone",
                "accent": accent,
                "licence": "CC0-1.0",
                "data": "none",
                "quality": {"wer_percent": 99.5},
            }
            for name, accent in zip(SPEAKERS, ("us", "gb"), strict=True)
        ],
        "default_speaker": "ada",
        "synthesis": synthesis,
        "frame_samples": FRAME_SAMPLES,
        "data": "nothing",
        "quality": {"wer_percent": 99.5},
        "trained": {"date": "2026-01-01"},
    } | changes


def write_voice(path: Path, kind: str = "wave", loudness: float = 0.3, **changes: Any) -> Path:
    """Write a voice that hums: the pitch tells the speaker, every phoneme lasts six frames."""
    graph = Graph()
    graph.durations()
    if kind == "wave":
        graph.wave(loudness)
    else:
        graph.frames()
    model = helper.make_model(
        graph.made(), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    helper.set_model_props(model, {"sori.card": json.dumps(card(kind, **changes))})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


class Graph:
    """Collects nodes and constants of a graph."""

    def __init__(self):
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []

    def add(self, kind: str, *inputs: Any, name: str = "", **attributes: Any) -> str:
        """Append a node; inputs that are not names become constants."""
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        name = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [name], **attributes))
        return name

    def constant(self, value: np.ndarray) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def output(self, name: str, kind: int, shape: list[Any]) -> None:
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def durations(self) -> None:
        is_silence = self.add("Equal", "ids", np.int64([0]))
        frames = self.add(
            "Where", is_silence, np.float32([FRAMES_OF_SILENCE]), np.float32([FRAMES_OF_SOUND])
        )
        rounded = self.add("Round", self.add("Div", frames, "speed"))
        above = self.add("Max", rounded, np.float32([1.0]))
        self.add("Cast", above, name="durations", to=TensorProto.INT64)
        self.output("durations", TensorProto.INT64, [1, "N"])
        self.total = self.add("ReduceSum", "durations", np.int64([0, 1]), keepdims=0)
        self.pitch_hz = self.add(
            "Mul",
            self.add(
                "ReduceSum",
                self.add("Mul", "speaker", np.float32(list(PITCH_HZ.values()))),
                np.int64([1]),
                keepdims=0,
            ),
            "pitch",
        )

    def wave(self, loudness: float) -> None:
        samples = self.add("Mul", self.total, np.int64(FRAME_SAMPLES))
        at = self.add("Range", np.int64(0), samples, np.int64(1))
        silence = self.add(
            "Mul",
            self.add("Gather", "durations", np.int64(0), axis=1),
            np.int64(FRAME_SAMPLES),
        )
        begun = self.add("GreaterOrEqual", at, silence)
        not_over = self.add("Less", at, self.add("Sub", samples, silence))
        inside = self.add("Cast", self.add("And", begun, not_over), to=TensorProto.FLOAT)
        seconds = self.add(
            "Mul", self.add("Cast", at, to=TensorProto.FLOAT), np.float32(1 / SAMPLE_RATE)
        )
        turns = self.add("Mul", self.add("Mul", seconds, self.pitch_hz), np.float32(2 * np.pi))
        loud = self.add("Mul", inside, self.add("Mul", "energy", np.float32([loudness])))
        tone = self.add("Mul", self.add("Sin", turns), loud)
        self.add("Unsqueeze", tone, np.int64([0]), name="wave")
        self.output("wave", TensorProto.FLOAT, [1, "S"])

    def frames(self) -> None:
        total = self.add("Unsqueeze", self.total, np.int64([0]))
        one = np.int64([1])
        bins = np.int64([FFT_SAMPLES // 2 + 1])
        flat = self.add("Concat", one, total, axis=0)
        full = self.add("Concat", one, total, bins, axis=0)
        self.add("Expand", self.pitch_hz, flat, name="f0")
        self.output("f0", TensorProto.FLOAT, [1, "T"])
        louder = self.add("Log", "energy")
        for name, level in {"harmonic": -2.0, "phase": None, "noise": -5.0}.items():
            value = (
                np.float32([0.0]) if level is None else self.add("Add", louder, np.float32([level]))
            )
            self.add("Expand", value, full, name=name)
            self.output(name, TensorProto.FLOAT, [1, "T", "K"])

    def made(self) -> onnx.GraphProto:
        factor = {
            name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
            for name in ("speed", "pitch", "energy")
        }
        inputs = [
            helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "N"]),
            helper.make_tensor_value_info("speaker", TensorProto.FLOAT, [1, len(SPEAKERS)]),
            *factor.values(),
        ]
        return helper.make_graph(self.nodes, "tiny", inputs, self.outputs, self.constants)

"""Smaller and readier ONNX graphs: half-precision storage, integer products, fused nodes."""

import logging
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from sori.core.errors import SoriError

LARGE = 256  # weights with fewer values stay as they are
PRECISIONS = ("fp32", "fp16", "int8")


def quantise(source: Path, target: Path, precision: str) -> None:
    """Write a graph again with its weights in another precision.

    Raises:
        SoriError: the precision is not known.
    """
    if precision not in PRECISIONS:
        raise SoriError(f"unknown precision {precision!r}; known are {', '.join(PRECISIONS)}")
    if precision == "int8":
        to_integers(source, target)
        fuse(target, target)
        store_halves(target, target)
    elif precision == "fp16":
        store_halves(source, target)
    else:
        onnx.save(onnx.load(source), target)


def to_integers(source: Path, target: Path) -> None:
    """Compute matrix products with constant matrices in eight bits, scaled per column.

    Activations are scaled when they are seen (dynamic quantisation); convolutions stay as they
    are, because the runtime is slow at them in integers.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().setLevel(logging.ERROR)  # it advises a preprocessing that changes nothing
    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )


def fuse(source: Path, target: Path) -> None:
    """Let the runtime fuse nodes once, now, instead of every time that the file is loaded.

    Only fusions that hold on every processor are stored.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def store_halves(source: Path, target: Path, least: int = LARGE) -> None:
    """Keep float weights of so many values or more in half precision.

    The runtime widens them once, when it loads.
    """
    model = onnx.load(source)
    graph = model.graph
    casts, kept = [], []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < least:
            kept.append(weight)
            continue
        half = numpy_helper.from_array(values.astype(np.float16), f"{weight.name}.half")
        kept.append(half)
        casts.append(helper.make_node("Cast", [half.name], [weight.name], to=TensorProto.FLOAT))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, target)

"""How TorToise's author names its tensors, and which of ours these are.

Source: the author's program, neonbjb/tortoise-tts.
"""

from typing import Any

import torch
from torch import Tensor

from sori.learn.published.layouts import (
    Change,
    Changes,
    Layout,
    Origin,
    Pairs,
    Tensors,
    how_many,
    weight,
)

HEAD_WIDTH = 64  # of all attention; shapes do not tell it
TEXT_TOKENS = 0xE000  # private characters stand for the pieces of words that it reads


def same(*names: str) -> Change:
    """A tensor that only has another name."""
    return Change(names, lambda x: x, "")


def attention(ours: str, theirs: str, relative: bool = True) -> Pairs:
    """A layer of attention among frames."""
    yield f"{ours}.norm", Origin(f"{theirs}.norm")
    yield f"{ours}.project", Origin(f"{theirs}.qkv")
    yield f"{ours}.leave", Origin(f"{theirs}.proj_out")
    if relative:
        bias = f"{theirs}.relative_pos_embeddings.relative_attention_bias"
        yield f"{ours}.relative.table", Origin(bias)


def reader_config(tensors: Tensors) -> dict[str, Any]:
    texts, width = weight(tensors, "text_embedding").shape
    codes = weight(tensors, "mel_embedding").shape[0] - 2
    return {
        "mel": {"sample_rate": 22050, "hop_samples": 256},
        "symbols": "".join(chr(TEXT_TOKENS + n) for n in range(texts - 1)),
        "codes": codes,
        "width": width,
        "heads": max(width // HEAD_WIDTH, 1),
        "blocks": how_many(tensors, "gpt.h.{}."),
        "voice_blocks": how_many(tensors, "conditioning_encoder.attn.{}."),
        "text_limit": weight(tensors, "text_pos_embedding.emb").shape[0] - 2,
        "code_limit": weight(tensors, "mel_pos_embedding.emb").shape[0] - 4,
    }


def reader_pairs(tensors: Tensors) -> Pairs:
    yield "voice.enter", Origin("conditioning_encoder.init")
    for n in range(how_many(tensors, "conditioning_encoder.attn.{}.")):
        yield from attention(f"voice.blocks.{n}", f"conditioning_encoder.attn.{n}", False)
    yield "text_table", Origin("text_embedding")
    yield "code_table", Origin("mel_embedding")
    yield "text_places", Origin("text_pos_embedding.emb")
    yield "code_places", Origin("mel_pos_embedding.emb")
    for n in range(how_many(tensors, "gpt.h.{}.")):
        yield f"blocks.{n}.first_norm", Origin(f"gpt.h.{n}.ln_1")
        yield f"blocks.{n}.second_norm", Origin(f"gpt.h.{n}.ln_2")
    yield "stack_norm", Origin("gpt.ln_f")
    yield "final_norm", Origin("final_norm")
    yield "text_head", Origin("text_head")
    yield "code_head", Origin("mel_head")


def reader_changes(tensors: Tensors) -> Changes:
    """Their products of the blocks are written the other way round."""
    layers = {
        "project": "attn.c_attn",
        "leave": "attn.c_proj",
        "widen": "mlp.c_fc",
        "narrow": "mlp.c_proj",
    }
    for n in range(how_many(tensors, "gpt.h.{}.")):
        for ours, theirs in layers.items():
            name = f"gpt.h.{n}.{theirs}"
            yield f"blocks.{n}.{ours}.weight", Change((f"{name}.weight",), transposed, "transposed")
            yield f"blocks.{n}.{ours}.bias", same(f"{name}.bias")


def transposed(x: Tensor) -> Tensor:
    return x.T


CLVP_SIDES = (("text", "text", "text_emb"), ("speech", "speech", "speech_emb"))


def clvp_config(tensors: Tensors) -> dict[str, Any]:
    texts, width = weight(tensors, "text_emb").shape
    layers = how_many(tensors, "text_transformer.transformer.attn_layers.layers.{}.")
    return {
        "mel": {"sample_rate": 22050, "hop_samples": 256},
        "symbols": "".join(chr(TEXT_TOKENS + n) for n in range(texts - 1)),
        "codes": weight(tensors, "speech_emb").shape[0],
        "width": width,
        "heads": max(width // HEAD_WIDTH, 1),
        "blocks": layers // 2,
    }


def clvp_pairs(tensors: Tensors) -> Pairs:
    for ours, side, table in CLVP_SIDES:
        yield f"{ours}.table", Origin(table)
        yield f"{ours}.norm", Origin(f"{side}_transformer.transformer.norm")
        yield f"{ours}.leave", Origin(f"to_{side}_latent")
        for n in range(clvp_config(tensors)["blocks"]):
            attend, feed = clvp_layers(side, n)
            yield f"{ours}.blocks.{n}.leave", Origin(f"{attend}.1.wrap.to_out")
            yield f"{ours}.blocks.{n}.widen", Origin(f"{feed}.1.wrap.net.0.proj")
            yield f"{ours}.blocks.{n}.narrow", Origin(f"{feed}.1.wrap.net.3")


def clvp_changes(tensors: Tensors) -> Changes:
    yield "sharpness", same("temperature")
    for ours, side, _ in CLVP_SIDES:
        for n in range(clvp_config(tensors)["blocks"]):
            attend, feed = clvp_layers(side, n)
            parts = tuple(f"{attend}.1.wrap.to_{part}.weight" for part in "qkv")
            joined = Change(parts, lambda *rows: torch.cat(rows), "one below the other")
            yield f"{ours}.blocks.{n}.project.weight", joined
            yield f"{ours}.blocks.{n}.first_norm.weight", same(f"{attend}.0.0.g")
            yield f"{ours}.blocks.{n}.second_norm.weight", same(f"{feed}.0.0.g")


def clvp_layers(side: str, number: int) -> tuple[str, str]:
    """Names of a block's attention and of its feed-forward layer."""
    layers = f"{side}_transformer.transformer.attn_layers.layers"
    return f"{layers}.{2 * number}", f"{layers}.{2 * number + 1}"


def decoder_config(tensors: Tensors) -> dict[str, Any]:
    width, bins, _ = weight(tensors, "inp_block").shape
    return {
        "mel": {"sample_rate": 24000, "hop_samples": 256, "bins": bins, "f_max_hz": 12000.0},
        "codes": weight(tensors, "code_embedding").shape[0] - 1,
        "latent_width": weight(tensors, "latent_conditioner.0").shape[1],
        "width": width,
        "heads": max(width // HEAD_WIDTH, 1),
        # Behind the layers stand three blocks without attention.
        "layers": how_many(tensors, "layers.{}.resblk."),
    }


def decoder_pairs(tensors: Tensors) -> Pairs:
    yield "enter", Origin("inp_block")
    yield "time.2", Origin("time_embed.2")
    yield "code_table", Origin("code_embedding")
    yield "said_norm", Origin("code_norm")
    yield "latent_blocks.0", Origin("latent_conditioner.0")
    for n in range(3):
        yield from attention(f"code_blocks.{n}", f"code_converter.{n}")
    for n in range(1, 5):
        yield from attention(f"latent_blocks.{n}", f"latent_conditioner.{n}")
    for n in range(2):
        yield f"voice.{n}", Origin(f"contextual_embedder.{n}")
    for n in range(2, 7):
        yield from attention(f"voice.{n}", f"contextual_embedder.{n}")
    yield "mel_head", Origin("mel_head")
    yield "join", Origin("integrating_conv")
    layers = decoder_config(tensors)["layers"]
    for n in range(3):
        yield from decoder_layer(f"prepare.{n}", f"conditioning_timestep_integrator.{n}")
    for n in range(layers):
        yield from decoder_layer(f"layers.{n}", f"layers.{n}")
    for n in range(3):
        yield from residual(f"tail.{n}", f"layers.{layers + n}")
    yield "norm", Origin("out.0")
    yield "leave", Origin("out.2")


def decoder_layer(ours: str, theirs: str) -> Pairs:
    yield from residual(f"{ours}.residual", f"{theirs}.resblk")
    yield from attention(f"{ours}.attend", f"{theirs}.attn")


def residual(ours: str, theirs: str) -> Pairs:
    yield f"{ours}.first_norm", Origin(f"{theirs}.in_layers.0")
    yield f"{ours}.first", Origin(f"{theirs}.in_layers.2")
    yield f"{ours}.told", Origin(f"{theirs}.emb_layers.1")
    yield f"{ours}.second_norm", Origin(f"{theirs}.out_layers.0")
    yield f"{ours}.second", Origin(f"{theirs}.out_layers.3")


def decoder_changes(tensors: Tensors) -> Changes:
    """Their steps are cosines, then sines; ours the other way round."""
    yield "free", same("unconditioned_embedding")
    halves = Change(("time_embed.0.weight",), swapped, "halves swapped")
    yield "time.0.weight", halves
    yield "time.0.bias", same("time_embed.0.bias")


def swapped(x: Tensor) -> Tensor:
    return torch.cat(x.chunk(2, dim=1)[::-1], dim=1)


TORTOISE = (
    Layout("tortoise_ar", "mel_pos_embedding.", reader_config, reader_pairs, reader_changes),
    Layout("clvp", "text_transformer.transformer.", clvp_config, clvp_pairs, clvp_changes),
    Layout(
        "tortoise_diffusion",
        "conditioning_timestep_integrator.",
        decoder_config,
        decoder_pairs,
        decoder_changes,
    ),
)
# Files of the published folder, and the places that the system looks at.
FILES = {
    "autoregressive.pth": "autoregression",
    "clvp2.pth": "clvp",
    "diffusion_decoder.pth": "diffusion",
    "vocoder.pth": "vocoder",
}

"""Published TorToise checkpoints: real names and shapes, random weights, independent programs."""

import pickle

import pytest
import torch
from torch.nn import functional as F

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.models.clvp import CLVPConfig
from sori.learn.models.tortoise_ar import TortoiseARConfig, causal
from sori.learn.models.tortoise_diffusion import TortoiseDiffusionConfig
from sori.learn.nn.diffusion import embed_times
from sori.learn.published.convert import convert, import_tortoise
from sori.learn.published.tortoise import FILES, TORTOISE
from tests.unit.learn.test_published import univnet


def both(name, rows, *rest):
    """A layer's weight and bias."""
    return {f"{name}.weight": (rows, *rest), f"{name}.bias": (rows,)}


def attention(name, width, heads=0):
    shapes = both(f"{name}.norm", width)
    shapes |= both(f"{name}.qkv", 3 * width, width, 1) | both(f"{name}.proj_out", width, width, 1)
    if heads:
        shapes[f"{name}.relative_pos_embeddings.relative_attention_bias.weight"] = (32, heads)
    return shapes


def autoregressive(width=128, blocks=2, texts=12, codes=10, places=(24, 44)):
    """As in neonbjb/tortoise-tts, models/autoregressive.py."""
    shapes = both("conditioning_encoder.init", width, 80, 1)
    for n in range(6 if width == 1024 else 2):
        shapes |= attention(f"conditioning_encoder.attn.{n}", width)
    shapes |= {"text_embedding.weight": (texts, width), "mel_embedding.weight": (codes, width)}
    shapes["mel_pos_embedding.emb.weight"] = (places[1], width)
    shapes["text_pos_embedding.emb.weight"] = (places[0], width)
    for n in range(blocks):
        block = f"gpt.h.{n}"
        shapes |= both(f"{block}.ln_1", width) | both(f"{block}.ln_2", width)
        for name, enters, leaves in (
            ("attn.c_attn", width, 3 * width),
            ("attn.c_proj", width, width),
            ("mlp.c_fc", width, 4 * width),
            ("mlp.c_proj", 4 * width, width),
        ):
            shapes[f"{block}.{name}.weight"] = (enters, leaves)
            shapes[f"{block}.{name}.bias"] = (leaves,)
    shapes |= both("gpt.ln_f", width) | both("final_norm", width)
    return shapes | both("text_head", texts, width) | both("mel_head", codes, width)


def clvp(width=128, blocks=2, texts=12, codes=8):
    """As in neonbjb/tortoise-tts, models/clvp.py with use_xformers."""
    shapes = {"temperature": ()}
    for side, count, table in (("text", texts, "text_emb"), ("speech", codes, "speech_emb")):
        shapes[f"{table}.weight"] = (count, width)
        shapes[f"to_{side}_latent.weight"] = (width, width)
        stack = f"{side}_transformer.transformer"
        for n in range(blocks):
            attend, feed = (f"{stack}.attn_layers.layers.{2 * n + k}" for k in (0, 1))
            shapes |= {f"{attend}.0.0.g": (width,), f"{feed}.0.0.g": (width,)}
            for part in "qkv":
                shapes[f"{attend}.1.wrap.to_{part}.weight"] = (width, width)
            shapes |= both(f"{attend}.1.wrap.to_out", width, width)
            shapes |= both(f"{feed}.1.wrap.net.0.proj", 4 * width, width)
            shapes |= both(f"{feed}.1.wrap.net.3", width, 2 * width)
        shapes[f"{stack}.attn_layers.rotary_pos_emb.inv_freq"] = (16,)
        shapes |= both(f"{stack}.norm", width)
    return shapes


def residual(name, width):
    return (
        both(f"{name}.in_layers.0", width)
        | both(f"{name}.in_layers.2", width, width, 1)
        | both(f"{name}.emb_layers.1", 2 * width, width)
        | both(f"{name}.out_layers.0", width)
        | both(f"{name}.out_layers.3", width, width, 3)
    )


def diffusion_decoder(width=128, latents=128, layers=2, codes=9):
    """As in neonbjb/tortoise-tts, models/diffusion_decoder.py."""
    heads = width // 64
    shapes = {"unconditioned_embedding": (1, width, 1)}
    shapes |= both("inp_block", width, 100, 3) | {"code_embedding.weight": (codes, width)}
    for n in (0, 2):
        shapes |= both(f"time_embed.{n}", width, width)
    for n in range(3):
        shapes |= attention(f"code_converter.{n}", width, heads)
    shapes |= both("code_norm", width) | both("latent_conditioner.0", width, latents, 3)
    for n in range(1, 5):
        shapes |= attention(f"latent_conditioner.{n}", width, heads)
    shapes |= both("contextual_embedder.0", width, 100, 3)
    shapes |= both("contextual_embedder.1", 2 * width, width, 3)
    for n in range(2, 7):
        shapes |= attention(f"contextual_embedder.{n}", 2 * width, heads)
    both_parts = [f"conditioning_timestep_integrator.{n}" for n in range(3)]
    for name in [*both_parts, *(f"layers.{n}" for n in range(layers))]:
        shapes |= residual(f"{name}.resblk", width) | attention(f"{name}.attn", width, heads)
    for n in range(layers, layers + 3):
        shapes |= residual(f"layers.{n}", width)
    shapes |= both("integrating_conv", width, 2 * width, 1) | both("mel_head", 100, width, 3)
    return shapes | both("out.0", width) | both("out.2", 200, width, 3)


def filled(shapes):
    return {name: 0.1 * torch.randn(shape) for name, shape in shapes.items()}


@pytest.fixture
def folder(tmp_path):
    """A folder as published, with small networks."""
    torch.manual_seed(0)
    place = tmp_path / "published"
    place.mkdir()
    torch.save(filled(autoregressive()), place / "autoregressive.pth")
    torch.save(filled(clvp()), place / "clvp2.pth")
    torch.save(filled(diffusion_decoder()), place / "diffusion_decoder.pth")
    torch.save(univnet(), place / "vocoder.pth")
    return place


@pytest.mark.parametrize(
    ("shapes", "config"),
    [
        (autoregressive(1024, 30, 256, 8194, (404, 608)), TortoiseARConfig()),
        (clvp(768, 20, 256, 8192), CLVPConfig()),
        (diffusion_decoder(1024, 1024, 10, 8193), TortoiseDiffusionConfig()),
    ],
)
def test_the_published_shapes_are_our_defaults(shapes, config):
    tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    layout = next(one for one in TORTOISE if any(n.startswith(one.mark) for n in tensors))

    found = registry.spec(layout.model).config(**layout.config(tensors) | {"symbols": "_"})

    for name, value in layout.config(tensors).items():
        if name not in ("symbols", "mel"):
            assert getattr(config, name) == value, name
    assert found.mel == config.mel
    card = registry.spec(layout.model)
    with torch.device("meta"):
        model = card.model(card.config(**layout.config(tensors)))
    named = {ours for ours, _ in layout.changes(tensors)}
    named |= {f"{ours}.{kind}" for ours, _ in layout.pairs(tensors) for kind in ("weight", "bias")}
    assert dict(model.named_parameters()).keys() <= named


def test_every_tensor_finds_its_place_and_the_report_names_it(folder, tmp_path):
    made = dict(import_tortoise(folder, tmp_path / "nets"))

    assert [path.parent.name for path in made] == list(FILES.values())
    for path, report in made.items():
        assert not report.missing
        assert all("inv_freq" in name for name in report.unexpected)
        assert registry.load(path)
    lines = list(made[tmp_path / "nets" / "autoregression" / "model.safetensors"].lines())
    assert "  blocks.1.project.weight <- gpt.h.1.attn.c_attn.weight (transposed)" in lines


@torch.no_grad()
def test_the_blocks_say_what_an_independent_gpt_2_says(folder):
    gpt2 = pytest.importorskip("transformers.models.gpt2.modeling_gpt2")
    config = gpt2.GPT2Config(
        n_embd=128, n_head=2, n_layer=2, n_positions=4, vocab_size=2, bos_token_id=0, eos_token_id=1
    )
    theirs = gpt2.GPT2Model(config).eval()
    tensors = torch.load(folder / "autoregressive.pth", weights_only=True)
    weights = {n.removeprefix("gpt."): v for n, v in tensors.items() if n.startswith("gpt.")}
    places = {
        f"{name}.weight": torch.zeros(*size)
        for name, size in (("wte", (2, 128)), ("wpe", (4, 128)))
    }
    theirs.load_state_dict(weights | places, strict=False)
    x = torch.randn(1, 4, 128)

    ours, _, _ = convert(folder / "autoregressive.pth", {})

    states = theirs(inputs_embeds=x).last_hidden_state
    expected = F.layer_norm(
        states, (128,), tensors["final_norm.weight"], tensors["final_norm.bias"]
    )
    torch.testing.assert_close(ours.run(x, causal(4, x)), expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_candidates_are_scored_as_an_independent_clvp_scores_them(folder):
    clvp_of = pytest.importorskip("transformers.models.clvp.modeling_clvp")
    sizes = {
        "hidden_size": 128,
        "intermediate_size": 256,
        "projection_dim": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "use_rotary_embedding": True,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    text, speech = ({**sizes, "vocab_size": count} for count in (12, 8))
    decoder = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 8}
    theirs = clvp_of.ClvpModelForConditionalGeneration(
        clvp_of.ClvpConfig(
            text_config=text,
            speech_config=speech,
            decoder_config={**decoder, "bos_token_id": 0, "eos_token_id": 1},
            projection_dim=128,
        )
    ).eval()
    tensors = torch.load(folder / "clvp2.pth", weights_only=True)
    wanted = theirs.state_dict()
    for name, value in tensors.items():
        if (other := transformers_name(name)) is not None:
            assert other in wanted, other
            wanted[other] = value
    theirs.load_state_dict(wanted)
    ids, codes = torch.randint(12, (1, 9)), torch.randint(8, (3, 14))

    ours, _, _ = convert(folder / "clvp2.pth", {})

    a = theirs.text_encoder_model(input_ids=ids)[0]
    b = theirs.speech_encoder_model(input_ids=codes)[0]
    expected = tensors["temperature"].exp() * F.normalize(b, dim=1) @ F.normalize(a, dim=1)[0]
    scores = ours.score(ids, codes, torch.full((3,), 14))
    torch.testing.assert_close(scores, expected, atol=1e-5, rtol=1e-4)


def transformers_name(name):
    """Name of a tensor of clvp2.pth in transformers' port, whose encoders we compare with."""
    if name == "temperature" or "inv_freq" in name:
        return None
    side = "text" if name.startswith(("text", "to_text")) else "speech"
    model = f"{side}_encoder_model"
    if name.endswith("_emb.weight"):
        return f"{model}.token_embedding.weight"
    if name.startswith("to_"):
        return f"{model}.projection.weight"
    rest = name.removeprefix(f"{side}_transformer.transformer.")
    if rest.startswith("norm."):
        return f"{model}.final_layer_norm.{rest.removeprefix('norm.')}"
    _, _, place, _, *tail = rest.split(".")
    kind, layer = ".".join(tail), f"{model}.layers.{int(place) // 2}"
    if rest.split(".", 3)[3] == "0.0.g":
        norm = "input_rmsnorm" if int(place) % 2 == 0 else "post_attention_rmsnorm"
        return f"{layer}.{norm}.weight"
    kinds = {
        "wrap.to_q.weight": "self_attn.q_proj.weight",
        "wrap.to_k.weight": "self_attn.k_proj.weight",
        "wrap.to_v.weight": "self_attn.v_proj.weight",
        "wrap.to_out.weight": "self_attn.out_proj.weight",
        "wrap.to_out.bias": "self_attn.out_proj.bias",
        "wrap.net.0.proj.weight": "mlp.fc1.proj.weight",
        "wrap.net.0.proj.bias": "mlp.fc1.proj.bias",
        "wrap.net.3.weight": "mlp.fc2.weight",
        "wrap.net.3.bias": "mlp.fc2.bias",
    }
    return f"{layer}.{kinds[kind]}"


@torch.no_grad()
def test_the_decoder_reads_steps_as_its_author_writes_them(folder):
    tensors = torch.load(folder / "diffusion_decoder.pth", weights_only=True)
    times = torch.tensor([3, 1700])
    sines, cosines = embed_times(times, 128).chunk(2, dim=1)

    ours, _, _ = convert(folder / "diffusion_decoder.pth", {})

    first = torch.cat([cosines, sines], dim=1) @ tensors["time_embed.0.weight"].T
    expected = first + tensors["time_embed.0.bias"]
    torch.testing.assert_close(ours.time[0](embed_times(times, 128)), expected)
    assert torch.equal(ours.free, tensors["unconditioned_embedding"])
    assert torch.equal(ours.tail[2].second.weight, tensors["layers.4.out_layers.3.weight"])


def test_a_folder_that_lacks_a_file_and_a_file_that_is_not_whole_are_refused(folder, tmp_path):
    shapes = autoregressive()
    del shapes["gpt.h.1.mlp.c_fc.bias"]
    torch.save(filled(shapes), folder / "autoregressive.pth")
    with pytest.raises(SoriError, match="lacks 1 tensors of tortoise_ar, such as blocks.1.widen"):
        list(import_tortoise(folder, tmp_path / "nets"))
    assert not (tmp_path / "nets" / "autoregression" / "model.safetensors").exists()

    (folder / "clvp2.pth").unlink()
    with pytest.raises(SoriError, match=r"has no clvp2.pth; TorToise needs autoregressive.pth"):
        list(import_tortoise(folder, tmp_path / "nets"))


def test_a_tensor_of_the_wrong_size_and_code_in_a_file_are_refused(folder):
    shapes = diffusion_decoder() | {"layers.1.attn.qkv.weight": (384, 64, 1)}
    torch.save(filled(shapes), folder / "diffusion_decoder.pth")
    with pytest.raises(SoriError, match=r"layers.1.attn.qkv.weight has shape \(384, 64, 1\)"):
        convert(folder / "diffusion_decoder.pth", {})

    class Bad:
        def __reduce__(self):
            return (print, ("run",))

    (folder / "clvp2.pth").write_bytes(pickle.dumps({"temperature": Bad()}))
    with pytest.raises(SoriError, match="Sori runs no code from files|not a file of PyTorch"):
        convert(folder / "clvp2.pth", {})

import math

import pytest
import torch

from sori.learn.models.clvp import CLVP, SPEC, CLVPConfig
from sori.learn.nn.contrast import contrastive, rotate
from tests.sizes import millions


@pytest.fixture
def model():
    torch.manual_seed(0)
    return CLVP(SPEC.tiny).eval()


def lengths(*values):
    return torch.tensor(values)


def test_the_size_is_the_published_one():
    config = CLVPConfig(symbols="".join(map(chr, range(300, 555))))

    assert millions(CLVP, config) == pytest.approx(243.8, rel=0.0005)


@torch.no_grad()
def test_the_loss_is_the_same_from_either_side_and_in_any_order():
    logits, order = torch.randn(5, 5), torch.randperm(5)

    torch.testing.assert_close(contrastive(logits), contrastive(logits.T))
    torch.testing.assert_close(contrastive(logits), contrastive(logits[order][:, order]))


def test_who_cannot_tell_items_apart_loses_the_log_of_their_number():
    assert float(contrastive(torch.full((7, 7), 0.3))) == pytest.approx(math.log(7))
    assert float(contrastive(100 * torch.eye(7))) == pytest.approx(0, abs=1e-6)


@torch.no_grad()
def test_scores_of_candidates_are_the_logits_of_training(model):
    ids, codes = torch.randint(1, 40, (1, 9)), torch.randint(8, (4, 12))

    scores = model.score(ids, codes, lengths(12, 12, 12, 12))

    expected = model(ids.expand(4, -1), lengths(9, 9, 9, 9), codes, lengths(12, 12, 12, 12))
    torch.testing.assert_close(scores, expected.diagonal(), atol=1e-5, rtol=1e-5)
    best = [float(scores[:count].max()) for count in (1, 2, 3, 4)]
    assert best == sorted(best)


@torch.no_grad()
def test_what_stands_behind_the_end_of_a_candidate_changes_no_score(model):
    ids, codes = torch.randint(1, 40, (1, 9)), torch.randint(8, (2, 12))
    codes[1, 7:] = 9  # a stop, which the table does not hold

    both = model.score(ids, codes, lengths(12, 7))
    alone = model.score(ids, codes[1:, :7], lengths(7))

    torch.testing.assert_close(both[1:], alone, atol=1e-5, rtol=1e-5)


def test_rotated_queries_and_keys_know_only_how_far_apart_they_are():
    query, key = torch.randn(8), torch.randn(8)
    turned = [rotate(x.expand(1, 1, 10, 8), 6)[0, 0] for x in (query, key)]
    products = turned[0] @ turned[1].T

    for distance in range(-4, 5):
        same = products.diagonal(distance)
        torch.testing.assert_close(same, same[:1].expand_as(same), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(turned[0][:, 6:], query[6:].expand(10, 2))


def test_a_hidden_share_hides_that_share_and_never_the_first(model):
    torch.manual_seed(0)
    model.text.hidden_share = 0.3
    mask = torch.ones(400, 20, dtype=torch.bool)
    mask[:, 15:] = False

    thinned = model.text.thinned(mask)

    assert thinned[:, 0].all()
    assert not thinned[:, 15:].any()
    assert float(thinned[:, 1:15].float().mean()) == pytest.approx(0.7, abs=0.03)


def their_weights(model):
    """Our weights by the names of transformers' ClvpModel; its decoder is left as it is."""
    theirs = {"logit_scale": model.sharpness}
    for side in ("text", "speech"):
        encoder, path = model.get_submodule(side), f"{side}_encoder_model"
        theirs[f"{path}.token_embedding.weight"] = encoder.table.weight
        theirs[f"{path}.projection.weight"] = encoder.leave.weight
        for kind in ("weight", "bias"):
            theirs[f"{path}.final_layer_norm.{kind}"] = getattr(encoder.norm, kind)
        for number, block in enumerate(encoder.blocks):
            layer = f"{path}.layers.{number}"
            parts = block.project.weight.chunk(3)
            for name, weight in zip("qkv", parts, strict=True):
                theirs[f"{layer}.self_attn.{name}_proj.weight"] = weight
            theirs[f"{layer}.input_rmsnorm.weight"] = block.first_norm.weight
            theirs[f"{layer}.post_attention_rmsnorm.weight"] = block.second_norm.weight
            for kind in ("weight", "bias"):
                theirs[f"{layer}.self_attn.out_proj.{kind}"] = getattr(block.leave, kind)
                theirs[f"{layer}.mlp.fc1.proj.{kind}"] = getattr(block.widen, kind)
                theirs[f"{layer}.mlp.fc2.{kind}"] = getattr(block.narrow, kind)
    return theirs


@torch.no_grad()
def test_an_independent_implementation_gives_the_same_logits_with_the_same_weights():
    clvp = pytest.importorskip("transformers.models.clvp.modeling_clvp")
    torch.manual_seed(0)
    config = CLVPConfig(width=128, heads=2, blocks=2, codes=20)
    ours = CLVP(config).eval()
    for weight in ours.parameters():
        if weight.ndim == 1:
            weight.normal_(1.0, 0.2)
    sizes = {
        "hidden_size": 128,
        "intermediate_size": 256,
        "projection_dim": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    encoders = {}
    for side in ("text", "speech"):
        their_config = clvp.ClvpEncoderConfig(
            vocab_size=ours.get_submodule(side).table.num_embeddings, **sizes
        )
        encoders[side] = clvp.ClvpEncoder(their_config).eval()
        prefix = f"{side}_encoder_model."
        weights = {
            name.removeprefix(prefix): weight
            for name, weight in their_weights(ours).items()
            if name.startswith(prefix)
        }
        missing = encoders[side].load_state_dict(weights, strict=False)
        assert not missing.unexpected_keys
        assert [n for n in missing.missing_keys if "rotary" not in n] == []
    ids, codes = torch.randint(1, 40, (3, 9)), torch.randint(20, (3, 12))

    found = ours(ids, lengths(9, 9, 9), codes, lengths(12, 12, 12))

    text, speech = (
        torch.nn.functional.normalize(encoders[side](input_ids=tokens).embeds, dim=1)
        for side, tokens in (("text", ids), ("speech", codes))
    )
    expected = ours.sharpness.exp() * text @ speech.T
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)

from dataclasses import replace

import pytest
import torch

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.models.tortoise_ar import (
    SPEC,
    TortoiseAR,
    TortoiseARConfig,
    TortoiseARTask,
    astray,
    causal,
    next_nll,
    reference,
)
from sori.learn.nn.drawing import Sampling, draw, nucleus, penalised, uniforms
from tests.batches import example_batch
from tests.sizes import count

FREE = Sampling(temperature=1.0, top_p=1.0, repetition=1.0, limit=30)


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = TortoiseAR(SPEC.tiny).eval()
    for weight in model.parameters():  # far from the uniform distribution that it starts with
        torch.nn.init.normal_(weight, std=0.3)
    return model


@pytest.fixture
def ids():
    return torch.tensor([[0, 5, 9, 3, 7, 0]])


@pytest.fixture
def voice(model):
    return model.hear([torch.randn(1, 40, 20) - 4])


def states(model, ids, voice, codes):
    return model(ids, torch.tensor([ids.shape[1]]), voice, codes)[1]


def test_the_size_is_the_published_one():
    config = TortoiseARConfig(symbols="".join(map(chr, range(300, 555))))
    with torch.device("meta"):
        model = TortoiseAR(config)

    assert count(model) == pytest.approx(421.5, rel=0.0005)
    assert count(model.voice) == pytest.approx(25.3, rel=0.002)
    assert count(model.blocks) == pytest.approx(377.9, rel=0.0005)


@torch.no_grad()
def test_the_blocks_are_those_of_an_independent_gpt_2():
    gpt2 = pytest.importorskip("transformers.models.gpt2.modeling_gpt2")
    torch.manual_seed(0)
    ours = TortoiseAR(SPEC.tiny).eval()
    config = gpt2.GPT2Config(n_embd=16, n_head=2, n_layer=2, n_positions=32, vocab_size=2)
    theirs = gpt2.GPT2Model(config).eval()
    theirs.wpe.weight.zero_()
    layers = {
        "first_norm": "ln_1",
        "project": "attn.c_attn",
        "leave": "attn.c_proj",
        "second_norm": "ln_2",
        "widen": "mlp.c_fc",
        "narrow": "mlp.c_proj",
    }
    for mine, other in zip(ours.blocks, theirs.h, strict=True):
        for name, path in layers.items():
            for kind in ("weight", "bias"):
                weight = getattr(mine.get_submodule(name), kind).normal_(std=0.3)
                # Their products are written the other way round.
                flat = weight.T if weight.ndim == 2 else weight
                getattr(other.get_submodule(path), kind).copy_(flat)
    ours.stack_norm.weight.normal_()
    theirs.ln_f.weight.copy_(ours.stack_norm.weight)
    ours.final_norm = torch.nn.Identity()
    x = torch.randn(3, 9, 16)

    found = ours.run(x, causal(9, x))

    expected = theirs(inputs_embeds=x).last_hidden_state
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_what_is_heard_of_a_code_does_not_depend_on_codes_behind_it(model, ids, voice):
    codes = torch.randint(8, (1, 10))
    changed = codes.clone()
    changed[:, 6:] = (codes[:, 6:] + 1) % 8

    first, second = (states(model, ids, voice, c) for c in (codes, changed))

    torch.testing.assert_close(first[:, :7], second[:, :7])
    assert not torch.allclose(first[:, 7:], second[:, 7:])


@torch.no_grad()
@pytest.mark.parametrize("place", range(6))
def test_every_code_hears_all_of_the_text(model, ids, voice, place):
    codes, other = torch.randint(8, (1, 4)), ids.clone()
    other[0, place] = 11

    assert not torch.allclose(states(model, ids, voice, codes), states(model, other, voice, codes))


@torch.no_grad()
def test_padding_of_text_and_codes_changes_nothing(model, ids, voice):
    codes = torch.randint(8, (1, 5))
    padded = torch.cat([ids, torch.full((1, 4), 13)], dim=1)

    alone = states(model, ids, voice, codes)
    both = model(
        torch.cat([padded, padded]),
        torch.tensor([6, 10]),
        voice.expand(2, -1),
        torch.cat([codes, codes]),
    )[1]

    torch.testing.assert_close(both[:1], alone, atol=1e-5, rtol=1e-4)


def test_a_voice_is_the_mean_of_its_recordings_in_any_order(model):
    first, second = torch.randn(1, 40, 9) - 4, torch.randn(1, 40, 14) - 4

    torch.testing.assert_close(model.hear([first, first]), model.hear([first]))
    torch.testing.assert_close(model.hear([first, second]), model.hear([second, first]))
    with pytest.raises(SoriError, match="at least one recording"):
        model.hear([])


@torch.no_grad()
def test_states_kept_from_sampling_are_those_of_a_full_pass(model, ids, voice):
    drawn = model.sample(ids, voice, count=4, seed=3, manner=FREE)

    for codes, length, latents in zip(drawn.codes, drawn.lengths, drawn.latents, strict=True):
        own = codes[None, :length]
        again = model.latents(ids, voice, own)
        torch.testing.assert_close(latents[None, :length], again, atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_candidates_are_those_of_sampling_without_cache_or_batch(model, ids, voice):
    drawn = model.sample(ids, voice, count=6, seed=3, manner=FREE)
    assert len(drawn.lengths.unique()) > 2  # they stop at different places

    for number, noise in enumerate(uniforms(3, 6, FREE.limit)):
        codes = torch.zeros(1, 0, dtype=torch.long)
        while codes.shape[1] < FREE.limit:
            logits = model.code_head(states(model, ids, voice, codes)[:, -1])
            logits[:, SPEC.tiny.start] = float("-inf")
            heard = torch.zeros_like(logits, dtype=torch.bool)
            code = draw(logits, heard, noise[None, codes.shape[1]], FREE)
            if code == SPEC.tiny.stop:
                break
            codes = torch.cat([codes, code[None]], dim=1)
        assert drawn.codes[number, : drawn.lengths[number]].tolist() == codes[0].tolist()
        assert drawn.finished[number] == (codes.shape[1] < FREE.limit)
        assert (drawn.codes[number, drawn.lengths[number] :] == SPEC.tiny.stop).all()


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_the_batch_changes_no_candidate_and_more_candidates_no_earlier_one(
    model, ids, voice, batch
):
    manner = Sampling(limit=30)
    together = model.sample(ids, voice, count=5, seed=7, manner=manner)
    other = model.sample(ids, voice, count=7, seed=7, manner=replace(manner, batch=batch))

    assert torch.equal(other.lengths[:5], together.lengths)
    longest = together.codes.shape[1]
    assert torch.equal(other.codes[:5, :longest], together.codes)
    another = model.sample(ids, voice, count=5, seed=8, manner=manner)
    assert another.codes.tolist() != together.codes.tolist()


def test_text_and_codes_beyond_the_tables_are_refused(model, voice):
    with pytest.raises(SoriError, match="text of 25 symbols, and the model takes 24"):
        model.prefix(torch.zeros(1, 25, dtype=torch.long), voice)
    with pytest.raises(SoriError, match="41 codes, and the model takes 40"):
        model.embed_codes(torch.zeros(1, 41, dtype=torch.long))


def test_the_nucleus_is_the_smallest_set_that_is_likely_enough():
    chances = torch.tensor([[0.1, 0.4, 0.2, 0.3]])

    assert nucleus(chances, 0.65).tolist() == [[False, True, False, True]]
    assert nucleus(chances, 0.75).tolist() == [[False, True, True, True]]
    assert nucleus(chances, 0.01).tolist() == [[False, True, False, False]]
    assert nucleus(chances, 1.0).all()


def test_codes_heard_before_become_less_likely_whatever_the_sign_of_their_logits():
    logits = torch.tensor([[3.0, -3.0, 3.0, -3.0]])
    heard = torch.tensor([[True, True, False, False]])

    assert penalised(logits, heard, 2.0).tolist() == [[1.5, -6.0, 3.0, -3.0]]


def test_draws_have_the_probabilities_of_the_logits():
    chances = torch.tensor([[0.5, 0.0, 0.2, 0.3]])
    noise = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    logits = chances.log().expand(1000, -1)

    codes = draw(logits, torch.zeros(1000, 4, dtype=torch.bool), noise, FREE)

    assert codes.bincount(minlength=4).tolist() == [500, 0, 200, 300]


def test_the_loss_counts_items_and_their_stop_and_nothing_behind():
    logits = torch.randn(1, 5, 6)
    items = torch.tensor([[2, 3, 9, 9]]).clamp(max=5)

    loss = next_nll(logits, items, torch.tensor([2]), 4)

    expected = -logits.log_softmax(dim=2)[0, [0, 1, 2], [2, 3, 4]].mean()
    torch.testing.assert_close(loss, expected)


def test_references_lie_inside_their_recordings():
    mel = torch.arange(12.0).expand(2, 3, 12)

    cut = reference(mel, torch.tensor([12, 8]), 100)

    assert cut.shape == (2, 3, 4)
    assert cut[1].max() < 8
    torch.testing.assert_close(cut.diff(dim=2), torch.ones(2, 3, 3))


def test_a_tokeniser_with_other_codes_is_refused():
    card = registry.spec("mel_codes")
    tokeniser = card.model(replace(card.tiny, codes=16))

    with pytest.raises(ValueError, match="16 codes, the model 8"):
        TortoiseARTask(SPEC.tiny, tokeniser)


def test_the_guide_asks_for_attention_on_the_symbol_spoken_at_every_code():
    durations, lengths = torch.tensor([[4, 8, 0, 4]]), torch.tensor([4])
    spoken = torch.tensor([0, 1, 1, 3, 3])

    right = torch.nn.functional.one_hot(spoken, 4).float().log().clamp(min=-9)[None]
    even = torch.full_like(right, 0.25).log()

    assert astray(right, durations, lengths) == 0
    torch.testing.assert_close(astray(even, durations, lengths), torch.tensor(4.0).log())
    assert astray(even, torch.zeros_like(durations), lengths) == 0
    padded = torch.cat([right, torch.full((1, 5, 2), float("-inf"))], dim=2)
    short = torch.tensor([[4, 8, 0, 1, 0, 0]])
    assert astray(padded, short, lengths) == 0
    behind = torch.cat([right, torch.full((1, 2, 4), float("-inf"))], dim=1)
    assert astray(behind[:, :6], durations, lengths) == 0


def test_the_focus_is_the_attention_of_the_first_head(model):
    block, x = model.blocks[1], torch.randn(2, 7, SPEC.tiny.width)
    bias = causal(7, x)[None, None]
    query, key, value = block.project(block.first_norm(x)).chunk(3, dim=2)

    focus = block.focus(x, bias).exp()

    assert (focus.triu(1) == 0).all()
    first = slice(0, SPEC.tiny.width // 2)
    heads = torch.nn.functional.scaled_dot_product_attention(
        query[..., first], key[..., first], value[..., first], is_causal=True
    )
    torch.testing.assert_close(focus @ value[..., first], heads)


def test_a_guided_step_pulls_and_says_by_how_much():
    tokeniser = registry.spec("mel_codes")
    task = TortoiseARTask(
        replace(SPEC.tiny, guide_weight=2.0), tokeniser.model(tokeniser.tiny).eval()
    )
    torch.manual_seed(0)
    (guided,) = task.training_step(example_batch(SPEC))
    task.config = replace(SPEC.tiny, guide_weight=0.0)
    torch.manual_seed(0)
    (plain,) = task.training_step(example_batch(SPEC))

    assert guided.terms["focus"] > 0
    torch.testing.assert_close(guided.loss, plain.loss + 2 * guided.terms["focus"])

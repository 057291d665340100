import torch

from sori.learn import registry
from sori.learn.models.mixed_phoneme import MixedPhonemeBatch, MixedPhonemeTask, pieces_of
from sori.text.frontend import FrontEnd

SPEC = registry.spec("mixed_phoneme")
TEXTS = ("The cat sat on the mat, and looked.", "It was the best of times.")


def batch():
    ids = [
        torch.tensor([0, *(SPEC.tiny.symbols.index(c) for c in s.phonemes), 0])
        for text in TEXTS
        for s in FrontEnd("us").sentences(text)
    ]
    rows = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
    return MixedPhonemeBatch(rows, torch.tensor([len(row) for row in ids]))


def spoiled(task, seed):
    torch.manual_seed(seed)
    one = batch()
    mask = torch.arange(one.ids.shape[1])[None] < one.ids_len[:, None]
    sup_ids = task.model.reader.cut(one.ids)
    return one.ids, sup_ids, mask, task.spoil(one.ids, sup_ids, mask)


def test_the_stream_of_sup_phonemes_is_as_long_as_that_of_phonemes():
    task = MixedPhonemeTask(SPEC.tiny)
    one = batch()

    sup_ids = task.model.reader.cut(one.ids)

    assert sup_ids.shape == one.ids.shape
    assert (sup_ids >= len(SPEC.tiny.symbols)).any()


def test_a_sup_phoneme_is_hidden_with_exactly_its_phonemes():
    task = MixedPhonemeTask(SPEC.tiny)
    for seed in range(20):
        ids, sup_ids, mask, seen = spoiled(task, seed)
        pieces = pieces_of(sup_ids, task.lengths)
        for row in range(len(ids)):
            for piece in pieces[row].unique():
                inside = (pieces[row] == piece) & mask[row] & (ids[row] > 0)
                assert seen.asked[row][inside].all() or not seen.asked[row][inside].any()
        assert not seen.asked[~mask].any()
        assert torch.equal(seen.ids[~seen.asked], ids[~seen.asked])
        assert torch.equal(seen.sup_ids[~seen.asked], sup_ids[~seen.asked])


def test_of_what_is_asked_most_is_hidden_some_swapped_and_some_left():
    task = MixedPhonemeTask(SPEC.tiny)
    hidden, left, asked = 0, 0, 0
    for seed in range(60):
        ids, _, _, seen = spoiled(task, seed)
        asked += int(seen.asked.sum())
        hidden += int((seen.ids == 0)[seen.asked].sum())
        left += int((seen.ids == ids)[seen.asked].sum())

    assert 0.74 < hidden / asked < 0.86
    assert 0.05 < left / asked < 0.2  # a swap may bring back the same


def test_it_learns_to_tell_what_is_hidden():
    torch.manual_seed(0)
    task = MixedPhonemeTask(SPEC.tiny)
    optimizer = torch.optim.Adam(task.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        (update,) = task.training_step(batch())
        optimizer.zero_grad()
        update.loss.backward()
        optimizer.step()
        losses.append(float(update.loss.detach()))

    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])


def test_where_nothing_is_asked_the_loss_is_zero():
    task = MixedPhonemeTask(SPEC.tiny)
    silence = MixedPhonemeBatch(torch.zeros(1, 3, dtype=torch.long), torch.tensor([3]))

    (update,) = task.training_step(silence)

    assert float(update.loss.detach()) == 0.0

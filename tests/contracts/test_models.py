"""Every model of the registry keeps these promises; a new one gets all of them from its card."""

from dataclasses import asdict, is_dataclass

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from sori.core.errors import SoriError
from sori.learn import registry
from sori.learn.checkpoint import load_model, save_model
from sori.learn.contracts import Task
from sori.learn.training.loop import train_step
from tests.batches import example_batch


@pytest.fixture(params=registry.names())
def spec(request):
    torch.manual_seed(0)
    return registry.spec(request.param)


def tiny_task(spec):
    """The task of the tiny config; frozen models are those of their own cards' tiny configs."""
    cards = {argument: registry.spec(name) for argument, name in spec.frozen.items()}
    frozen = {argument: card.model(card.tiny) for argument, card in cards.items()}
    for model in frozen.values():
        model.eval().requires_grad_(False)
    return spec.task(spec.tiny, **frozen)


def optimizers_of(task):
    return {name: torch.optim.SGD(p.parameters(), lr=1e-3) for name, p in task.players.items()}


def test_the_card_names_a_task_that_fits_its_contract(spec):
    assert isinstance(tiny_task(spec), Task)


def test_one_step_reaches_every_weight(spec):
    task = tiny_task(spec)
    for name, weight in task.named_parameters():
        # A layer that starts at zero hides those before it from the first gradient.
        if not weight.any() and weight.requires_grad and name.endswith("weight"):
            torch.nn.init.normal_(weight, std=0.1)
    reached = set()
    for update in task.training_step(example_batch(spec)):
        task.players[update.player].zero_grad()
        update.loss.backward()
        reached |= {
            name
            for name, weight in task.players[update.player].named_parameters(update.player)
            # A bias of a critic moves both sides of a hinge alike, and its gradients cancel.
            if weight.grad is not None and (weight.grad.any() or name.endswith("bias"))
        }
    wanted = {name for player, p in task.players.items() for name, _ in p.named_parameters(player)}
    # A softmax over one speaker or one accent leaves the other rows of a table alone, never all.
    assert wanted - reached <= {n for n in wanted if "slopes" in n}, wanted - reached


def test_losses_are_finite_and_players_move(spec):
    task = tiny_task(spec)
    before = {k: v.clone() for k, v in task.state_dict().items()}

    log = train_step(task, example_batch(spec), optimizers_of(task), max_norm=1.0)

    assert all(torch.isfinite(value) for value in log.values())
    assert any(not torch.equal(before[k], v) for k, v in task.state_dict().items())


def test_losses_and_gradients_are_finite_in_mixed_precision(spec):
    task = tiny_task(spec)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        for player, loss, _ in task.training_step(example_batch(spec)):
            loss.backward()
            weights = [w for w in task.players[player].parameters() if w.grad is not None]

            assert torch.isfinite(loss)
            assert all(weight.grad.isfinite().all() for weight in weights)


def test_the_same_seed_gives_the_same_step(spec):
    logs = []
    for _ in range(2):
        torch.manual_seed(7)
        task = tiny_task(spec)
        logs.append(train_step(task, example_batch(spec), optimizers_of(task), max_norm=1.0))

    assert logs[0].keys() == logs[1].keys()
    assert all(torch.equal(logs[0][key], logs[1][key]) for key in logs[0])


def test_a_few_steps_on_one_batch_lower_its_loss(spec):
    task = tiny_task(spec)
    player = next(name for name in ("generator", "model") if name in task.players)
    # Critics stand still: what they ask for must not move while it is approached.
    optimizers = {
        name: torch.optim.Adam(p.parameters(), lr=3e-3 if name == player else 0.0)
        for name, p in task.players.items()
    }
    batch = example_batch(spec)
    terms = ("magnitude", "mel", "path", "ctc", "match", "nll", "kl", "noise_error")

    def watched(log):
        return sum(float(v) for k, v in log.items() if k.split("/")[-1] in terms and player in k)

    torch.manual_seed(0)
    first = watched(train_step(task, batch, optimizers, max_norm=10.0))
    for _ in range(25):
        last = watched(train_step(task, batch, optimizers, max_norm=10.0))

    assert last < first


def test_vocoders_turn_frames_into_samples_and_repeat_themselves_for_a_seed(spec):
    if not hasattr(spec.model, "vocode"):
        pytest.skip("not a vocoder")
    model = spec.model(spec.tiny).eval()
    batch = example_batch(spec)
    heard = [getattr(batch, name)[..., :5] for name in ("mel", "f0") if hasattr(batch, name)]

    waves = []
    for _ in range(2):
        torch.manual_seed(1)
        with torch.no_grad():
            waves.append(model.vocode(*heard))

    assert waves[0].shape == (2, 5 * spec.tiny.mel.hop_samples)
    assert torch.equal(*waves)


def test_config_and_weights_survive_a_round_trip(spec, tmp_path):
    model = spec.model(spec.tiny)
    path = tmp_path / "model.safetensors"

    save_model(path, "name", spec.tiny, model, {"step": 3})
    saved = load_model(path)
    config = TypeAdapter(spec.config).validate_python(saved.config)
    twin = spec.model(config)
    twin.load_state_dict(saved.weights)

    assert config == spec.tiny
    assert saved.notes == {"step": 3}
    for name, value in model.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name])


def test_an_unknown_config_key_is_an_error_that_names_it(spec):
    with pytest.raises(ValidationError, match="no_such_key"):
        TypeAdapter(spec.config).validate_python({"no_such_key": 1})


def test_configs_are_plain_values(spec):
    assert is_dataclass(spec.tiny)
    assert TypeAdapter(spec.config).validate_python(asdict(spec.tiny)) == spec.tiny


def test_an_unknown_model_is_an_error_that_lists_the_known():
    with pytest.raises(SoriError, match="source_filter"):
        registry.spec("nothing")

import pytest
import torch

from sori.core.errors import SoriError
from sori.learn import checkpoint
from sori.learn.checkpoint import load_model, load_state, read_tensors, save_model, save_state


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(path, "source_filter", {"width": 3}, torch.nn.Linear(2, 3), {"symbols": "aˈ"})
    return path


def test_a_model_comes_back_with_name_config_and_notes(saved):
    model = load_model(saved)

    assert (model.name, model.config, model.notes) == (
        "source_filter",
        {"width": 3},
        {"symbols": "aˈ"},
    )


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(SoriError, match="no checkpoint at .*nowhere"):
        load_model(tmp_path / "nowhere")


def test_a_truncated_checkpoint_is_refused(saved):
    saved.write_bytes(saved.read_bytes()[:-5])

    with pytest.raises(SoriError, match="not a whole safetensors file"):
        load_model(saved)


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    save_state(path, torch.nn.Linear(1, 1), {}, {}, {"step": 0})

    with pytest.raises(SoriError, match="not a model that sori saved"):
        load_model(path)


def test_a_write_that_fails_leaves_the_old_checkpoint(saved, monkeypatch):
    before = saved.read_bytes()

    def no_space(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", no_space)
    with pytest.raises(SoriError, match="No space left"):
        save_model(saved, "source_filter", {}, torch.nn.Linear(2, 3))

    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_the_state_brings_back_weights_moments_averages_and_notes(tmp_path):
    path = tmp_path / "state.safetensors"
    torch.manual_seed(0)
    task = torch.nn.Linear(4, 2)
    optimizers = {"model": torch.optim.AdamW(task.parameters())}
    task(torch.randn(3, 4)).sum().backward()
    optimizers["model"].step()
    average = {"weight": torch.ones(2, 4)}
    save_state(path, task, optimizers, average, {"step": 17, "lowest": float("inf")})

    twin = torch.nn.Linear(4, 2)
    others = {"model": torch.optim.AdamW(twin.parameters())}
    kept = {}
    notes = load_state(path, twin, others, kept)

    assert notes == {"step": 17, "lowest": float("inf")}
    assert torch.equal(twin.weight, task.weight)
    assert torch.equal(kept["weight"], average["weight"])
    mine, theirs = optimizers["model"].state_dict(), others["model"].state_dict()
    for index, slots in mine["state"].items():
        assert all(torch.equal(v, theirs["state"][index][k]) for k, v in slots.items())


def test_the_state_of_another_network_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    save_state(path, torch.nn.Linear(4, 2), {}, {}, {"step": 1})

    with pytest.raises(SoriError, match="does not fit the network of the recipe.*size mismatch"):
        load_state(path, torch.nn.Linear(4, 3), {}, {})


def test_a_model_is_no_state(saved):
    with pytest.raises(SoriError, match="is not the state of a training"):
        load_state(saved, torch.nn.Linear(2, 3), {}, {})


def test_pickled_code_is_never_run(tmp_path):
    path = tmp_path / "evil.safetensors"
    torch.save({"x": torch.ones(1)}, path)

    with pytest.raises(SoriError, match="not a whole safetensors file"):
        read_tensors(path)

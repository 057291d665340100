"""Train the network that reads unknown words, and put it into the package.

    python recipes/train_g2p.py RUN_FOLDER

Takes about 20 minutes on one idle core; a run that was stopped goes on where it was.
"""

import sys
from pathlib import Path

import torch
from accelerate import Accelerator

from sori.learn import registry
from sori.learn.data.lexicon import LexiconSource, read_words
from sori.learn.export.reader import export_reader
from sori.learn.training.recipe import make_config, read_recipe
from sori.learn.training.run import Run
from sori.text.network import MODEL

RECIPE = Path(__file__).with_name("g2p-english.toml")
SAVE_EVERY = 500
REPORT_EVERY = 100


def main(out: Path) -> None:
    """Train from the packed lexicons, save, export."""
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    recipe = read_recipe(RECIPE)
    config = make_config(recipe)
    batch = registry.spec(recipe.model).batch
    source = LexiconSource(read_words(config.accents), batch, config, recipe.data.batch)
    run = Run(recipe, source, Accelerator(mixed_precision=recipe.training.precision))
    run.resume(out)
    while run.step < recipe.training.steps:
        log, rate = run.move()
        if run.step % REPORT_EVERY == 0:
            print(
                f"{run.step} of {recipe.training.steps}: {float(log['model/ctc']):.4f}, {rate:.2g}"
            )
        if run.step % SAVE_EVERY == 0:
            run.save(out)
    run.save(out)
    export_reader(out / "model.safetensors", MODEL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

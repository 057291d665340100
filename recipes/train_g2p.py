"""Train the network that reads unknown words, and put it into the package.

    python recipes/train_g2p.py RUN_FOLDER

Takes about 20 minutes on one idle core; a run that was stopped goes on where it was.
"""

import sys
from pathlib import Path

import torch

from sori.learn.export.reader import export_reader
from sori.learn.training.run import Places, train
from sori.text.network import MODEL

RECIPE = Path(__file__).with_name("g2p-english.toml")


def main(out: Path) -> None:
    """Train from the packed lexicons, which need no corpus; export."""
    torch.set_num_threads(1)
    places = Places(corpora=out, cache=out, out=out)
    export_reader(train(RECIPE, places, listen=print), MODEL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

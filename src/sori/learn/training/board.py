"""What TensorBoard shows of a run: numbers, mels, alignments, sound."""

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from sori.learn.contracts import Exhibit
from sori.learn.training import exhibits
from sori.learn.training.plots import draw_exhibit
from sori.learn.training.progress import Row


class Board:
    """Writes the events of a run into a folder that `tensorboard --logdir` reads."""

    def __init__(self, folder: Path):
        self.writer = SummaryWriter(str(folder))

    def row(self, row: Row) -> None:
        """Add the numbers of a line of the log."""
        for name, value in row.items():
            if name != "step" and isinstance(value, int | float):
                self.writer.add_scalar(name, value, row["step"])

    def exhibit(self, step: int, exhibit: Exhibit, sample_rate: int) -> None:
        """Add pictures and sound."""
        kept = exhibits.Kept(exhibits.arrays(exhibit), step, sample_rate)
        for kind, figure in draw_exhibit(kept).items():
            if kind != "waves":
                self.writer.add_figure(kind, figure, step, close=False)
        for title, wave in exhibit.waves.items():
            sound = wave.float().cpu().clamp(-1, 1)[None]
            self.writer.add_audio(title, sound, step, sample_rate)

    def close(self) -> None:
        """Write what is still to be written."""
        self.writer.close()

"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Voice = Annotated[
    str | None, typer.Option(help="A name printed by `sori voices`, or a path to an .onnx file.")
]
Speaker = Annotated[
    str | None, typer.Option(help="A speaker of the voice, or a mix such as 'a(2)+b(1)'.")
]
Speed = Annotated[float, typer.Option(help="0.25 to 4.")]
Pitch = Annotated[float, typer.Option(help="0.5 to 2.")]
Energy = Annotated[float, typer.Option(help="0.5 to 2.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same samples.")]
Lexicon = Annotated[
    Path | None, typer.Option(help="File of your own pronunciations: a word, a tab, phonemes.")
]

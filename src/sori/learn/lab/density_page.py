"""The page of `sori lab density`: numbers and pictures side by side."""

import base64
import html
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from sori.learn.data.pictures import Grey
from sori.learn.evaluation.images import colour, encode_png
from sori.learn.evaluation.report import page, table
from sori.learn.lab.density import (
    Collection,
    Draws,
    Result,
    code_without_a_model,
    seconds_text,
)

COLUMNS = 8
STYLE = """
figure.small { display: inline-block; margin: .5rem 1.2rem .5rem 0; vertical-align: top }
figure.small img { width: auto; height: 7rem } figure.tall img { width: auto; height: 22rem }
"""
INTRODUCTION = (
    "Every model learned from the same pictures in equally many steps and was judged by pictures "
    "that it had not seen. Bits per dimension are what a code made of the model needs for a pixel: "
    "exactly for autoregressive models, at most so many for the others."
)


def mosaic(pixels: Grey, levels: int) -> Float[np.ndarray, "H_all W_all"]:
    """Pictures in rows with a dark line between them, as shares of the brightest level."""
    framed = np.pad(pixels[:, 0], ((0, 0), (0, 1), (0, 1)))
    rows = [
        np.concatenate(framed[start : start + COLUMNS], axis=1)
        for start in range(0, len(framed) // COLUMNS * COLUMNS, COLUMNS)
    ]
    return np.concatenate(rows) / (levels - 1)


def picture(caption: str, shares: Float[np.ndarray, "H W"], kind: str) -> str:
    """A figure of values from 0 to 1."""
    address = base64.b64encode(encode_png(colour(shares))).decode("ascii")
    return (
        f'<figure class="{kind}"><figcaption>{html.escape(caption)}</figcaption>'
        f'<img alt="{html.escape(caption)}" src="data:image/png;base64,{address}"></figure>'
    )


def upright(pixels: UInt8[np.ndarray, "*N H W"], pictures: Collection) -> np.ndarray:
    """Spectrograms with low bands at the bottom; digits as they are."""
    return pixels[..., ::-1, :] if pictures.ends is not None else pixels


def rows(pictures: Collection, results: Sequence[Result]) -> list[list[str]]:
    """A row for every model, the best predictor first, and two for codes without a model."""
    ordered = sorted(results, key=lambda result: result.bits)
    found = [
        [
            result.entrant.model,
            result.entrant.family,
            f"{'' if result.entrant.is_exact else '≤ '}{result.bits:.3f}",
            f"{result.parameters / 1000:.0f} k",
            seconds_text(result.training_seconds),
            "; ".join(f"{d.manner}: {seconds_text(d.seconds_each)}" for d in result.draws),
        ]
        for result in ordered
    ]
    uniform, by_frequency = code_without_a_model(pictures)
    return [
        *found,
        ["how often each level occurs", "none", f"{by_frequency:.3f}", "", "", ""],
        [f"{pictures.levels} levels", "none", f"{uniform:.3f}", "", "", ""],
    ]


def section(pictures: Collection, results: Sequence[Result]) -> str:
    """The numbers and the pictures of one collection."""
    height, width = pictures.training.shape[2:]
    header = ("model", "family", "bits per dimension", "parameters", "training", "time of a sample")
    true = Draws("", 0.0, pictures.held_out[: 2 * COLUMNS])
    parts = [
        f"<section><h2>{html.escape(pictures.name)}</h2>",
        f"<p>{len(pictures.training)} pictures of {height} × {width} pixels in {pictures.levels} "
        f"levels; {len(pictures.held_out)} to judge by.</p>",
        table(header, rows(pictures, results)),
        "<h3>Samples</h3>",
        shown("true pictures", true, pictures),
    ]
    for result in results:
        parts += [shown(f"{result.entrant.model}: {d.manner}", d, pictures) for d in result.draws]
    between = [result for result in results if result.between is not None]
    if between:
        parts.append("<h3>From one utterance to another, by way of the noise</h3>")
    for result in between:
        assert result.between is not None
        steps = result.between.reshape(-1, height, result.between.shape[1])
        shares = np.concatenate(np.pad(upright(steps, pictures), ((0, 0), (0, 1), (0, 0))))
        parts.append(picture(result.entrant.model, shares / (pictures.levels - 1), "small tall"))
    return "".join([*parts, "</section>"])


def shown(caption: str, drawn: Draws, pictures: Collection) -> str:
    """Samples as a mosaic."""
    return picture(caption, mosaic(upright(drawn.pixels, pictures), pictures.levels), "small")


def density_page(found: Sequence[tuple[Collection, Sequence[Result]]]) -> str:
    """The whole page."""
    parts = ["<h1>Four families of densities</h1>", f"<p>{html.escape(INTRODUCTION)}</p>"]
    parts += [section(pictures, results) for pictures, results in found]
    return page("Four families of densities", parts, STYLE)

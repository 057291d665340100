import json

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from sori.core.errors import SoriError
from sori.learn.contracts import Exhibit
from sori.learn.training import exhibits
from sori.learn.training.plots import curve, draw_curves, draw_exhibit, plot, read_log, smooth

ROWS = [
    {"step": 100, "model/mel": 2.0, "model/norm": 1.0, "model/skipped": 0.0, "rate": 1e-3},
    {"step": 150, "skipped": ["model/mel"], "utterances": ["clip"]},
    {"step": 200, "model/mel": 1.0, "model/norm": None, "model/skipped": 0.0, "rate": 2e-3},
    {"step": 200, "validation/loss": 1.5, "validation/model/mel": 1.2},
]


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "voice"
    folder.mkdir()
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    ramp = torch.linspace(-5, 0, 80 * 60).reshape(80, 60)
    diagonal = torch.eye(12).repeat_interleave(5, dim=1)
    exhibit = Exhibit({"made": ramp}, {"aligner": diagonal}, {"made": torch.zeros(18000)})
    exhibits.keep(folder / "exhibit.npz", exhibit, 200, 24000)
    return folder


def test_pictures_show_curves_mels_alignments_and_waves(run, tmp_path):
    paths = plot([run], tmp_path / "plots")

    assert [path.name for path in paths] == [
        "curves.png",
        "mels.png",
        "alignments.png",
        "waves.png",
    ]
    for path in paths:
        assert imread(path).std() > 0.01  # not one colour


def test_curves_hold_the_logged_numbers_and_the_held_out_ones():
    figure = draw_curves({"voice": ROWS})

    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["model/mel", "model/norm", "rate"]  # and no panel without a curve
    logged, smoothed, judged = figure.axes[0].lines
    assert logged.get_xydata().tolist() == [[100, 2], [200, 1]]
    assert smoothed.get_ydata().tolist() == [2, 1]  # too few to be smoothed
    assert judged.get_xydata().tolist() == [[200, 1.2]]


def test_an_alignment_is_drawn_with_its_first_token_at_the_bottom(run):
    figure = draw_exhibit(exhibits.read(run / "exhibit.npz"))["alignments"]

    image = figure.axes[0].images[0]
    assert image.origin == "lower"
    assert image.get_array().shape == (12, 60)
    assert figure.axes[0].get_ylabel() == "token"


def test_several_runs_share_the_curves(run, tmp_path):
    other = run.with_name("other")
    other.mkdir()
    (other / "log.jsonl").write_text((run / "log.jsonl").read_text())

    paths = plot([run, other], tmp_path / "plots", "svg")

    assert [p.name for p in paths][:2] == ["curves.svg", "voice-mels.svg"]
    assert paths[0].read_text().startswith("<?xml")


def test_steps_that_a_resumed_run_did_again_count_once():
    again = [*ROWS, {"step": 100, "model/mel": 3.0}]

    assert curve(again, "model/mel") == ([100.0, 200.0], [3.0, 1.0])


def test_no_panel_stays_empty():
    rows = [row | {"model/pitch": 1.0} for row in ROWS]

    figure = draw_curves({"voice": rows})

    assert len(figure.axes) == 4  # of two lines with three each


def test_a_smoothed_constant_stays_constant():
    np.testing.assert_allclose(smooth([2.0] * 50), 2.0)


def test_smoothing_takes_the_noise_away_and_leaves_the_level():
    noise = np.random.default_rng(0).normal(3.0, 1.0, 1000)

    smoothed = smooth(noise.tolist())

    assert np.std(smoothed[100:]) < 0.2 * np.std(noise)
    assert np.mean(smoothed) == pytest.approx(3.0, abs=0.1)


def test_a_line_that_a_kill_cut_off_is_left_out(run):
    with (run / "log.jsonl").open("a") as file:
        file.write('{"step": 300, "mod')

    assert read_log(run) == ROWS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no log.jsonl; give the folder of a run"),
        ("", "is empty"),
        ('{"step": 1}\nnonsense\n{"step": 2}\n', "line 2, is not JSON"),
    ],
)
def test_a_folder_without_a_readable_log_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "log.jsonl").write_text(content)

    with pytest.raises(SoriError, match=message):
        plot([tmp_path], tmp_path)


def test_an_unknown_format_is_named(run, tmp_path):
    with pytest.raises(SoriError, match="no format 'gif'; choose one of: png, svg, pdf"):
        plot([run], tmp_path, "gif")


def test_a_damaged_exhibit_is_named(run, tmp_path):
    (run / "exhibit.npz").write_bytes(b"PK")

    with pytest.raises(SoriError, match=r"exhibit\.npz is not an exhibit"):
        plot([run], tmp_path / "plots")

"""A recipe that trains within a second, on the tones of `make_corpus`."""

RECIPE = """
model = "source_filter"
[config]
width = 8
hidden = 16
blocks = 1
stft_resolutions = [[256, 64]]
[data]
corpora = ["tones"]
crop_frames = 8
batch = 2
[training]
steps = {steps}
precision = "fp32"
warmup = 2
"""


def write_recipe(folder, steps, text=RECIPE, name="recipe"):
    """The path of a recipe file with this many steps."""
    path = folder / f"{name}{steps}.toml"
    path.write_text(text.format(steps=steps))
    return path

"""Compare Tacotron 2 with FastSpeech 2: one voice, one vocoder, the same sentences.

    python benchmarks/tacotron2.py --json benchmarks/results/tacotron2.json

Measures how diagonal the attention is on held-out sentences, what it skips and says again on hard
ones, whether it finds an end, how long a mel takes by the length of its text, and, with
`.venv-judge` (benchmarks/setup_judges.py), word errors and DistillMOS. Speech stays in WORK.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from judging import JUDGE
from processes import describe_machine

import sori
from sori.app.cascade import cascade_voice
from sori.learn import registry
from sori.learn.checkpoint import load_model
from sori.learn.contracts import Delivery
from sori.learn.data.batches import Sentences, select
from sori.learn.data.cache import Cache
from sori.learn.evaluation.images import colour, encode_png
from sori.learn.models.tacotron2 import WINDOW, Decoding, Tacotron2, Tacotron2Batch
from sori.text.frontend import FrontEnd

BENCHMARKS = Path(__file__).parent
CORPUS, SPEAKER = "kokoro-voices", "af_heart"
NEAR_TOKENS = 2
JUMP_TOKENS = 3  # a step that goes back so far says something again
PIXELS = 6  # a side of what one step gives to one phoneme, in the picture
LENGTHS, ROUNDS = (20, 50, 100, 200), 5


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    runs = Path("runs")
    weights = "model.safetensors"
    parser.add_argument("--tacotron", type=Path, default=runs / "tacotron2-heart-tuned" / weights)
    parser.add_argument("--fastspeech", type=Path, default=runs / "fastspeech2-heart" / weights)
    parser.add_argument(
        "--vocoder", type=Path, default=runs / "source-filter-english-tuned" / weights
    )
    parser.add_argument("--cache", type=Path, default=runs / "cache")
    parser.add_argument("--work", type=Path, default=runs / "tacotron2-speech")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--picture", type=Path, help="draw the attention of a sentence here")
    parser.add_argument("--judge", action="store_true", help="ask the judges as well")
    parser.add_argument("--sentences", type=int, default=50, help="of each kind to be judged")
    return parser.parse_args()


def held_out(model: Tacotron2, cache: Path) -> Iterator[Tacotron2Batch]:
    """Sentences of the speaker that no training saw, with the true durations."""
    items = select([Cache(cache / CORPUS, model.mel_spec)], True, [SPEAKER])
    sentences = Sentences(items, Tacotron2Batch, model.config.symbols, (), 9000, 0)
    return (sentences.at(step) for step in range(len(sentences.plan(0))))


def diagonality(model: Tacotron2, cache: Path) -> dict[str, float]:
    """Mean attention within two tokens of the one that sounds, with teacher forcing."""
    near, steps, errors = 0.0, 0, []
    per_step = model.config.frames_per_step
    for batch in held_out(model, cache):
        made = model.reconstruct(batch)
        for item, alignment in enumerate(made.alignment):
            owner = torch.repeat_interleave(batch.durations[item])
            middles = torch.arange(per_step // 2, len(owner), per_step)
            places = torch.arange(alignment.shape[1])[None]
            is_near = (places - owner[middles][:, None]).abs() <= NEAR_TOKENS
            near += float((alignment[: len(middles)] * is_near).sum())
            steps += len(middles)
        mask = torch.arange(batch.mel.shape[2])[None] < batch.mel_len[:, None]
        for frames in (made.before, made.after):
            off = ((frames[:, :-2] - 1) * 4 - batch.mel).abs().mean(dim=1)
            errors.append(float(off[mask].mean()))
    return {
        "near": round(near / steps, 4),
        "steps": steps,
        "mel_error_before_postnet": round(mean(errors[0::2]), 4),
        "mel_error": round(mean(errors[1::2]), 4),
    }


def ids_of(phonemes: str, symbols: str) -> torch.Tensor:
    """Token ids with silence at both ends."""
    return torch.tensor([[0, *(symbols.index(c) for c in phonemes if c in symbols), 0]])


def wanderings(model: Tacotron2, texts: Sequence[str]) -> dict[str, dict[str, int]]:
    """How often attention skips, goes back or finds no end, free and within its window."""
    front_end, found = FrontEnd("us"), {}
    for name, window in (("free", None), ("windowed", WINDOW)):
        counts = {"sentences": 0, "without_end": 0, "with_skips": 0, "with_repeats": 0}
        for text in texts:
            for sentence in front_end.sentences(text):
                torch.manual_seed(0)
                ids = ids_of(sentence.phonemes, model.config.symbols)
                limit = 40 * ids.shape[1] // model.config.frames_per_step
                how = Decoding(limit_steps=limit, window=window)
                spoken = model(ids, torch.tensor([ids.shape[1]]), how)
                path = spoken.alignment[0].argmax(dim=1)
                ahead = path.diff()
                counts["sentences"] += 1
                counts["without_end"] += int(not spoken.finished)
                # Fast speech passes two phonemes in a step; three times that is a skipped syllable.
                counts["with_skips"] += int((ahead > 2 * JUMP_TOKENS).any())
                counts["with_repeats"] += int((ahead < -JUMP_TOKENS).any())
        found[name] = counts
    return found


def draw_alignment(model: Tacotron2, text: str, picture: Path) -> None:
    """Draw where free attention is while a sentence is spoken: steps to the right, text upwards."""
    sentence = next(iter(FrontEnd("us").sentences(text)))
    torch.manual_seed(0)
    ids = ids_of(sentence.phonemes, model.config.symbols)
    spoken = model(ids, torch.tensor([ids.shape[1]]))
    shares = spoken.alignment[0].T.flip(0).repeat_interleave(PIXELS, 0)
    picture.write_bytes(encode_png(colour(shares.repeat_interleave(PIXELS, 1).numpy())))


def mel_seconds(model: Any, tokens: int) -> float:
    """Median time of a mel of a text of so many phonemes."""
    torch.manual_seed(0)
    text = "ðə kˈæt sˈæt ɔn ðə mˈæt, ænd lˈʊkt æt ðə mˈun. " * (tokens // 20 + 1)
    ids = ids_of(text[: tokens - 2], model.config.symbols)
    speakers = getattr(model.config, "speakers", ("speaker",))
    weights = torch.zeros(1, len(speakers))
    weights[0, speakers.index(SPEAKER) if SPEAKER in speakers else 0] = 1
    spent = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        made = model.acoustics(ids, Delivery(weights))
        spent.append((time.perf_counter() - started) / made.mel.shape[2])
    spec = model.mel_spec
    return median(spent) * spec.sample_rate / spec.hop_samples


def speak(
    acoustic: Path, vocoder: Path, texts: Sequence[str], folder: Path, speaker: str | None
) -> None:
    """Write every text as a file with the text beside it."""
    voice = cascade_voice(acoustic, vocoder, None)
    known = speaker if speaker in voice.speakers else None
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(texts):
        path = folder / f"{number:03}.wav"
        sori.write(path, voice.say(text, speaker=known))
        path.with_suffix(".txt").write_text(text, encoding="utf-8")


def judged(folder: Path) -> dict[str, Any]:
    """Word errors in percent and DistillMOS of the recordings of a folder."""
    out = folder / "judged.json"
    command = [JUDGE, BENCHMARKS / "judge.py", folder, "--json", out]
    subprocess.run([*command, "--only", "whisper", "distillmos"], check=True)
    summary = json.loads(out.read_text())["summary"]
    return {
        name: {key: round(summary[name][key], 3) for key in ("value", "low", "high")}
        for name in ("wer", "distillmos")
    }


def lines(name: str) -> list[str]:
    text = (BENCHMARKS / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line]


def main() -> None:
    options = read_arguments()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    networks = {"tacotron2": options.tacotron, "fastspeech2_conv": options.fastspeech}
    models = {name: registry.load(path) for name, path in networks.items()}
    tacotron = models["tacotron2"]
    assert isinstance(tacotron, Tacotron2)
    hard, plain = lines("hard_sentences.txt"), lines("sentences.txt")
    kinds = {"plain": plain[: options.sentences], "hard": hard[: options.sentences]}
    report: dict[str, Any] = {
        "machine": describe_machine(),
        "sentences": {kind: len(texts) for kind, texts in kinds.items()},
        "steps": {name: load_model(path).notes["step"] for name, path in networks.items()},
        "parameters": {
            name: sum(weight.numel() for weight in model.parameters())
            for name, model in models.items()
        },
        "alignment": diagonality(tacotron, options.cache),
        "hard_sentences": wanderings(tacotron, hard),
        "real_time_factors_of_mels": {
            name: {tokens: round(mel_seconds(model, tokens), 5) for tokens in LENGTHS}
            for name, model in models.items()
        },
    }
    if options.picture:
        draw_alignment(tacotron, plain[0], options.picture)
    if options.judge:
        report["judged"] = {}
        for name, path in networks.items():
            for kind, texts in kinds.items():
                folder = options.work / f"{name}-{kind}"
                speak(path, options.vocoder, texts, folder, SPEAKER)
                report["judged"][f"{name}, {kind}"] = judged(folder)
    options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

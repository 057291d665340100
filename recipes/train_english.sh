#!/bin/sh
# Trains the English voice from recordings to the file that speaks. Every step resumes when stopped.
#
#   recipes/train_english.sh CORPORA [OUT [TEACHER PROSE...]]
#
# CORPORA holds the folders kokoro-voices, kathleen, ljspeech-part and cmu-arctic. With the folder of
# a TEACHER (see distil_prosody.py) prosody is learned from more text than there is sound, that of the
# corpora and that of the folders PROSE (see prose.py).
set -eu
corpora=$1
out=${2:-english.onnx}
teacher=${3:-}
acoustic=fastspeech2-english
cd "$(dirname "$0")/.."
real="kathleen ljspeech-part cmu-arctic"

weights() { echo "runs/$1/model.safetensors"; }

# shellcheck disable=SC2086 - the names are several arguments
sori corpus prepare kokoro-voices $real --corpora "$corpora" --jobs 2
sori train recipes/aligner-english.toml
# shellcheck disable=SC2086
sori corpus align $real --aligner "$(weights aligner-english)"
sori train recipes/fastspeech2-english.toml
if [ -n "$teacher" ]; then
    python recipes/distil_prosody.py "$teacher" "$corpora" runs/corpora/kokoro-prosody \
        --voices af_heart af_alloy af_kore af_nova --texts cmu-arctic kokoro-voices
    shift 3
    python recipes/prose.py "$@" --out runs/corpora/prose
    python recipes/distil_prosody.py "$teacher" runs/corpora runs/corpora/kokoro-prose --share \
        --texts prose --voices af_alloy af_aoede af_jessica af_kore af_nova af_river af_sarah \
        af_sky am_adam am_echo am_eric am_fenrir am_liam am_michael am_onyx am_puck am_santa \
        bf_alice bf_emma bf_isabella bf_lily bm_daniel bm_fable bm_george bm_lewis
    sori corpus prepare kokoro-prosody kokoro-prose --corpora runs/corpora
    acoustic=fastspeech2-english-prosody
    sori train "recipes/$acoustic.toml"
fi
sori train recipes/source-filter-english.toml
sori corpus predict kokoro-voices kathleen ljspeech-part \
    --acoustic "$(weights $acoustic)"
sori train recipes/source-filter-english-tuned.toml
sori export "$(weights $acoustic)" --vocoder "$(weights source-filter-english-tuned)" \
    --card recipes/voices/english.toml --out "$out"

#!/bin/sh
# Trains the English voice from recordings to the file that speaks. Every step resumes when stopped.
#
#   recipes/train_english.sh CORPORA [OUT [TEACHER]]
#
# CORPORA holds the folders kokoro-voices, kathleen, ljspeech-part and cmu-arctic. With the folder of
# a TEACHER (see distil_prosody.py) prosody is learned from more text than there is sound.
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
    sori corpus prepare kokoro-prosody --corpora runs/corpora
    acoustic=fastspeech2-english-prosody
    sori train "recipes/$acoustic.toml"
fi
sori train recipes/source-filter-english.toml
sori corpus predict kokoro-voices kathleen ljspeech-part \
    --acoustic "$(weights $acoustic)"
sori train recipes/source-filter-english-tuned.toml
sori export "$(weights $acoustic)" --vocoder "$(weights source-filter-english-tuned)" \
    --card recipes/voices/english.toml --out "$out"

#!/bin/sh
# Trains the English voice from recordings to the file that speaks. Every step resumes when stopped.
#
#   recipes/train_english.sh CORPORA [OUT]
#
# CORPORA holds the folders kokoro-voices, kathleen, ljspeech-part and cmu-arctic.
set -eu
corpora=$1
out=${2:-english.onnx}
cd "$(dirname "$0")/.."
real="kathleen ljspeech-part cmu-arctic"

weights() { echo "runs/$1/model.safetensors"; }

# shellcheck disable=SC2086 - the names are several arguments
sori corpus prepare kokoro-voices $real --corpora "$corpora" --jobs 2
sori train recipes/aligner-english.toml
# shellcheck disable=SC2086
sori corpus align $real --aligner "$(weights aligner-english)"
sori train recipes/fastspeech2-english.toml
sori train recipes/source-filter-english.toml
sori corpus predict kokoro-voices kathleen ljspeech-part \
    --acoustic "$(weights fastspeech2-english)"
sori train recipes/source-filter-english-tuned.toml
sori export "$(weights fastspeech2-english)" --vocoder "$(weights source-filter-english-tuned)" \
    --card recipes/voices/english.toml --out "$out"

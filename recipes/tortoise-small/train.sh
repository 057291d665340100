#!/bin/sh
# Trains the small TorToise, one network after the other; every step resumes when stopped.
#
#   recipes/tortoise-small/train.sh [CORPORA [NETWORKS]]
#
# CORPORA holds the folders kokoro-voices, kathleen, ljspeech-part and cmu-arctic. Where the English
# voice was trained (see train_english.sh), the labels of its aligner and its vocoder are there, and
# `vocoder` may be a link to it; without them, make both first or leave `kathleen`, `ljspeech-part`
# and `cmu-arctic` out.
set -eu
cd "$(dirname "$0")/../.."
corpora=${1:-corpora}
networks=${2:-runs/tortoise-small}

for network in codes autoregression clvp diffusion vocoder; do
    sori train "recipes/tortoise-small/$network.toml" --corpora "$corpora" \
        --out "$networks/$network"
done

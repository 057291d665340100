"""Learn the merges of sup-phonemes from texts, by byte-pair encoding of what the front end reads.

    python recipes/build_sup_phonemes.py runs/corpora/prose-all

The corpus is that of `recipes/prose.py`; its phonemes are kept in runs/cache, where `sori train
recipes/mixed-phoneme.toml` finds them. Sentences that no training sees take no part.
"""

import argparse
import re
from collections import Counter
from pathlib import Path

from sori.learn.data.corpora import is_held_out
from sori.learn.data.texts import phonemised
from sori.text.supphonemes import IN_WORDS, MERGES, learn_merges


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--count", type=int, default=4096)
    parser.add_argument("--out", type=Path, default=MERGES)
    options = parser.parse_args()
    sentences = phonemised(options.corpus, options.cache / options.corpus.name)
    word = re.compile(f"[{re.escape(''.join(sorted(IN_WORDS)))}]+")
    words = Counter(w for s in sentences if not is_held_out(s) for w in word.findall(s))
    merges = list(learn_merges(words, options.count))
    options.out.write_text("".join(f"{a} {b}\n" for a, b in merges), encoding="utf-8")
    print(f"{options.out}: {len(merges)} merges of {words.total()} words, {len(words)} distinct")


if __name__ == "__main__":
    main()

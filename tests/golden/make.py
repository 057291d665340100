"""Writes the golden files anew: `make golden`. Tests only read them."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from golden.cases import CASES, FOLDER  # noqa: E402 - tests is no package

for name, compute in CASES.items():
    text = json.dumps(compute(), indent=1) + "\n"
    (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
    print(f"wrote {name}.json")

"""The process in which the server clones: it can be stopped, and PyTorch stays out of the server.

    python -m sori.app.clone_working ORDER.json

The order holds fields of `sori.learn.cloning.order.Order`. Every line of standard output is JSON
and tells how far the work is; a fault is one line on standard error. The process ends when standard
input does: the server holds the other end.
"""

import json
import os
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sori.app.clone_command import STATEMENT
from sori.core.errors import SoriError

if TYPE_CHECKING:
    from sori.learn.cloning.order import Progress

FAULT = 2
PATHS = ("folder", "out", "base")


def end_with_input() -> None:
    """Leave with the server, also when that is killed."""

    def watch() -> None:
        sys.stdin.read()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def take_output() -> IO[str]:
    """Standard output for us alone; what libraries print there goes to standard error."""
    ours = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return ours


def main() -> int:
    """Clone as ordered; returns the exit status."""
    end_with_input()
    answers = take_output()

    def tell(progress: "Progress") -> None:
        told = {"stage": progress.stage, "share": round(progress.share, 4)}
        print(json.dumps(told), file=answers, flush=True)

    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    from sori.learn.cloning.clone import clone
    from sori.learn.cloning.order import Order

    try:
        paths = {key: Path(given[key]) for key in PATHS if key in given}
        order = Order(**given | paths, consent=STATEMENT)
        clone(order, tell)
    except SoriError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return FAULT
    return 0


if __name__ == "__main__":
    sys.exit(main())

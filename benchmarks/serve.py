"""The speech server under load, beside Piper's HTTP server in the same run; and its memory.

    python3.11 benchmarks/setup_peers.py
    .venv-test/bin/python benchmarks/serve.py             less than five minutes
    .venv-test/bin/python benchmarks/serve.py --memory    10,000 requests, about four minutes

Clients, each with one request at a time, keep coming for a fixed time. Sori is measured as it is
by default, with another number of processors for a sentence, and in two processes. Everything goes
over the loopback interface; the load is bounded by the number of clients and by the time. Results:
benchmarks/results/serve.json, and with `make docs` the table of docs/serve.md.
"""

import argparse
import asyncio
import contextlib
import datetime
import json
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

from processes import busy_share, commit, describe_machine, high_water_bytes
from setup_peers import PEERS, ROOT, python, voice_files

RESULTS = ROOT / "benchmarks" / "results" / "serve.json"
SENTENCES = ROOT / "benchmarks" / "sentences.txt"
CLIENTS = (1, 8, 32, 128)
SECONDS = 12.0  # for each number of clients
START_SECONDS = 120.0
PATIENCE_SECONDS = 120.0  # a request without an end by then counts as lost
REQUESTS = 10_000  # of the run that watches memory
SHORT = "Yes, of course."
HOST = "127.0.0.1"
BUSY = 0.05  # share of the machine that other work takes, from which on it is told


@dataclass(frozen=True)
class Server:
    """A server to start: its command, where {port} is filled in, its route and its body."""

    label: str
    command: Sequence[str]
    path: str
    body: Mapping[str, Any]
    text_key: str

    def request(self, text: str) -> bytes:
        body = json.dumps({**self.body, self.text_key: text}).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + body


@dataclass
class Load:
    """What clients met."""

    statuses: Counter[str] = field(default_factory=Counter)
    first_bytes: list[float] = field(default_factory=list)
    sound_bytes: int = 0

    def note(self, status: str, first_byte: float = 0.0, sound_bytes: int = 0) -> None:
        self.statuses[status] += 1
        if status == "200":
            self.first_bytes.append(first_byte)
            self.sound_bytes += sound_bytes


def sori(label: str = "Sori", *options: str) -> Server:
    serve = ("serve", "--no-cloning", "--port", "{port}", *options)
    body = {"model": "sori", "voice": "default", "response_format": "wav"}
    command = (sys.executable, "-m", "sori", *serve)
    return Server(label, command, "/v1/audio/speech", body, "input")


def servers() -> list[Server]:
    """Who is compared; nobody is turned away, so that all answer the same load."""
    everybody = ("--waiting", str(max(CLIENTS)))
    return [
        sori("Sori", *everybody),
        sori("Sori, 2 threads", "--threads", "2", *everybody),
        sori("Sori, 2 workers", "--workers", "2", *everybody),
        piper(),
    ]


def piper() -> Server:
    program = str(python(PEERS / "rivals"))
    voice = str(voice_files()["piper joe"])
    command = (program, "-m", "piper.http_server", "-m", voice, "--host", HOST, "--port", "{port}")
    return Server("Piper joe medium", command, "/synthesize", {}, "text")


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        return bound.getsockname()[1]


@contextlib.contextmanager
def running(server: Server) -> Iterator[tuple[int, subprocess.Popen]]:
    """A started server that answers: its port and its process."""
    port = free_port()
    command = [word.format(port=port) for word in server.command]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(port, process)
            asyncio.run(ask(server, port, SHORT, Load()))  # warms up
            yield port, process
        finally:
            process.terminate()


def wait_for(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port)):
            return
        time.sleep(0.1)
    raise SystemExit(f"the server did not start: {' '.join(map(str, process.args))}")


async def ask(server: Server, port: int, text: str, load: Load) -> None:
    """One request, to its last byte."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            reader, writer = await asyncio.open_connection(HOST, port)
            started = time.perf_counter()
            writer.write(server.request(text))
            head = await reader.readuntil(b"\r\n\r\n")
            first = await reader.read(1)
            first_byte = time.perf_counter() - started
            rest = await reader.read()
            writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        load.note("lost")
        return
    # An answer in chunks is whole only with its last, empty one.
    is_whole = b"chunked" not in head.lower() or rest.endswith(b"0\r\n\r\n")
    status = head.split()[1].decode() if is_whole else "lost"
    load.note(status, first_byte, len(first) + len(rest))


async def press(server: Server, port: int, clients: int, seconds: float) -> tuple[Load, float]:
    """Let so many clients come for so long; what they met, and the time to the last answer."""
    load = Load()
    texts = cycle(SENTENCES.read_text().splitlines())
    started = time.perf_counter()

    async def client() -> None:
        while time.perf_counter() - started < seconds:
            await ask(server, port, next(texts), load)

    await asyncio.gather(*(client() for _ in range(clients)))
    return load, time.perf_counter() - started


def summary(load: Load, spent: float) -> dict[str, Any]:
    waits = sorted(load.first_bytes) or [float("nan")]
    marks = {
        f"p{share}": round(waits[min(len(waits) - 1, len(waits) * share // 100)], 3)
        for share in (50, 95, 99)
    }
    return {
        "requests_per_second": round(load.statuses["200"] / spent, 2),
        "first_byte_seconds": marks,
        "answers": dict(load.statuses),
    }


def measure_load(seconds: float) -> dict[str, Any]:
    """All servers with every number of clients, then Sori as it is set up by default, flooded."""
    measured: dict[str, Any] = {}
    for server in servers():
        with running(server) as (port, process):
            levels = {}
            for clients in CLIENTS:
                levels[str(clients)] = summary(*asyncio.run(press(server, port, clients, seconds)))
                print(server.label, clients, levels[str(clients)], flush=True)
            peak = sum(map(high_water_bytes, family(process.pid)))
        measured[server.label] = {"clients": levels, "peak_memory_bytes": peak}
    with running(sori()) as (port, _):
        flood = summary(*asyncio.run(press(sori(), port, max(CLIENTS), seconds)))
    measured["flood"] = {"clients": max(CLIENTS), **flood}
    return measured


def family(process_id: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    return [process_id, *map(int, children)]


def resident_bytes(process_id: int) -> int:
    status = Path(f"/proc/{process_id}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return 1024 * int(found[1]) if found else 0


def measure_memory(requests: int) -> dict[str, Any]:
    """Memory of one server process while thousands of requests pass."""
    server = sori()
    load = Load()
    resident: dict[str, int] = {}

    async def batch(port: int, number: int) -> None:
        left = iter(range(number))

        async def client() -> None:
            for _ in left:
                await ask(server, port, SHORT, load)

        await asyncio.gather(*(client() for _ in range(8)))

    with running(server) as (port, process):
        for done in range(0, requests, requests // 10):
            asyncio.run(batch(port, requests // 10))
            resident[str(done + requests // 10)] = resident_bytes(process.pid)
            print(done + requests // 10, resident[str(done + requests // 10)], flush=True)
        peak = high_water_bytes(process.pid)
    return {"answers": dict(load.statuses), "resident_bytes": resident, "peak_bytes": peak}


def markdown(result: Mapping[str, Any]) -> list[str]:
    """The tables of docs/serve.md."""
    lines = [
        "| server | memory | clients | requests/s | first byte p50 | p95 | p99 | lost or failed |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    load = result.get("load", {})
    for label, measured in load.items():
        if label == "flood":
            continue
        for clients, level in measured["clients"].items():
            waits = level["first_byte_seconds"]
            failed = sum(n for status, n in level["answers"].items() if status != "200")
            cells = [f"{waits[mark]:.3f} s" for mark in ("p50", "p95", "p99")]
            memory = f"{measured['peak_memory_bytes'] / 1e6:.0f} MB"
            speed = f"{level['requests_per_second']:.1f}"
            row = [label, memory, clients, speed, *cells, str(failed)]
            lines.append(f"| {' | '.join(row)} |")
    if flood := load.get("flood"):
        answers = ", ".join(f"{n} × {status}" for status, n in sorted(flood["answers"].items()))
        clients = flood["clients"]
        lines += ["", f"With default limits, {clients} clients that never pause: {answers}."]
    if memory := result.get("memory"):
        counts = memory["resident_bytes"]
        first, last = next(iter(counts)), list(counts)[-1]
        lines += [
            "",
            f"Memory of the process after {first} requests: {counts[first] / 1e6:.0f} MB, after "
            f"{last}: {counts[last] / 1e6:.0f} MB; its peak: {memory['peak_bytes'] / 1e6:.0f} MB.",
        ]
    machine = result["machine"]
    where = f"{machine['processor']}, {machine['cores']} cores"
    busy = result.get("busy_share_before", 0)
    rest = f"; other work took {busy:.0%} of the machine before" if busy > BUSY else ""
    lines += ["", f"{where}, {result['measured']}, commit {result['commit']}{rest}."]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory", action="store_true", help="watch memory instead of the load")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each number of clients")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="with --memory")
    options = parser.parse_args()
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    busy = busy_share()
    if options.memory:
        result["memory"] = measure_memory(options.requests)
    else:
        result["load"] = measure_load(options.seconds)
        result["busy_share_before"] = round(busy, 2)
    result |= {
        "machine": describe_machine(),
        "measured": datetime.date.today().isoformat(),
        "commit": commit(),
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print("\n".join(markdown(result)))


if __name__ == "__main__":
    main()

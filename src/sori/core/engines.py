"""Engines: where the jobs of long work are done. Results come in the order of the jobs."""

import logging
import multiprocessing
import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any

from sori.core.errors import SoriError

Work = Callable[[Any], Any]
Engine = Callable[[Work, Iterable[Any]], Iterator[Any]]
CONNECT_SECONDS = 10.0
AHEAD = 2  # jobs that wait for each worker: none runs dry, and few results lie in memory


def choose(name: str, jobs: int | None) -> Engine:
    """The engine of this name for so many jobs at a time; None is one for each processor.

    Raises:
        SoriError: there is no such engine.
    """
    engines = {"local": processes, "ray": ray_cluster}
    if name not in engines:
        raise SoriError(f"there is no engine {name!r}; choose one of: {', '.join(engines)}")
    return engines[name](jobs or os.cpu_count() or 1)


def here(work: Work, jobs: Iterable[Any]) -> Iterator[Any]:
    """Do the work in this process."""
    yield from map(work, jobs)


def processes(count: int) -> Engine:
    """Share the work among processes of this machine."""

    def run(work: Work, jobs: Iterable[Any]) -> Iterator[Any]:
        # A fork would copy the threads of PyTorch in whatever state they are.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(count, context, initializer=begin_worker)
        try:
            yield from in_order(partial(pool.submit, work), Future.result, jobs, AHEAD * count)
        except BrokenProcessPool as error:
            raise SoriError(
                "a worker was ended from outside, most likely for want of memory; give fewer --jobs"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)

    return run if count > 1 else here


def begin_worker() -> None:
    """Prepare a worker process: it ends when the one that gives out the work says so, or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def end_with_parent() -> None:
    """Leave with the process that gives out the work, also when that is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def ray_cluster(count: int) -> Engine:
    """Spread the work over the Ray cluster of RAY_ADDRESS, or over `count` local Ray workers.

    Every machine of the cluster needs Sori, and the files of the work under the same paths; only
    the process that gives out the work writes.
    """

    def run(work: Work, jobs: Iterable[Any]) -> Iterator[Any]:
        address = os.environ.get("RAY_ADDRESS")
        if address:
            require_listener(address)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray
        from ray.exceptions import RayTaskError

        local = {} if address else {"num_cpus": count, "include_dashboard": False}
        try:
            ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **local)
        except Exception as error:  # Ray raises just this where a node does not come up
            raise SoriError(f"cannot start Ray: {error}; run without --engine ray") from error
        task = ray.remote(lambda job: work(job))
        workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
        try:
            yield from in_order(task.remote, ray.get, jobs, AHEAD * workers)
        except RayTaskError as error:
            raise error.cause from None
        finally:
            ray.shutdown()

    return run


def require_listener(address: str) -> None:
    """Refuse an address where nobody answers; Ray would try for many minutes."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return  # Ray looks for the cluster itself
    try:
        socket.create_connection((host.rpartition("/")[2], int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise SoriError(
            f"nobody answers at RAY_ADDRESS={address}: {error}; start the cluster, or unset it"
        ) from error


def in_order(
    submit: Callable[[Any], Any], result: Callable[[Any], Any], jobs: Iterable[Any], ahead: int
) -> Iterator[Any]:
    """Results of jobs as they were given, with at most `ahead` of them under way."""
    waiting: deque[Any] = deque()
    for job in jobs:
        waiting.append(submit(job))
        if len(waiting) >= ahead:
            yield result(waiting.popleft())
    while waiting:
        yield result(waiting.popleft())

"""Engines: where work on many recordings is done. Results come in the order of the jobs."""

import logging
import multiprocessing
import os
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
AHEAD = 2  # jobs that wait for each worker: none runs dry, and few results lie in memory


def here(work: Work, jobs: Iterable[Any]) -> Iterator[Any]:
    """Do the work in this process."""
    yield from map(work, jobs)


def processes(count: int) -> Engine:
    """Share the work among processes of this machine."""

    def run(work: Work, jobs: Iterable[Any]) -> Iterator[Any]:
        # A fork would copy the threads of PyTorch in whatever state they are.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(count, context, initializer=end_with_parent)
        try:
            yield from in_order(partial(pool.submit, work), Future.result, jobs, AHEAD * count)
        except BrokenProcessPool as error:
            raise SoriError(
                "a worker was ended from outside, most likely for want of memory; give fewer --jobs"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)

    return run if count > 1 else here


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

    Every machine of the cluster needs Sori, and the corpus under the same path; only the process
    that gives out the work writes.
    """

    def run(work: Work, jobs: Iterable[Any]) -> Iterator[Any]:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray
        from ray.exceptions import RayTaskError

        address = os.environ.get("RAY_ADDRESS")
        local = {} if address else {"num_cpus": count, "include_dashboard": False}
        try:
            ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **local)
        except (ConnectionError, ValueError) as error:
            raise SoriError(f"cannot reach the Ray cluster at RAY_ADDRESS={address}") from error
        task = ray.remote(lambda job: work(job))
        workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
        try:
            yield from in_order(task.remote, ray.get, jobs, AHEAD * workers)
        except RayTaskError as error:
            raise error.cause from None
        finally:
            ray.shutdown()

    return run


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

"""Reading on the workers of a Dask cluster, of this machine or of several; needs the package `distributed`.

The workers find the files at the same paths as the command does; the model is sent to them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack
from functools import lru_cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import cloudpickle
import cv2
import dask
from distributed import Client, Future, KilledWorker, LocalCluster, get_worker
from distributed.utils import silence_logging_cmgr

from . import __version__
from .pages import finder
from .readings import PageReading
from .recognizer import LineRecognizer
from .utils.errors import InputError

Reading = tuple[list[PageReading], InputError | None]

LOCAL = "local"  # stands for the address of a cluster that is started on this machine
WAIT_SECONDS = 30  # for the scheduler and its first worker
IGNORE_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"  # this process ends the others

_loading = Lock()


class Cluster:
    """The workers of a Dask scheduler. A context manager.

    A file is read again elsewhere if its worker is lost; workers may come and go.

    Args:
        address: of the scheduler, such as tcp://host:8786, or "local" for processes of this machine. Certificates for
            tls:// are those of Dask's own configuration.
        load: makes the recogniser from its number of threads and the paths of `files`, all named; each worker calls it
            once.
        files: name of an argument of `load` -> file that is sent to the workers.
        processes: of the local cluster.

    Raises:
        InputError: there is no such scheduler, or it has no workers.
    """

    def __init__(
        self, address: str, load: Callable[..., LineRecognizer], files: Mapping[str, str], processes: int
    ) -> None:
        self.address = address
        contents = {name: (Path(file).name, Path(file).read_bytes()) for name, file in files.items()}
        model = cloudpickle.dumps((load, contents))  # functions of the script go along by value
        with ExitStack() as stack:
            # what Dask tells would come between the lines of the command, which tells what matters
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module="distributed")
            stack.enter_context(silence_logging_cmgr(logging.CRITICAL))
            # a busy machine needs more than the usual 15 seconds to replace a process that was lost
            stack.enter_context(dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"}))
            try:
                if address == LOCAL:
                    address = stack.enter_context(
                        LocalCluster(
                            n_workers=processes,
                            threads_per_worker=1,
                            memory_limit=0,  # as without a cluster
                            security=True,  # or any user of the machine could give them work
                            dashboard_address=None,
                            silence_logs=logging.CRITICAL,  # of the workers
                            preload=IGNORE_CTRL_C,
                        )
                    )
                self._client = stack.enter_context(Client(address, timeout=WAIT_SECONDS, set_as_default=False))
                self._client.wait_for_workers(1, timeout=WAIT_SECONDS)
            except (OSError, asyncio.TimeoutError, RuntimeError, TypeError, ValueError) as error:
                reason = " ".join(str(error).split())
                raise InputError(f"{self.address}: no Dask scheduler with workers answers ({reason})") from None
            versions = self._client.get_versions()
            wanted = _protocol(versions["client"])
            for place, found in {self.address: versions["scheduler"], **versions["workers"]}.items():
                _compare(place, _protocol(found), wanted)
            # computed, not scattered, so that the scheduler can send it again when a worker that held it is lost
            self._model = self._client.submit(bytes, model, pure=False)
            self._stack = stack.pop_all()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, function: Callable[..., Reading], jobs: Iterable[tuple[str, Path | None]]) -> Iterator[Reading]:
        """Results in order; two files are given to each thread of the workers, so few are held at a time.

        Args:
            function: as :func:`.transcribe_file`, called with the recogniser and a job.
            jobs: name of a file and that of its picture.

        Yields:
            The function's results; an error for a file that ended its workers.

        Raises:
            InputError: the workers have other versions of what reads or do not find the files, or the scheduler is
                lost.
        """
        folder, rest = os.getcwd(), iter(jobs)
        waiting: deque[tuple[tuple[str, Path | None], Future]] = deque()

        def read_on_worker(*arguments: Any) -> Reading | None:
            # sent by value, so that the scheduler needs nothing of this project, and a worker without it can say so
            from mltu.cluster import read_file

            return read_file(*arguments)

        # the function as bytes, for the same reason
        common = self._model, cloudpickle.dumps(function), _versions(), folder

        def submit(job: tuple[str, Path | None]) -> Future:
            return self._client.submit(read_on_worker, *common, *job, pure=False)

        try:
            while True:
                ahead = max(1, 2 * sum(self._client.nthreads().values()))
                waiting.extend((job, submit(job)) for job in islice(rest, max(0, ahead - len(waiting))))
                if not waiting:
                    return
                job, future = waiting.popleft()
                try:
                    reading = future.result()
                except KilledWorker:
                    # this file may only have been on the same workers as one that ended them: alone, it shows
                    for _, other in waiting:
                        other.exception()  # waits for its end
                    try:
                        reading = submit(job).result()
                    except KilledWorker:
                        reading = [], InputError(f"{job[0]}: the processes that read it were lost, one after another")
                if reading is None and os.path.exists(job[0]):
                    raise InputError(f"{job[0]}: not found in {folder} by a worker; share the folder at the same path")
                yield reading or function(None, *job)
        except ImportError as error:
            raise InputError(f"{self.address}: a worker lacks what reads ({error}); install the same there") from None
        except (CancelledError, OSError) as error:
            if getattr(error, "errno", None):  # of a picture that cannot be written
                raise
            raise InputError(f"{self.address}: the Dask scheduler is lost ({error}); start again to go on") from None


def _protocol(versions: Mapping[str, Any]) -> dict[str, str]:
    """Versions on which it depends whether programs of Dask understand each other."""
    packages = versions["packages"]
    return {"Python": ".".join(packages["python"].split(".")[:2]), "distributed": packages["distributed"]}


def _versions() -> dict[str, str]:
    """Versions on which readings depend."""
    packages = {name: version(name) for name in ("numpy", "onnxruntime", "Pillow", "pypdfium2")}
    return {"mltu": __version__, "OpenCV": cv2.__version__, **packages}


def _compare(place: str, found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    for name, there in found.items():
        if there != wanted[name]:
            raise InputError(f"{place}: has {name} {there}, and this command {wanted[name]}; install the same on all")


def read_file(
    model: bytes, function: bytes, versions: Mapping[str, str], folder: str, name: str, picture: Path | None
) -> Reading | None:
    """On a worker, the result of a function for a file, as :meth:`Cluster.read` has it; None if it is not there."""
    _compare(get_worker().address, _versions(), versions)
    if not os.path.exists(os.path.join(folder, name)):
        return None
    with _loading:
        recognizer = _load(model)
    return pickle.loads(function)(recognizer, name, picture, folder=folder)


@lru_cache(maxsize=2)
def _load(model: bytes) -> LineRecognizer:
    """The recogniser of a worker process."""
    threads = get_worker().state.nthreads
    finder.THREADS = threads
    cv2.setNumThreads(threads)  # the processes share the cores
    load, contents = pickle.loads(model)
    with TemporaryDirectory() as folder:
        paths: dict[str, Any] = {}
        for name, (file, content) in contents.items():
            paths[name] = Path(folder, file)
            paths[name].write_bytes(content)
        return load(threads=threads, **paths)

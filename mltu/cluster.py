"""Reading on the workers of a Dask cluster, of this machine or of several; needs the package `distributed`.

The workers find the files at the same paths as the command does; the model is sent to them.
"""

from __future__ import annotations

import logging
import os
import pickle
import platform
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
from distributed import Client, Future, KilledWorker, LocalCluster, get_worker, wait

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
        # what they tell would come between the lines of the command, which tells what matters
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        warnings.filterwarnings("ignore", module="distributed")
        with ExitStack() as stack:
            try:
                if address == LOCAL:
                    address = stack.enter_context(
                        LocalCluster(
                            n_workers=processes,
                            threads_per_worker=1,
                            memory_limit=0,  # as without a cluster
                            security=True,  # or any user of the machine could give them work
                            dashboard_address=None,
                            silence_logs=logging.CRITICAL,
                            preload=IGNORE_CTRL_C,
                        )
                    )
                self._client = stack.enter_context(Client(address, timeout=WAIT_SECONDS, set_as_default=False))
                self._client.wait_for_workers(1, timeout=WAIT_SECONDS)
            except (OSError, RuntimeError, TypeError, ValueError) as error:
                reason = " ".join(str(error).split())
                raise InputError(f"{self.address}: no Dask scheduler with workers answers ({reason})") from None
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

        def submit(job: tuple[str, Path | None]) -> Future:
            return self._client.submit(_read, self._model, _versions(), function, folder, *job, pure=False)

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
                    wait([other for _, other in waiting])
                    try:
                        reading = submit(job).result()
                    except KilledWorker:
                        reading = [], InputError(f"{job[0]}: the processes that read it were lost, one after another")
                if reading is None and os.path.exists(job[0]):
                    raise InputError(f"{job[0]}: not found in {folder} by a worker; share the folder at the same path")
                yield reading or function(None, *job)
        except (CancelledError, OSError) as error:
            if getattr(error, "errno", None):  # of a picture that cannot be written
                raise
            raise InputError(f"{self.address}: the Dask scheduler is lost ({error}); start again to go on") from None


def _versions() -> dict[str, str]:
    """Of what a reading depends on."""
    packages = {name: version(name) for name in ("numpy", "onnxruntime", "Pillow", "pypdfium2")}
    python = ".".join(platform.python_version_tuple()[:2])
    return {"Python": python, "mltu": __version__, "OpenCV": cv2.__version__, **packages}


def _read(
    model: bytes,
    versions: Mapping[str, str],
    function: Callable[..., Reading],
    folder: str,
    name: str,
    picture: Path | None,
) -> Reading | None:
    """Read a file on a worker; None if it is not there."""
    for package, found in _versions().items():
        if found != versions[package]:
            address = get_worker().address
            raise InputError(f"{address}: has {package} {found}, not {versions[package]}; install the same on all")
    if not os.path.exists(os.path.join(folder, name)):
        return None
    with _loading:
        recognizer = _load(model)
    return function(recognizer, name, picture, folder=folder)


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

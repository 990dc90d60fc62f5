"""The parent's side of the worker processes."""

from __future__ import annotations

import os

from .transport import SharedMemory, unpack
from .worker import WorkerSpec, worker_main

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .worker import Fetcher

_GRACE_S = 2.0


class WorkerPool:
    """Worker processes, each with a pipe for requests and answers and a ring of shared memory slots.

    Args:
        fetcher: what reads a batch.
        num_workers: number of processes.
        slots: batches that one worker may have under way.
        base_seed: worker w starts with the seed base_seed + w.
        init_fn: called in each worker with its number.
        context: multiprocessing context, start method name, or None.
        timeout: seconds to wait for a batch; 0 waits forever.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        num_workers: int,
        slots: int,
        base_seed: int,
        init_fn: Callable[[int], None] | None,
        context: Any,
        timeout: float,
    ) -> None:
        import warnings

        ctx = _context(context)
        self.timeout = timeout
        self.num_workers = num_workers
        self._owner = os.getpid()
        self._slots = [[SharedMemory() for _ in range(slots)] for _ in range(num_workers)]
        self._connections: list[Any] = []
        self._processes: list[Any] = []
        self.closed = False
        forking = ctx.get_start_method() == "fork"
        try:
            for worker in range(num_workers):
                ours, theirs = ctx.Pipe()
                self._connections.append(ours)
                spec = WorkerSpec(
                    worker,
                    num_workers,
                    base_seed,
                    fetcher,
                    init_fn,
                    self._slots[worker],
                    self._owner,
                )
                inherited = list(self._connections) if forking else []
                process = ctx.Process(
                    target=worker_main, args=(spec, theirs, inherited), daemon=True
                )
                with warnings.catch_warnings():
                    # Workers run kernels on one thread and never touch the parent's thread pool.
                    warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
                    process.start()
                self._processes.append(process)
                theirs.close()
        except BaseException:
            self.close()
            raise

    def send(self, worker: int, request: Any) -> None:
        try:
            self._connections[worker].send(request)
        except (BrokenPipeError, ConnectionResetError):
            raise self._death(worker) from None

    def receive(self, worker: int, epoch: int) -> tuple[str, Any]:
        """The worker's next answer of this epoch: ("batch", batch), ("end", None) or ("error", WorkerError)."""
        while True:
            number, slot, kind, value = self._receive_any(worker)
            if number == epoch:
                break
        if kind == "batch":
            return kind, unpack(value, self._slots[worker][slot])
        if kind == "error":
            import pickle

            return kind, pickle.loads(value)
        return kind, None

    def _receive_any(self, worker: int) -> Any:
        from multiprocessing.connection import wait

        connection, process = self._connections[worker], self._processes[worker]
        ready = wait([connection, process.sentinel], self.timeout or None)
        try:
            if connection.poll():
                return connection.recv()
        except (EOFError, ConnectionResetError):
            raise self._death(worker) from None
        if ready:
            raise self._death(worker)
        raise RuntimeError(
            f"DataLoader timed out: worker {worker} gave no batch within timeout={self.timeout:g} s"
        )

    def _death(self, worker: int) -> RuntimeError:
        process = self._processes[worker]
        process.join(_GRACE_S)
        code, pid = process.exitcode, process.pid
        cause = f"exit code {code}"
        if code is not None and code < 0:
            import signal

            try:
                cause += f" (killed by {signal.Signals(-code).name})"
            except ValueError:
                cause += f" (killed by signal {-code})"
        self.close()
        return RuntimeError(
            f"DataLoader worker {worker} (pid {pid}) died with {cause}; with num_workers=0 the "
            "dataset runs in this process, where the cause is easier to see"
        )

    def close(self) -> None:
        """End the workers: ask, then wait a moment, then terminate, then kill."""
        if self.closed or os.getpid() != self._owner:
            return
        self.closed = True
        import contextlib
        import time
        from multiprocessing.connection import wait

        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.send(None)
        alive = dict(zip(self._processes, self._connections, strict=False))
        deadline = time.monotonic() + _GRACE_S
        while alive and (left := deadline - time.monotonic()) > 0:
            # Reading lets a worker that is blocked on a full pipe go on to its end.
            sources = [p.sentinel for p in alive] + [c for c in alive.values() if not c.closed]
            wait(sources, left)
            for process, connection in list(alive.items()):
                if process.exitcode is not None:
                    del alive[process]
                    continue
                try:
                    if not connection.closed and connection.poll():
                        connection.recv_bytes()
                except (EOFError, OSError):
                    connection.close()
        for process in alive:
            process.terminate()
        for process in alive:
            process.join(_GRACE_S)
            if process.exitcode is None:
                process.kill()
                process.join()
        for process in self._processes:
            process.join()
            process.close()
        for connection in self._connections:
            connection.close()
        for slots in self._slots:
            for memory in slots:
                memory.close()


def _context(context: Any) -> Any:
    import multiprocessing
    import sys

    if context is not None and not isinstance(context, str):
        return context
    if context is None:
        context = multiprocessing.get_start_method(allow_none=True)
        if context is None and sys.platform == "linux":
            context = "fork"
    return multiprocessing.get_context(context)

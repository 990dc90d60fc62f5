"""Graphs: work that is recorded once and launched again as a whole."""

from __future__ import annotations

from .._load import _C
from .device import number_of, synchronize
from .streams import Stream, StreamContext


class CUDAGraph:
    """Recorded work. The tensors that it reads and writes stay where they are: new data goes in by
    copying into them, results are read out of them after replay().

    >>> g = minitorch.cuda.CUDAGraph()                             # doctest: +SKIP
    >>> with minitorch.cuda.graph(g):                              # doctest: +SKIP
    ...     y = model(x)
    >>> x.copy_(new_data); g.replay()                              # doctest: +SKIP
    """

    __slots__ = ("__weakref__", "_capturing", "_handle")

    def __init__(self, keep_graph=False):
        self._handle = 0
        self._capturing = False

    def __del__(self):
        if getattr(self, "_handle", 0):
            self.reset()

    def capture_begin(self, pool=None, capture_error_mode="global"):
        """Starts recording what the current stream is given.

        Raises:
            RuntimeError: the default stream is current, or something was recorded already.
        """
        if self._handle:
            raise RuntimeError("capture_begin(): this graph holds a recording; call reset() first")
        self._handle = _C.cuda_graph_begin(number_of(None))
        self._capturing = True

    def capture_end(self):
        """Ends the recording."""
        if not self._capturing:
            raise RuntimeError("capture_end(): capture_begin() was not called")
        self._capturing = False
        try:
            _C.cuda_graph_end(self._handle)
        except BaseException:
            self.reset()
            raise

    def replay(self):
        """Runs the recorded work on the current stream."""
        if not self._handle or self._capturing:
            raise RuntimeError("CUDAGraph.replay(): nothing was captured")
        _C.cuda_graph_replay(self._handle)

    def reset(self):
        """Forgets the recording; its memory goes back when no tensor uses it."""
        if self._capturing:
            self._capturing = False
            _C.cuda_graph_abandon(self._handle)
        if self._handle:
            _C.cuda_graph_delete(self._handle)
        self._handle = 0

    def pool(self):
        """An identifier of the graph's memory."""
        return (0, self._handle)


class graph:
    """Context whose work is recorded instead of run.

    Args:
        cuda_graph: the CUDAGraph to record into.
        pool: ignored; each graph has memory of its own.
        stream: where to record; a stream of its own by default.

    Raises:
        RuntimeError: what cannot be recorded, for example a read of a value on the CPU.
    """

    _stream = None

    def __init__(self, cuda_graph, pool=None, stream=None, capture_error_mode="global"):
        if stream is None:
            if graph._stream is None:
                graph._stream = Stream()
            stream = graph._stream
        self._graph = cuda_graph
        self._context = StreamContext(stream)

    def __enter__(self):
        import gc

        # Blocks that the collector would free inside would belong to the recording.
        gc.collect()
        synchronize()
        self._context.__enter__()
        try:
            self._graph.capture_begin()
        except BaseException:
            self._context.__exit__()
            raise

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self._graph.capture_end()
            else:
                self._graph.reset()
        finally:
            self._context.__exit__()
        return False


def is_current_stream_capturing():
    """Whether the current stream is being recorded."""
    return _C.cuda_device_count() > 0 and _C.cuda_is_capturing(number_of(None))


def graph_pool_handle():
    """An identifier of memory; each graph has its own."""
    return (0, 0)

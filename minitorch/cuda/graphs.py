"""Graphs: work that is recorded once and launched again as a whole."""

from __future__ import annotations

from itertools import count as _count

from .. import dtypes
from .. import random as _random
from .._load import _C
from .device import number_of, synchronize
from .streams import Stream, StreamContext

_pools = _count(1)
_spare_places: dict[int, list] = {}  # per device: two int64 each, of graphs that are gone


def _new_place(index):
    """Device memory of a seed and a first counter; see Note [Places in a captured graph]."""
    spare = _spare_places.setdefault(index, [])
    if spare:
        return spare.pop()
    place = _C.full((2,), 0, _C.int64, dtypes.device("cuda", index))
    # Replays may run on other streams than the one that this memory comes from.
    _C.cuda_stream_synchronize(index, _C.cuda_current_stream(index))
    return place


def _number_of_pool(pool):
    if pool is None:
        return next(_pools)
    if isinstance(pool, tuple) and len(pool) == 2 and all(isinstance(v, int) for v in pool):
        return pool[1]
    raise TypeError(f"pool must come from graph_pool_handle() or CUDAGraph.pool(), got {pool!r}")


class CUDAGraph:
    """Recorded work. The tensors that it reads and writes stay where they are: new data goes in by
    copying into them, results are read out of them after replay().

    Random numbers go on from replay to replay as they would without a graph: each replay starts
    where the generator stands and moves it on by what was recorded.

    Args:
        keep_graph: as in PyTorch, instantiate() may be called; replay() needs no such call.

    >>> g = minitorch.cuda.CUDAGraph()                             # doctest: +SKIP
    >>> with minitorch.cuda.graph(g):                              # doctest: +SKIP
    ...     y = model(x)
    >>> x.copy_(new_data); g.replay()                              # doctest: +SKIP
    """

    __slots__ = (
        "__weakref__", "_capturing", "_draws", "_handle", "_index", "_keep_graph", "_pool",
        "_registered",
    )  # fmt: skip

    def __init__(self, keep_graph=False):
        self._keep_graph = keep_graph
        self._handle = 0
        self._capturing = False
        self._pool = None
        self._registered = []
        self._draws = {}  # generator -> [its place, counters that a replay takes]

    def __del__(self):
        if getattr(self, "_handle", 0):
            self.reset()

    def register_generator_state(self, generator):
        """Lets the recording draw on a generator beside the device's default one.

        Args:
            generator: of a GPU; call this before the recording starts.
        """
        if self._capturing:
            raise RuntimeError("register_generator_state(): the recording has started")
        if not isinstance(generator, _random.Generator) or generator.device.type != "cuda":
            raise RuntimeError("register_generator_state(): expected a generator of a cuda device")
        if generator not in self._registered:
            self._registered.append(generator)

    def capture_begin(self, pool=None, capture_error_mode="global"):
        """Starts recording what the current stream is given.

        Args:
            pool: of graph_pool_handle() or another graph's pool(): memory that the graphs share. Their
                replays must not overlap, and follow in the order of the captures.
            capture_error_mode: "global", "thread_local" or "relaxed"; calls of other threads never
                disturb the recording.

        Raises:
            RuntimeError: the default stream is current, or something was recorded already.
        """
        if capture_error_mode not in ("global", "thread_local", "relaxed"):
            raise RuntimeError(
                "capture_begin(): Unknown capture error mode. Expected `global`, `thread_local`, or "
                f"`relaxed`, got {capture_error_mode}"
            )
        if self._handle:
            raise RuntimeError("capture_begin(): this graph holds a recording; call reset() first")
        self._index = index = number_of(None)
        if _C.cuda_current_capture(index):
            raise RuntimeError("capture_begin(): another graph is being captured on this stream")
        for generator in (_random.gpu_generator(index), *self._registered):
            self._draws[generator] = [_new_place(index), 0]
        try:
            self._pool = _number_of_pool(pool)
            self._handle = _C.cuda_graph_begin(index, self._pool)
        except BaseException:
            self._give_places_back()
            raise
        self._capturing = True
        _random.recordings[self._handle] = self

    def capture_end(self):
        """Ends the recording."""
        if not self._capturing:
            raise RuntimeError("capture_end(): capture_begin() was not called")
        self._stop_recording()
        try:
            _C.cuda_graph_end(self._handle)
        except BaseException:
            self.reset()
            raise

    def _stop_recording(self):
        del _random.recordings[self._handle]
        self._capturing = False

    def _draws_on(self, generator):
        return generator in self._draws

    def _reserve(self, generator, counters):
        """(address of the generator's place, first counter from the start of the recording)."""
        draw = self._draws.get(generator)
        if draw is None:
            raise RuntimeError(
                "a random function was captured in a CUDA graph with a generator that the graph does "
                "not know; call CUDAGraph.register_generator_state(generator) before the capture"
            )
        first = draw[1]
        draw[1] = first + counters
        return draw[0].data_ptr(), first

    def replay(self):
        """Runs the recorded work on the current stream."""
        if not self._handle or self._capturing:
            raise RuntimeError("CUDAGraph.replay(): nothing was captured")
        for generator, (place, counters) in self._draws.items():
            if counters:
                _C.write_place(place, generator._key, generator._offset)
                generator._offset += counters
        _C.cuda_graph_replay(self._handle)

    def instantiate(self):
        """Nothing to do: the recording is made ready by capture_end().

        Raises:
            RuntimeError: without keep_graph, or nothing was captured.
        """
        if not self._keep_graph:
            raise RuntimeError("CUDAGraph.instantiate() is for graphs made with keep_graph=True")
        if not self._handle or self._capturing:
            raise RuntimeError("CUDAGraph.instantiate(): nothing was captured")

    def reset(self):
        """Forgets the recording; its memory goes back when no tensor uses it."""
        if self._capturing:
            self._stop_recording()
            _C.cuda_graph_abandon(self._handle)
        if self._handle:
            _C.cuda_graph_delete(self._handle)
        self._handle = 0
        self._give_places_back()

    def _give_places_back(self):
        # Not freed: a node of the recording that outlives it may still hold the address.
        for place, _ in self._draws.values():
            _spare_places[self._index].append(place)
        self._draws.clear()

    def pool(self):
        """An identifier of the graph's memory, for the captures of others."""
        if not self._handle:
            raise RuntimeError("CUDAGraph.pool(): nothing was captured")
        return (0, self._pool)

    def enable_debug_mode(self):
        """Not available."""
        raise NotImplementedError("CUDAGraph.enable_debug_mode(): graphs cannot be printed")

    def debug_dump(self, debug_path):
        """Not available."""
        raise NotImplementedError("CUDAGraph.debug_dump(): graphs cannot be printed")


class graph:
    """Context whose work is recorded instead of run.

    Args:
        cuda_graph: the CUDAGraph to record into.
        pool: memory to share with other graphs, as in CUDAGraph.capture_begin().
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
        self._pool, self._mode = pool, capture_error_mode
        self._context = StreamContext(stream)

    def __enter__(self):
        import gc

        # Blocks that the collector would free inside would belong to the recording.
        gc.collect()
        synchronize()
        self._context.__enter__()
        try:
            self._graph.capture_begin(self._pool, self._mode)
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
    return bool(_random.recordings) and _C.cuda_current_capture(number_of(None)) != 0


def graph_pool_handle():
    """A new identifier of memory that graphs can share."""
    return (0, next(_pools))

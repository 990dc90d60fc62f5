"""Streams and events: the order of work on a GPU."""

from __future__ import annotations

from .. import dtypes
from .._load import _C
from .device import number_of


class Stream:
    """A queue of work on a GPU. Work of one stream runs in order, streams run beside each other.

    Args:
        device: the GPU; None is the current one.
        priority: 0, or -1 for a stream that goes first.
    """

    __slots__ = ("__weakref__", "_index", "_owned", "cuda_stream", "priority")

    def __init__(self, device=None, priority=0, **_):
        self._index = number_of(device)
        self.priority = priority
        self.cuda_stream = _C.cuda_stream_new(self._index, priority)
        self._owned = True

    @classmethod
    def _of(cls, index, handle):
        """The object of a stream that is not ours to destroy."""
        self = cls.__new__(cls)
        self._index, self.cuda_stream, self._owned = index, handle, False
        self.priority = 0
        return self

    def __del__(self):
        if getattr(self, "_owned", False):
            _C.cuda_stream_delete(self._index, self.cuda_stream)

    @property
    def device(self):
        """The GPU that the stream belongs to."""
        return dtypes.device("cuda", self._index)

    @property
    def device_index(self):
        """Number of that GPU."""
        return self._index

    @property
    def stream_id(self):
        """A number for the stream."""
        return self.cuda_stream

    def query(self):
        """Whether all work that was given to the stream is done."""
        return _C.cuda_stream_query(self._index, self.cuda_stream)

    def synchronize(self):
        """Waits until the stream's work is done."""
        _C.cuda_stream_synchronize(self._index, self.cuda_stream)

    def record_event(self, event=None):
        """Records an event (a new one by default) behind the stream's work; returns it."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event):
        """Lets the stream's later work wait for an event."""
        if event.cuda_event:
            _C.cuda_stream_wait_event(self._index, self.cuda_stream, event.cuda_event)

    def wait_stream(self, stream):
        """Lets the stream's later work wait for all work that another one has now."""
        self.wait_event(stream.record_event())

    def __eq__(self, other):
        return (
            isinstance(other, Stream)
            and (self._index, self.cuda_stream) == (other._index, other.cuda_stream)
        )  # fmt: skip

    def __hash__(self):
        return hash((self._index, self.cuda_stream))

    def __repr__(self):
        return f"<minitorch.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class ExternalStream(Stream):
    """A stream that another library made and will destroy.

    Args:
        stream_ptr: its handle, an int.
        device: the GPU that it belongs to; None is the current one.
    """

    __slots__ = ()

    def __init__(self, stream_ptr, device=None):
        self._index = number_of(device)
        self.cuda_stream, self.priority, self._owned = int(stream_ptr), 0, False


class Event:
    """A mark in a stream's work, to wait for or to measure time with.

    Args:
        enable_timing: whether elapsed_time() may be asked.
        blocking: whether synchronize() sleeps instead of spinning.
    """

    __slots__ = ("__weakref__", "_blocking", "_index", "_timing", "cuda_event")

    def __init__(self, enable_timing=False, blocking=False, interprocess=False, external=False):
        if interprocess:
            raise NotImplementedError("Event(): events between processes are not supported")
        if external:
            raise NotImplementedError("Event(): external events of a graph are not supported")
        self._timing, self._blocking, self._index = enable_timing, blocking, None
        self.cuda_event = 0  # made when first recorded, on that stream's device

    def __del__(self):
        if getattr(self, "cuda_event", 0):
            _C.cuda_event_delete(self.cuda_event)

    def record(self, stream=None):
        """Puts the mark behind the work that a stream (the current one by default) has now."""
        stream = current_stream() if stream is None else stream
        if not self.cuda_event:
            self.cuda_event = _C.cuda_event_new(stream._index, self._timing, self._blocking)
            self._index = stream._index
        _C.cuda_event_record(stream._index, self.cuda_event, stream.cuda_stream)

    @property
    def device(self):
        """The GPU whose stream recorded the event first; None before."""
        return None if self._index is None else dtypes.device("cuda", self._index)

    def ipc_handle(self):
        """Not available: events are not shared between processes."""
        raise NotImplementedError("Event.ipc_handle(): events between processes are not supported")

    def __repr__(self):
        return f"<minitorch.cuda.Event {self.cuda_event:#x}>"

    def wait(self, stream=None):
        """Lets a stream (the current one by default) wait for the mark."""
        (current_stream() if stream is None else stream).wait_event(self)

    def query(self):
        """Whether the work before the mark is done."""
        return not self.cuda_event or _C.cuda_event_query(self.cuda_event)

    def synchronize(self):
        """Waits for the work before the mark."""
        if self.cuda_event:
            _C.cuda_event_synchronize(self.cuda_event)

    def elapsed_time(self, end_event):
        """Milliseconds from this mark to another.

        Raises:
            RuntimeError: an event without timing, not recorded, or not yet reached.
        """
        if not (self._timing and end_event._timing):
            raise RuntimeError("elapsed_time(): both events need enable_timing=True")
        if not (self.cuda_event and end_event.cuda_event):
            raise RuntimeError("elapsed_time(): both events must be recorded first")
        return _C.cuda_event_elapsed(self.cuda_event, end_event.cuda_event)


def current_stream(device=None):
    """The stream that work is given to."""
    index = number_of(device)
    return Stream._of(index, _C.cuda_current_stream(index))


def default_stream(device=None):
    """The stream that is current where no other was chosen."""
    return Stream._of(number_of(device), 0)


def get_stream_from_external(data_ptr, device=None):
    """The stream of a handle that another library made."""
    return ExternalStream(data_ptr, device)


def set_stream(stream):
    """Makes a stream the current one of its device, for this thread."""
    if stream is not None:
        _C.cuda_set_stream(stream._index, stream.cuda_stream)


class StreamContext:
    """Context in which a stream, and its device, are current; None changes nothing."""

    __slots__ = ("_before", "_device", "stream")

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        if self.stream is not None:
            index = self.stream._index
            self._device = _C.cuda_current_device()
            self._before = _C.cuda_current_stream(index)
            _C.cuda_set_device(index)
            _C.cuda_set_stream(index, self.stream.cuda_stream)
        return self.stream

    def __exit__(self, *exception):
        if self.stream is not None:
            _C.cuda_set_stream(self.stream._index, self._before)
            _C.cuda_set_device(self._device)
        return False


def stream(stream):
    """Context in which a stream is the current one."""
    return StreamContext(stream)

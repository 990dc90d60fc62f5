"""How a batch travels from a worker process to the parent.

The objects go through a pipe as a pickle; the bytes of tensors and arrays go through shared memory that both
processes keep mapped and reuse, so that no batch pays for fresh pages. The memory is a file without a name:
the kernel frees it when the last process that has it open ends, however that process ends.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle

import minitorch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ALIGN = 64


class SharedMemory:
    """Growing anonymous memory, shared with child processes (by fork, or by pickling while one is spawned)."""

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self._fd = os.memfd_create("minitorch-batch")
        else:
            import tempfile

            with tempfile.TemporaryFile() as file:
                self._fd = os.dup(file.fileno())
        self._map: mmap.mmap | None = None

    def buffer(self, size: int) -> mmap.mmap:
        """The memory, mapped here with at least ``size`` bytes."""
        if self._map is None or len(self._map) < size:
            capacity = os.fstat(self._fd).st_size
            if capacity < size:
                capacity = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
                os.ftruncate(self._fd, capacity)
            self._map = mmap.mmap(self._fd, capacity)
        return self._map

    def close(self) -> None:
        """Unmap and close in this process."""
        self._map = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __getstate__(self) -> Any:
        from multiprocessing import reduction

        return reduction.DupFd(self._fd)  # type: ignore[attr-defined]

    def __setstate__(self, handle: Any) -> None:
        self._fd = handle.detach()
        self._map = None


class _Packer(pickle.Pickler):
    """Pickler that puts tensors aside and leaves (offset, dtype, shape) in their place.

    It must not be part of a reference cycle (through a bound method, say): its memo holds the whole batch, whose memory
    is wanted back at once and not when the collector comes round.
    """

    def __init__(self, file: io.BytesIO, buffers: list[pickle.PickleBuffer]) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffers.append)
        self.chunks: list[tuple[int, memoryview]] = []
        self.size = 0

    def add(self, data: memoryview) -> int:
        """Plan a place for some bytes and return its offset."""
        offset = -(-self.size // _ALIGN) * _ALIGN
        self.chunks.append((offset, data))
        self.size = offset + data.nbytes
        return offset

    def persistent_id(self, obj: Any) -> Any:
        if type(obj) is not minitorch.Tensor:
            return None
        tensor = obj.detach().cpu().contiguous()
        dtype = str(tensor.dtype).rpartition(".")[2]
        shape = tuple(tensor.shape)
        if tensor.numel() == 0:
            return (0, dtype, shape)
        array = (tensor.view(minitorch.int16) if dtype == "bfloat16" else tensor).numpy()
        return (self.add(memoryview(array.reshape(-1).view("uint8"))), dtype, shape)


class _Unpacker(pickle.Unpickler):
    def __init__(
        self, file: io.BytesIO, memory: mmap.mmap | None, buffers: list[bytearray]
    ) -> None:
        super().__init__(file, buffers=buffers)
        self._memory = memory

    def persistent_load(self, pid: Any) -> Any:
        import numpy as np

        offset, dtype, shape = pid
        count = 1
        for n in shape:
            count *= n
        if count == 0:
            return minitorch.empty(shape, dtype=getattr(minitorch, dtype))
        stored = "int16" if dtype == "bfloat16" else dtype
        array = np.frombuffer(self._memory, stored, count, offset)  # type: ignore[arg-type]
        tensor = minitorch.from_numpy(array.reshape(shape)).clone()
        return tensor.view(minitorch.bfloat16) if dtype == "bfloat16" else tensor


def pack(obj: Any, memory: SharedMemory) -> bytes:
    """Write the tensors and arrays of ``obj`` to memory and return the rest as a message."""
    file = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    packer = _Packer(file, buffers)
    packer.dump(obj)
    layout = []
    for buffer in buffers:
        view = memoryview(buffer)
        data = buffer.raw() if view.contiguous else memoryview(view.tobytes())
        layout.append((packer.add(data), data.nbytes))
    if packer.size:
        target = memoryview(memory.buffer(packer.size))
        for offset, data in packer.chunks:
            target[offset : offset + data.nbytes] = data
        target.release()
    return pickle.dumps((packer.size, layout, file.getvalue()))


def unpack(message: bytes, memory: SharedMemory) -> Any:
    """The object of a message, its tensors and arrays copied out of memory."""
    size, layout, data = pickle.loads(message)
    mapped = memory.buffer(size) if size else None
    buffers = [bytearray(mapped[at : at + n]) for at, n in layout] if mapped else []
    return _Unpacker(io.BytesIO(data), mapped, buffers).load()

"""Generators of random numbers: the state is a seed and a count of Philox counters used so far."""

from __future__ import annotations

from ._load import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .cuda import CUDAGraph

_MASK = (1 << 64) - 1
DEFAULT_SEED = 67280421310721
_RELATIVE = -(1 << 63)  # kRelativePlace of csrc/ops/random.h, as an int64

# The CUDAGraphs that are being recorded, by handle.
recordings: dict[int, CUDAGraph] = {}


def _signed(value):
    """A 64-bit number as the int64 that the extension takes."""
    return value - (1 << 64) if value >> 63 else value


class Generator:
    """A stream of random numbers, for the generator= argument of random functions.

    Args:
        device: where the tensors live; the numbers do not depend on it.

    >>> import minitorch
    >>> g = minitorch.Generator().manual_seed(0)
    >>> bool((minitorch.rand(3, generator=g) == minitorch.rand(3, generator=g.manual_seed(0))).all())
    True
    """

    __slots__ = ("__weakref__", "_key", "_offset", "_seed", "device")

    def __init__(self, device="cpu"):
        from .dtypes import device as make_device

        self.device = make_device(device)
        self.manual_seed(DEFAULT_SEED)

    def manual_seed(self, seed):
        """Restarts the stream at a seed; returns the generator.

        Args:
            seed: an int; its lower 64 bits count.
        """
        if not -(1 << 63) <= seed <= _MASK:
            raise RuntimeError(f"manual_seed(): Overflow when unpacking long: {seed}")
        if recordings and seed & _MASK != self._seed:
            self._check_not_recorded("manual_seed")
        self._seed = int(seed) & _MASK
        self._key = _signed(self._seed)
        self._offset = 0
        return self

    def seed(self):
        """Restarts the stream at a seed from the operating system, which is returned."""
        import os

        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self):
        """The seed that the stream was started with."""
        return self._seed

    def get_state(self):
        """The state as a uint8 tensor of 16 bytes."""
        if recordings:
            self._check_not_recorded("get_state")
        pair = _C.from_sequence((self._key, self._offset), _C.int64, _C.float32)
        return _C.view_dtype(pair, _C.uint8)

    def set_state(self, new_state):
        """Continues where get_state() was called.

        Raises:
            TypeError: not a uint8 tensor.
            RuntimeError: of another size than get_state() gives.
        """
        if not isinstance(new_state, _C.TensorBase) or new_state.dtype is not _C.uint8:
            raise TypeError("set_state(): RNG state must be a minitorch.uint8 tensor")
        if new_state.numel() != 16:
            raise RuntimeError(
                f"set_state(): RNG state is wrong size: {new_state.numel()} bytes, expected 16"
            )
        if recordings:
            self._check_not_recorded("set_state")
        # A copy: a view's bytes need not be aligned.
        key, offset = _C.tolist(_C.view_dtype(_C.clone(new_state, False), _C.int64))
        if offset < 0:
            raise RuntimeError("set_state(): not a state of a generator")
        self._key, self._offset = key, offset
        self._seed = key & _MASK
        return self

    def clone_state(self):
        """A generator that will give the same numbers as this one."""
        other = Generator(self.device)
        other._seed, other._key, other._offset = self._seed, self._key, self._offset
        return other

    def reserve(self, words):
        """Takes the counters for `words` 32-bit numbers; returns (key, first counter) for a kernel.

        While a GPU's stream is captured they are relative to what the generator will have in a replay.
        """
        if recordings and self.device.type == "cuda":
            recording = self._recording()
            if recording is not None:
                address, offset = recording._reserve(self, words + 63 >> 6 << 4)
                return address, offset + _RELATIVE
        offset = self._offset
        self._offset = offset + (words + 63 >> 6 << 4)
        return self._key, offset

    def _recording(self):
        """The CUDAGraph that the current stream is captured into, or None."""
        index = self.device.index
        if index is None:
            index = _C.cuda_current_device()
        recording = recordings.get(_C.cuda_current_capture(index))
        if recording is None and any(r._draws_on(self) for r in recordings.values()):
            raise RuntimeError(
                "a generator whose numbers are recorded in a CUDA graph was used on a stream that "
                "is not captured"
            )
        return recording

    def _check_not_recorded(self, name):
        if any(r._draws_on(self) for r in recordings.values()):
            raise RuntimeError(
                f"Generator.{name}(): not while a CUDA graph that draws on the generator is captured"
            )

    def __getstate__(self):
        return self._seed, self._offset, str(self.device)

    def __setstate__(self, state):
        seed, offset, device = state
        self.__init__(device)
        self.manual_seed(seed)
        self._offset = offset

    def __reduce__(self):
        return _unpickle, (self.__getstate__(),)

    def __repr__(self):
        return f"Generator(device={self.device!r}, seed={self._seed})"


def _unpickle(state):
    generator = Generator.__new__(Generator)
    generator.__setstate__(state)
    return generator


default_generator = Generator()
gpu_generators: list[Generator] = []  # one per GPU, made when first asked for
_gpu_seed = DEFAULT_SEED  # what a generator that is not made yet starts with


def gpu_generator(index):
    """The default generator of a GPU."""
    while len(gpu_generators) <= index:
        generator = Generator(f"cuda:{len(gpu_generators)}").manual_seed(_gpu_seed)
        gpu_generators.append(generator)
    return gpu_generators[index]


def seed_gpus(seed):
    """Restarts the generators of all GPUs, also of those that are not made yet."""
    global _gpu_seed
    _gpu_seed = seed
    for generator in gpu_generators:
        generator.manual_seed(seed)


def generator_of(t):
    """The default generator of the device that a tensor lies on."""
    device = t.device
    return default_generator if device.type == "cpu" else gpu_generator(device.index)


def manual_seed(seed):
    """Restarts the default generators, on which all random functions draw, at a seed. A GPU's
    generator then gives the same numbers as the CPU's.

    Args:
        seed: an int.

    Returns:
        The default generator.
    """
    seed_gpus(int(seed))
    return default_generator.manual_seed(int(seed))


def seed():
    """Restarts the default generator at a seed from the operating system; returns that seed."""
    return default_generator.seed()


def initial_seed():
    """The seed that the default generator was started with."""
    return default_generator.initial_seed()


def get_rng_state():
    """The default generator's state, a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state):
    """Continues the default generator where get_rng_state() was called."""
    default_generator.set_state(new_state)


class fork_rng:  # noqa: N801
    """Context in which random numbers are drawn without moving the default generators: the CPU's
    and those of GPUs.

    Args:
        devices: GPUs, as numbers or devices; all by default.
        enabled: False makes the context do nothing.
        device_type: "cuda", or "cpu" for the CPU alone.
    """

    __slots__ = ("devices", "enabled", "states")

    def __init__(self, devices=None, enabled=True, device_type="cuda", **unused):
        self.enabled = enabled
        self.states = []
        if device_type not in ("cuda", "cpu"):
            raise RuntimeError(f"minitorch has no module of `{device_type}`")
        if device_type == "cpu" or not enabled:
            self.devices = []
        elif devices is None:
            self.devices = list(range(_C.cuda_device_count()))
        else:
            from .cuda.device import number_of

            self.devices = [number_of(d) for d in devices]

    def __enter__(self):
        if self.enabled:
            generators = [default_generator, *(gpu_generator(i) for i in self.devices)]
            self.states = [(g, g.get_state()) for g in generators]

    def __exit__(self, *error):
        for generator, state in self.states:
            generator.set_state(state)

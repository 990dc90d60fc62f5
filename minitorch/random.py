"""Generators of random numbers, and the global one.

Numbers are counter-based (Philox 4x32-10): a generator is a seed and a position, and element i of a
random tensor depends on these two and on i only, so the same seed gives the same bits for any number
of threads.
"""

from __future__ import annotations

from ._load import _C

_MASK = (1 << 63) - 1


class Generator:
    """A stream of random numbers.

    Args:
        device: accepted for compatibility; the numbers are the same on every device.
    """

    __slots__ = ("_offset", "_seed", "device")

    def __init__(self, device="cpu"):
        from .dtypes import device as make_device

        self.device = make_device(device)
        self._seed = 67280421310721
        self._offset = 0

    def manual_seed(self, seed):
        """Starts the stream of `seed` from its beginning; returns the generator."""
        seed = int(seed)
        if not -(1 << 63) <= seed < 1 << 64:
            raise RuntimeError(f"manual_seed(): overflow when unpacking long: {seed}")
        self._seed = seed - (1 << 64) if seed > _MASK else seed
        self._offset = 0
        return self

    def seed(self):
        """Seeds from the operating system's randomness; returns the seed."""
        import os

        seed = int.from_bytes(os.urandom(8), "little") & _MASK
        self.manual_seed(seed)
        return seed

    def initial_seed(self):
        """The seed of the stream."""
        return self._seed

    def get_state(self):
        """Seed and position as a uint8 tensor of 16 bytes."""
        data = self._seed.to_bytes(8, "little", signed=True) + self._offset.to_bytes(8, "little")
        return _C.from_sequence(tuple(data), _C.uint8, _C.float32)

    def set_state(self, new_state):
        """Continues where get_state() was taken; returns the generator."""
        data = bytes(new_state.tolist())
        if len(data) != 16:
            raise RuntimeError(f"set_state(): expected a state of 16 bytes, got {len(data)}")
        self._seed = int.from_bytes(data[:8], "little", signed=True)
        self._offset = int.from_bytes(data[8:], "little")
        return self

    def clone_state(self):
        """A generator that gives the same numbers from here on."""
        other = Generator(self.device)
        other._seed, other._offset = self._seed, self._offset
        return other

    def fill(self, kernel, *args):
        """Runs a filling kernel (tensor, seed, offset, ...) and moves on by what it took."""
        self._offset += kernel(args[0], self._seed, self._offset, *args[1:])

    def __getstate__(self):
        return (self._seed, self._offset)

    def __setstate__(self, state):
        self.__init__()
        self._seed, self._offset = state


default_generator = Generator()


def manual_seed(seed):
    """Seeds the global generator; returns it."""
    return default_generator.manual_seed(seed)


def seed():
    """Seeds the global generator from the operating system's randomness; returns the seed."""
    return default_generator.seed()


def initial_seed():
    """The seed of the global generator."""
    return default_generator.initial_seed()


def get_rng_state():
    """State of the global generator, a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state):
    """Sets the state of the global generator."""
    default_generator.set_state(new_state)


class fork_rng:
    """Context manager after which the global generator is where it was before."""

    def __init__(self, devices=None, enabled=True):
        self.enabled = enabled

    def __enter__(self):
        self._state = (default_generator._seed, default_generator._offset)

    def __exit__(self, *exc):
        if self.enabled:
            default_generator._seed, default_generator._offset = self._state

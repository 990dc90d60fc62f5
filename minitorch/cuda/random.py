"""The generators of the GPUs. With the same seed and the same calls they give the CPU's numbers."""

from __future__ import annotations

from ..random import Generator, gpu_generator, seed_gpus
from .device import device_count, is_available, number_of


def manual_seed(seed):
    """Seeds the current GPU's generator; without a GPU, the one that it would start with."""
    if is_available():
        gpu_generator(number_of(None)).manual_seed(int(seed))
    else:
        manual_seed_all(seed)


def manual_seed_all(seed):
    """Seeds every GPU's generator."""
    seed_gpus(int(seed))


def seed():
    """Seeds the current GPU's generator from the operating system."""
    gpu_generator(number_of(None)).seed()


def seed_all():
    """Seeds every GPU's generator with one number from the operating system."""
    manual_seed_all(Generator().seed())


def initial_seed():
    """The seed that the current GPU's generator was started with."""
    return gpu_generator(number_of(None)).initial_seed()


def get_rng_state(device="cuda"):
    """State of a GPU's generator, as a uint8 CPU tensor."""
    return gpu_generator(number_of(device)).get_state()


def set_rng_state(new_state, device="cuda"):
    """Continues a GPU's generator where get_rng_state() was called."""
    gpu_generator(number_of(device)).set_state(new_state)


def get_rng_state_all():
    """The states of all GPUs."""
    return [get_rng_state(i) for i in range(device_count())]


def set_rng_state_all(new_states):
    """Sets the states of all GPUs."""
    for i, state in enumerate(new_states):
        set_rng_state(state, i)

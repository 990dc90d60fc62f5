"""Random tensors and in-place random fills; minitorch/random.py has the generators."""

from __future__ import annotations

from .. import dtypes, random
from .._load import _C
from ..autograd import inplace as _inplace
from ._register import FUNCTIONS, Node, function, method, op, record, write_out
from .create import finish, sizes_of

_Tensor = _C.TensorBase
_default = random.default_generator

for _name in ("manual_seed", "seed", "initial_seed", "get_rng_state", "set_rng_state"):
    FUNCTIONS[_name] = getattr(random, _name)
FUNCTIONS["Generator"] = random.Generator
FUNCTIONS["default_generator"] = random.default_generator


class Filled(Node):
    """x overwritten with numbers that do not depend on it"""

    __slots__ = ()

    def backward(self, dy):
        return _C.full(dy.shape, 0, dy.dtype, dy.device)


def _fill_(x, name, generator, kernel, *args):
    """Runs a filling kernel on x, which may be part of a graph."""
    tracked = _inplace.tracked(x)
    if tracked or x._inference:
        _inplace.check(x, name)
    (generator or _default).fill(kernel, x, *args)
    if tracked:
        if x._base is None:
            record(Filled, x, (x,))
        else:
            _inplace.rebase(x, x.detach())
    return x


def _new(size, dtype, device):
    return _C.empty(sizes_of(size), dtype or dtypes._default_dtype, device)


def _floating(t, name):
    if not t.dtype.is_floating_point:
        raise RuntimeError(f'{name}(): "{name}" not implemented for {t.dtype}')
    return t


@function
def rand(*size, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False,
         pin_memory=False, **kwargs):  # fmt: skip
    """Uniform numbers in [0, 1).

    Args:
        size: sizes, as arguments or a sequence.
        generator: the stream to draw from; the global one where None.
    """
    t = _floating(_new(kwargs.get("size", size), dtype, device), "rand")
    (generator or _default).fill(_C.random_uniform, t, 0.0, 1.0)
    return finish(t, requires_grad, out, "rand")


@function
def randn(*size, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False,
          pin_memory=False, **kwargs):  # fmt: skip
    """Standard normal numbers.

    Args:
        size: sizes, as arguments or a sequence.
        generator: the stream to draw from; the global one where None.
    """
    t = _floating(_new(kwargs.get("size", size), dtype, device), "randn")
    (generator or _default).fill(_C.random_normal, t, 0.0, 1.0)
    return finish(t, requires_grad, out, "randn")


@function
def rand_like(input, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False,
              memory_format=None):  # fmt: skip
    """Uniform numbers in [0, 1) in the shape and dtype of input."""
    return rand(*input.shape, generator=generator, dtype=dtype or input.dtype, requires_grad=requires_grad)


@function
def randn_like(input, *, generator=None, dtype=None, layout=None, device=None, requires_grad=False,
               memory_format=None):  # fmt: skip
    """Standard normal numbers in the shape and dtype of input."""
    return randn(*input.shape, generator=generator, dtype=dtype or input.dtype, requires_grad=requires_grad)


@function
def randint(low=0, high=None, size=None, *, generator=None, out=None, dtype=None, layout=None, device=None,
            requires_grad=False, pin_memory=False):  # fmt: skip
    """Integers in [low, high).

    Args:
        low, high: bounds; randint(high, size) starts at 0.
        size: sizes.
        dtype: int64 by default.
    """
    if size is None:
        low, high, size = 0, low, high
    if isinstance(high, (tuple, list)):
        low, high, size = 0, low, high
    t = _C.empty(tuple(size), dtype or _C.int64, device)
    (generator or _default).fill(_C.random_integers, t, int(low), int(high), False)
    return finish(t, requires_grad, out, "randint")


@function
def randint_like(input, low=0, high=None, *, dtype=None, layout=None, device=None, requires_grad=False,
                 memory_format=None):  # fmt: skip
    """Integers in [low, high) in the shape and dtype of input."""
    if high is None:
        low, high = 0, low
    return randint(low, high, input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


@function
def randperm(n, *, generator=None, out=None, dtype=None, layout=None, device=None, requires_grad=False,
             pin_memory=False):  # fmt: skip
    """A random order of 0 ... n - 1."""
    if n < 0:
        raise RuntimeError(f"randperm(): n must be non-negative, got {n}")
    t = _C.empty((n,), _C.int64, device)
    (generator or _default).fill(_C.random_permutation, t)
    if dtype is not None and dtype is not _C.int64:
        t = t.to(dtype)
    return finish(t, requires_grad, out, "randperm")


@function
def normal(mean=0.0, std=1.0, size=None, *, generator=None, out=None, dtype=None, device=None,
           requires_grad=False):  # fmt: skip
    """Normal numbers.

    Args:
        mean, std: numbers (then size is needed) or tensors, one per element.
    """
    if not isinstance(mean, _Tensor) and not isinstance(std, _Tensor):
        if std < 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
        t = _new(tuple(size), dtype, device)
        (generator or _default).fill(_C.random_normal, t, float(mean), float(std))
        return finish(t, requires_grad, out, "normal")
    shape = (mean + std).shape if size is None else size
    tensor = mean if isinstance(mean, _Tensor) else std
    z = randn(*shape, generator=generator, dtype=tensor.dtype)
    return finish(z * std + mean, requires_grad, out, "normal")


@method
def uniform_(self, from_=0.0, to=1.0, *, generator=None, **kwargs):
    """Overwrites the tensor with uniform numbers in [from, to)."""
    from_ = kwargs.get("from", from_)
    if from_ > to:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={from_} > to={to}")
    return _fill_(self, "uniform_", generator, _C.random_uniform, float(from_), float(to))


@method
def normal_(self, mean=0.0, std=1.0, *, generator=None):
    """Overwrites the tensor with normal numbers."""
    if std < 0:
        raise RuntimeError(f"normal_ expects std >= 0.0, but found std {std}")
    return _fill_(self, "normal_", generator, _C.random_normal, float(mean), float(std))


@method
def log_normal_(self, mean=1.0, std=2.0, *, generator=None):
    """Overwrites the tensor with the exponentials of normal numbers."""
    if std <= 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")
    return _fill_(self, "log_normal_", generator, _C.random_log_normal, float(mean), float(std))


@method
def exponential_(self, lambd=1.0, *, generator=None):
    """Overwrites the tensor with exponentially distributed numbers of rate lambd."""
    if lambd <= 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    return _fill_(self, "exponential_", generator, _C.random_exponential, float(lambd), 0.0)


@method
def cauchy_(self, median=0.0, sigma=1.0, *, generator=None):
    """Overwrites the tensor with Cauchy distributed numbers."""
    if sigma <= 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")
    return _fill_(self, "cauchy_", generator, _C.random_cauchy, float(median), float(sigma))


@method
def geometric_(self, p, *, generator=None):
    """Overwrites the tensor with the numbers of trials until the first success."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    if self.dtype.is_floating_point:
        return _fill_(self, "geometric_", generator, _C.random_geometric, float(p), 0.0)
    return self.copy_(_C.empty(self.shape, _C.float64, None).geometric_(p, generator=generator))


@method
def random_(self, from_=0, to=None, *, generator=None, **kwargs):
    """Overwrites the tensor with integers in [from, to), or all that the dtype holds exactly."""
    from_ = kwargs.get("from", from_)
    if to is None and from_ != 0 and "from" not in kwargs:
        from_, to = 0, from_
    if to is None:
        name = self.dtype.__reduce__()
        exact = {"float32": 24, "float64": 53, "float16": 11, "bfloat16": 8, "bool": 1}
        to = (1 << exact[name]) + (name != "bool") if name in exact else dtypes.iinfo(self.dtype).max
    return _fill_(self, "random_", generator, _C.random_integers, int(from_), int(to), False)


def _check_probability(p, name):
    if not 0 <= p <= 1:
        raise RuntimeError(f"{name} expects p to be in [0, 1], but got p={p}")


@method
def bernoulli_(self, p=0.5, *, generator=None):
    """Overwrites the tensor with 1 (probability p) or 0.

    Args:
        p: a number or a tensor of probabilities.
    """
    if isinstance(p, _Tensor):
        return self.copy_(bernoulli(p.expand(self.shape).contiguous(), generator=generator))
    _check_probability(p, "bernoulli_")
    if self.dtype.is_floating_point:
        return _fill_(self, "bernoulli_", generator, _C.random_bernoulli, float(p), 0.0)
    return self.copy_(_C.empty(self.shape, _C.float32, None).bernoulli_(p, generator=generator))


@op
def bernoulli(input, p=None, *, generator=None, out=None):
    """1 with the probability that input holds, else 0.

    Raises:
        RuntimeError: a probability outside of [0, 1].
    """
    if p is not None:
        y = input.detach().clone().bernoulli_(p, generator=generator)
    else:
        x = _floating(input.detach(), "bernoulli")
        if x.numel() and not bool(((x >= 0) & (x <= 1)).all()):
            raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
        y = (rand(*x.shape, generator=generator, dtype=_C.float32) < x).to(x.dtype)
    if input.requires_grad and _C.is_grad_enabled():
        record(Filled, y, (input,))
    return y if out is None else write_out(out, y, "bernoulli")


@op
def poisson(input, generator=None):
    """Poisson distributed numbers with the rates that input holds."""
    import numpy as np

    g = generator or _default
    rng = np.random.Generator(np.random.Philox(key=g._seed & ((1 << 64) - 1), counter=g._offset))
    g._offset += input.numel()
    rates = input.detach().double().numpy()
    return FUNCTIONS["tensor"](rng.poisson(rates).astype("float64")).to(input.dtype)


@op
def multinomial(input, num_samples, replacement=False, *, generator=None, out=None):
    """Indices drawn with the (unnormalised) probabilities of each row.

    Args:
        input: [k] or [rows, k], non-negative.
        num_samples: draws per row.
        replacement: whether an index can be drawn twice.

    Returns:
        int64 indices, [num_samples] or [rows, num_samples].
    """
    p = _floating(input.detach(), "multinomial")
    if p.dim() not in (1, 2):
        raise RuntimeError(f"multinomial(): prob_dist must be 1 or 2 dim, got shape {tuple(p.shape)}")
    if num_samples <= 0:
        raise RuntimeError("multinomial(): cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > p.shape[-1]:
        raise RuntimeError(
            "multinomial(): cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )
    if p.numel() and not bool((p.isfinite() & (p >= 0)).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if bool((p.sum(-1) <= 0).any()):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    p = p.float() if p.dtype is not _C.float64 else p
    if replacement:
        edges = p.cumsum(-1)
        edges = edges / edges.narrow(-1, edges.shape[-1] - 1, 1)
        u = rand(*p.shape[:-1], num_samples, generator=generator, dtype=p.dtype)
        y = FUNCTIONS["searchsorted"](edges, u, right=True)
        # A category of probability zero at the end must not be reached by rounding.
        last = (p > 0).to(_C.int64) * _C.arange(0, p.shape[-1], 1, _C.int64, None)
        y = y.minimum(last.amax(-1, keepdim=True))
    else:
        # The largest of p / exponential is distributed as p, and so are those that follow it.
        q = _C.empty(p.shape, p.dtype, None).exponential_(generator=generator)
        y = (p / q).topk(num_samples, -1)[1]
    return y if out is None else write_out(out, y, "multinomial")

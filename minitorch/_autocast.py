"""What autocast does to an op's arguments.

Ops ask `enabled` before anything else, which costs nothing while no autocast is active. The products
that dominate a model's time then run in a 16-bit dtype, ops that lose too much there in float32:

    low(*tensors)              the arguments in the context's 16-bit dtype
    float32(name, *tensors)    in float32, where the device's list has the op
    dtype_of(name, x, dtype)   the dtype= of ops that have one

ops/__init__.py puts the same around the ops that do not ask themselves (`wrap`).
"""

from __future__ import annotations

from _thread import _local, allocate_lock

from ._load import _C

_Tensor = _C.TensorBase


def _names(text):
    return frozenset(text.split())


enabled = 0  # active contexts of all threads

# Products, by what they are named in FUNCTIONS, METHODS and FUNCTIONAL.
LOW = _names("""matmul mm bmm mv addmm addmv addbmm baddbmm linear chain_matmul multi_dot vecdot
    conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d prelu
    scaled_dot_product_attention""")
LOW_CUDA_ONLY = _names("mv addmv chain_matmul multi_dot")

FLOAT32 = {
    "cuda": _names("""acos asin arccos arcsin cosh sinh tan exp expm1 log
        log10 log2 log1p reciprocal rsqrt erfinv pow float_power binary_cross_entropy_with_logits
        cosine_embedding_loss cosine_similarity cdist pdist dist renorm norm cross_entropy nll_loss
        group_norm layer_norm hinge_embedding_loss kl_div l1_loss mse_loss huber_loss smooth_l1_loss
        soft_margin_loss margin_ranking_loss multilabel_margin_loss multi_margin_loss
        poisson_nll_loss gaussian_nll_loss triplet_margin_loss softplus softmin logsumexp
        normalize"""),
    "cpu": _names("""avg_pool3d binary_cross_entropy grid_sample prod quantile nanquantile cdist trace
        mse_loss cosine_embedding_loss nll_loss ctc_loss poisson_nll_loss smooth_l1_loss
        cross_entropy l1_loss huber_loss margin_ranking_loss soft_margin_loss
        triplet_margin_loss multi_margin_loss hinge_embedding_loss kl_div
        multilabel_soft_margin_loss gaussian_nll_loss binary_cross_entropy_with_logits
        multilabel_margin_loss replication_pad2d"""),
}
# With a dtype= that becomes float32 where none is given.
FLOAT32_DTYPE = {
    "cuda": _names("softmax log_softmax sum prod cumsum cumprod"),
    "cpu": frozenset(),
}
# Ops that ask `enabled` themselves.
ASKING = _names("""matmul mm bmm linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d
    scaled_dot_product_attention softmax log_softmax sum layer_norm cross_entropy pow""")
# Arguments of several dtypes meet in the widest one; other ops promote by themselves.
PROMOTED = _names("bilinear cross dot vdot grid_sample index_put scatter_add tensordot")
REFUSED = {
    "binary_cross_entropy": "binary_cross_entropy() is unsafe to autocast: its gradient overflows "
    "in float16. Combine the sigmoid and the loss in binary_cross_entropy_with_logits.",
}


class _State(_local):
    def __init__(self):
        self.on = {"cuda": False, "cpu": False}
        self.dtype = {"cuda": _C.float16, "cpu": _C.bfloat16}
        self.nesting = 0
        self.cache_enabled = True
        self.cache = {}  # id of a parameter -> (parameter, version, its 16-bit copy)


state = _State()
_lock = allocate_lock()


def switch(device_type, on):
    """Turns autocast on or off for this thread."""
    global enabled
    if state.on[device_type] != on:
        state.on[device_type] = on
        with _lock:
            enabled += 1 if on else -1


def device_type_of(value):
    """The device type of the first tensor in an argument (or a list of them), or None."""
    if isinstance(value, _Tensor):
        return value.device.type
    if value.__class__ in (list, tuple):
        for v in value:
            found = device_type_of(v)
            if found is not None:
                return found
    return None


def cast(value, dtype, device_type):
    """value, a tensor or a list of them, in dtype where autocast may change it."""
    if not isinstance(value, _Tensor):
        if value.__class__ in (list, tuple):
            return value.__class__([cast(v, dtype, device_type) for v in value])
        return value
    have = value.dtype
    if have is dtype or not have.is_floating_point or have is _C.float64:
        return value
    if value.device.type != device_type:
        return value
    if (
        dtype is not _C.float32
        and have is _C.float32
        and value.requires_grad
        and value.is_leaf
        and value._base is None
        and state.cache_enabled
        and _C.is_grad_enabled()
    ):
        seen = state.cache.get(id(value))
        if seen is None or seen[1] != value._version or seen[2].dtype is not dtype:
            seen = state.cache[id(value)] = (value, value._version, value.to(dtype))
        return seen[2]
    return value.to(dtype)


def _context(values):
    """The device type whose context applies to an op on these arguments, or None."""
    for v in values:
        found = device_type_of(v)
        if found is not None:
            return found if state.on.get(found) else None
    return None


def low(*values):
    """The arguments of a product in the context's dtype."""
    device_type = _context(values)
    if device_type is None:
        return values
    dtype = state.dtype[device_type]
    return tuple([cast(v, dtype, device_type) for v in values])


def float32(name, *values):
    """The arguments in float32 where the list of the context's device has the op."""
    device_type = _context(values)
    if device_type is None or name not in FLOAT32[device_type]:
        return values
    return tuple([cast(v, _C.float32, device_type) for v in values])


def dtype_of(name, x, dtype):
    """float32 for a dtype= that was not given, where the list has the op."""
    if dtype is not None or not x.dtype.is_floating_point or x.dtype is _C.float64:
        return dtype
    device_type = _context((x,))
    listed = device_type is not None and name in FLOAT32_DTYPE[device_type]
    return _C.float32 if listed else dtype


def _widest(values):
    found = None
    for v in values:
        if v.__class__ in (list, tuple):
            dtype = _widest(v)
        else:
            dtype = v.dtype if isinstance(v, _Tensor) and v.dtype.is_floating_point else None
        if dtype is not None and dtype is not _C.float64:
            found = dtype if found is None or found is dtype else _C.float32
    return found


def _changed(name, device_type, args, kwargs):
    """An op's arguments under a context, or None where they stay as they are."""
    if device_type == "cuda" and name in REFUSED:
        raise RuntimeError(REFUSED[name])
    if name in FLOAT32_DTYPE[device_type]:
        x = args[0] if args else kwargs.get("input")
        given = kwargs.get("dtype") is not None or any(a.__class__ is _C.dtype for a in args[1:])
        if given or not isinstance(x, _Tensor) or x.dtype is _C.float64:
            return None
        return (args, {**kwargs, "dtype": _C.float32}) if x.dtype.is_floating_point else None
    if name in LOW:
        if device_type == "cpu" and name in LOW_CUDA_ONLY:
            return None
        dtype = state.dtype[device_type]
    elif name in FLOAT32[device_type]:
        dtype = _C.float32
    elif name in PROMOTED:
        dtype = _widest((*args, *kwargs.values()))
        if dtype is None:
            return None
    else:
        return None
    return (
        [cast(a, dtype, device_type) for a in args],
        {k: cast(v, dtype, device_type) for k, v in kwargs.items()},
    )


def wrap(name, f):
    """f under autocast: its arguments are cast, and what it is made of runs without."""
    import functools

    @functools.wraps(f)
    def run(*args, **kwargs):
        if not enabled:
            return f(*args, **kwargs)
        device_type = _context((*args, *kwargs.values()))
        if device_type is None:
            return f(*args, **kwargs)
        changed = _changed(name, device_type, args, kwargs)
        if changed is None:
            return f(*args, **kwargs)
        switch(device_type, False)
        try:
            return f(*changed[0], **changed[1])
        finally:
            switch(device_type, True)

    return run


def wrap_all(*tables):
    """Puts `wrap` around what the tables hold under a listed name, except for ops that ask."""
    names = LOW.union(PROMOTED, REFUSED, *FLOAT32.values(), *FLOAT32_DTYPE.values())
    done = {}
    for name in names - ASKING:
        for table in tables:
            f = table.get(name)
            if f is not None and not getattr(f, "asks_autocast", False):
                table[name] = done.get(f) or done.setdefault(f, wrap(name, f))

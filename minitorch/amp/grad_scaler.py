"""Scaling of the loss, so that float16 gradients do not vanish."""

from __future__ import annotations

from enum import Enum

from .._load import _C

_Tensor = _C.TensorBase


class OptState(Enum):
    """What has been done to an optimizer's gradients since the last update()."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


class GradScaler:
    """Multiplies the loss by a scale, divides the gradients by it, and skips steps that overflowed.

    The scale is halved after a step with an infinity or NaN among the gradients and doubled after
    growth_interval steps without.

    Args:
        device: where the scale lives: "cuda" or "cpu".
        init_scale: the scale at first.
        growth_factor: above 1.
        backoff_factor: below 1.
        growth_interval: steps.
        enabled: False makes all methods do nothing, and step() the optimizer's step.

    >>> import minitorch
    >>> scaler = minitorch.amp.GradScaler("cpu", init_scale=4.0)
    >>> float(scaler.scale(minitorch.ones(())))
    4.0
    """

    def __init__(
        self,
        device="cuda",
        init_scale=2.0**16,
        growth_factor=2.0,
        backoff_factor=0.5,
        growth_interval=2000,
        enabled=True,
    ):
        self._device = device
        self._enabled = enabled
        if device == "cuda":
            from .. import cuda

            if enabled and not cuda.is_available():
                import warnings

                warnings.warn(
                    "minitorch.cuda.amp.GradScaler is enabled, but CUDA is not available. Disabling.",
                    stacklevel=2,
                )
                self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale = float(init_scale)
        # Tensors, made when first needed: on a GPU neither step() of a fused optimizer nor update()
        # waits for it, and CUDAGraph may capture both.
        self._scale = self._growth_tracker = None
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._init_growth_tracker = 0
        self._optimizers = {}  # id -> [stage, {device: a tensor, not 0 where one was not finite}]

    def _scale_tensor(self):
        if self._scale is None:
            self._scale = _C.full((), self._init_scale, _C.float32, self._device)
            count = self._init_growth_tracker
            self._growth_tracker = _C.full((), count, _C.int32, self._device)
        return self._scale

    def __getstate__(self):
        state = self.__dict__.copy()
        if self._enabled:
            if self._optimizers:
                raise AssertionError(
                    "A GradScaler instance may only be pickled at the beginning of an iteration, or "
                    "at the end after scaler.update()."
                )
            state["_init_scale"] = self.get_scale()
            state["_init_growth_tracker"] = self._get_growth_tracker()
            state["_scale"] = state["_growth_tracker"] = None
        return state

    def _per_optimizer(self, optimizer):
        return self._optimizers.setdefault(id(optimizer), [OptState.READY, {}])

    def scale(self, outputs):
        """outputs, a tensor or an iterable of them, multiplied by the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, _Tensor):
            scale = self._scale_tensor()
            return outputs * (scale if scale.device == outputs.device else scale.to(outputs.device))
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(o) for o in outputs)
        try:
            return map(self.scale, iter(outputs))
        except TypeError:
            raise ValueError("outputs must be a Tensor or an iterable of Tensors") from None

    def _inverse(self):
        scale = self._scale_tensor()
        if scale.is_cuda:
            return scale.double().reciprocal().float()
        return _C.full((), 1.0 / scale.item(), _C.float32, scale.device)

    def _unscale_grads(self, optimizer, inverse, allow_half=False):
        """Multiplies the gradients; {device: a tensor that is not 0 where one was not finite}."""
        found = {}
        for group in optimizer.param_groups:
            for p in group["params"]:
                g = p.grad
                if g is None:
                    continue
                if g.dtype is _C.float16 and not allow_half:
                    raise ValueError("Attempting to unscale FP16 gradients.")
                place = found.get(g.device)
                if place is None:
                    place = [inverse.to(g.device), _C.full((), 0.0, _C.float32, g.device)]
                    found[g.device] = place
                _C.amp_unscale_(g, *place)
        return {device: place[1] for device, place in found.items()}

    def unscale_(self, optimizer):
        """Divides the gradients of the optimizer's parameters by the scale, for clipping them before
        step(); at most once between updates.

        Raises:
            RuntimeError: called twice, or after step().
        """
        if not self._enabled:
            return
        state = self._per_optimizer(optimizer)
        if state[0] is OptState.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if state[0] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        state[1] = self._unscale_grads(optimizer, self._inverse())
        state[0] = OptState.UNSCALED

    def step(self, optimizer, *args, **kwargs):
        """Unscales where that has not been done, and steps unless a gradient is not finite.

        Args:
            optimizer: whose step() is called.
            args, kwargs: for step(); no closure.

        Returns:
            What step() returns, None where it was skipped.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        state = self._per_optimizer(optimizer)
        if state[0] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            return self._scaled_step(optimizer, state, args, kwargs)
        if state[0] is OptState.READY:
            self.unscale_(optimizer)
        if not state[1]:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None
        if not any(float(v) for v in state[1].values()):
            result = optimizer.step(*args, **kwargs)
        state[0] = OptState.STEPPED
        return result

    def _scaled_step(self, optimizer, state, args, kwargs):
        """The step of an optimizer that divides its gradients, and skips what overflowed, itself."""
        scale = self._scale_tensor()
        outer = optimizer.__dict__.get("grad_scale")
        if state[0] is OptState.READY:
            ones = _C.full((), 1.0, _C.float32, scale.device)
            state[1] = self._unscale_grads(optimizer, ones, allow_half=True)
            scale = scale if outer is None else scale * outer
        else:
            scale = outer
        optimizer.grad_scale, optimizer.found_inf = scale, self._any_found(state[1])
        try:
            return optimizer.step(*args, **kwargs)
        finally:
            state[0] = OptState.STEPPED
            del optimizer.grad_scale, optimizer.found_inf

    def _any_found(self, found):
        """One tensor, beside the scale, that is not 0 where one of the dictionary's is not."""
        home = self._scale_tensor().device
        total = None
        for v in found.values():
            total = v.to(home) if total is None else total + v.to(home)
        return _C.full((), 0.0, _C.float32, home) if total is None else total

    def update(self, new_scale=None):
        """Ends an iteration: backs the scale off or lets it grow, or sets it.

        Args:
            new_scale: a float or a one-element float32 tensor.
        """
        if not self._enabled:
            return
        scale = self._scale_tensor()
        if isinstance(new_scale, _Tensor):
            scale.copy_(new_scale.detach().reshape(()))
        elif new_scale is not None:
            scale.fill_(float(new_scale))
        else:
            found = dict(
                enumerate(v for state in self._optimizers.values() for v in state[1].values())
            )
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            _C.amp_update_scale_(
                scale, self._growth_tracker, self._any_found(found), self._growth_factor,
                self._backoff_factor, self._growth_interval,
            )  # fmt: skip
        self._optimizers.clear()

    def get_scale(self):
        """The scale as a float; 1.0 where disabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self):
        """Factor by which the scale grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor):
        """Sets the factor by which the scale grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self):
        """Factor by which the scale shrinks."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor):
        """Sets the factor by which the scale shrinks."""
        self._backoff_factor = new_factor

    def get_growth_interval(self):
        """Steps without an overflow after which the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval):
        """Sets the steps after which the scale grows."""
        self._growth_interval = new_interval

    def _get_growth_tracker(self):
        if not self._enabled:
            return 0
        tracker = self._growth_tracker
        return self._init_growth_tracker if tracker is None else tracker.item()

    def is_enabled(self):
        """Whether the scaler does anything."""
        return self._enabled

    def state_dict(self):
        """Scale and counters; empty where disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict):
        """Continues where state_dict() was called.

        Raises:
            RuntimeError: an empty one, from a disabled scaler.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._init_scale = float(state_dict["scale"])
        self._init_growth_tracker = int(state_dict["_growth_tracker"])
        if self._scale is not None:
            self._scale.fill_(self._init_scale)
            self._growth_tracker.fill_(self._init_growth_tracker)
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]

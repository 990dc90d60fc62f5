"""The base class of the optimizers."""

from __future__ import annotations

from collections import OrderedDict, defaultdict

from .._load import _C
from ..autograd import enable_grad, no_grad
from ..ops import tensor, zeros
from ..random import recordings
from ..tensor import Tensor
from ._hooks import (
    HOOK_TABLES,
    OptimizerHooks,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
    run_step_with_hooks,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = [
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
]


# States that do not follow their parameter: they lie where the steps are counted, in float32.
COUNTS = ("step", "mu_product", "eta", "mu")


class _Required:
    """Stands for a value that a parameter group must give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


class Optimizer(OptimizerHooks):
    """Base class of the optimizers.

    A subclass fills `_init_state` and `_update_group`, or overrides `step` altogether.

    Args:
        params: Parameters, pairs of name and parameter, or dictionaries with "params" and the
            options of their group.
        defaults: Options of the groups that don't give their own.
    """

    # Tests turn this off to compare the textbook update with the fused one.
    _fused = True
    # Whether a CUDA graph may capture step() although the groups have no option "capturable".
    _capturable = False
    # What GradScaler hands to a step that takes care of them itself.
    grad_scale: Tensor | None = None
    found_inf: Tensor | None = None

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._opt_called = False
        for name in HOOK_TABLES:
            setattr(self, name, OrderedDict())
        cls = type(self)
        if not getattr(cls.step, "hooked", False):
            cls.step = run_step_with_hooks(cls.step)  # type: ignore[method-assign]
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or "
                f"dicts, but got {type(params).__name__}"
            )
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if len(groups) == 0:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__.setdefault("_opt_called", False)
        for name in HOOK_TABLES:
            self.__dict__.setdefault(name, OrderedDict())
        for group in self.param_groups:
            for name, default in self.defaults.items():
                group.setdefault(name, default)

    def __repr__(self) -> str:
        text = type(self).__name__ + " ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            for key in sorted(group.keys()):
                if key != "params":
                    text += f"    {key}: {group[key]}\n"
        return text + ")"

    # State.

    def state_dict(self) -> dict[str, Any]:
        """State and options, with parameters as numbers in the order of the groups.

        Returns:
            {"state": {number: state}, "param_groups": [options with "params": numbers]}.
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                numbers.setdefault(id(p), len(numbers))
            packed = {k: v for k, v in group.items() if k != "params"}
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {(numbers[id(k)] if isinstance(k, Tensor) else k): v for k, v in self.state.items()}
        out = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            replaced = hook(self, out)
            out = out if replaced is None else replaced
        return out

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned.

        Args:
            state_dict: State and options for groups of the same sizes as this optimizer's.

        Raises:
            ValueError: The number of groups, or of parameters in one, differs.
        """
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            replaced = hook(self, state_dict)
            state_dict = state_dict if replaced is None else replaced
        import copy

        saved = copy.deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(
            len(mine["params"]) != len(theirs["params"])
            for mine, theirs in zip(self.param_groups, saved, strict=True)
        ):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                "optimizer's group"
            )
        by_number: dict[Any, Tensor] = {}
        group_of: dict[Any, dict[str, Any]] = {}
        for mine, theirs in zip(self.param_groups, saved, strict=True):
            by_number.update(zip(theirs["params"], mine["params"], strict=True))
            group_of.update((number, theirs) for number in theirs["params"])
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in by_number:
                param = by_number[key]
                state[param] = _cast(param, value, None, group_of[key])
            else:
                state[key] = value
        groups = []
        for mine, theirs in zip(self.param_groups, saved, strict=True):
            theirs["params"] = mine["params"]
            if "param_names" in mine and "param_names" not in theirs:
                theirs["param_names"] = mine["param_names"]
            groups.append(theirs)
        self.__setstate__({"state": state, "param_groups": groups})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of all parameters.

        Args:
            set_to_none: Drop the gradients instead of filling them with zeros.
        """
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if set_to_none:
                    p.grad = None
                else:
                    if p.grad.grad_fn is not None:
                        p.grad.detach_()
                    else:
                        p.grad.requires_grad_(False)
                    p.grad.zero_()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own.

        Args:
            param_group: "params" and any of the optimizer's options.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, (set, frozenset)):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the "
                "ordering of tensors in sets will change between runs. Please use a list instead."
            )
        params = list(params)
        if params and all(isinstance(p, tuple) for p in params):
            param_group["param_names"] = [name for name, _ in params]
            params = [p for _, p in params]
        param_group["params"] = params
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(
                    "optimizer can only optimize Tensors, but one of the params is "
                    + type(p).__name__
                )
            if not (self.defaults.get("differentiable") or p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    + name
                )
            param_group.setdefault(name, default)
        ids = {id(p) for p in params}
        if len(ids) != len(params):
            import warnings

            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters: each of them is "
                "updated more than once per step",
                stacklevel=3,
            )
        if any(id(p) in ids for group in self.param_groups for p in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        named = "param_names" in param_group
        if self.param_groups and named != ("param_names" in self.param_groups[0]):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                f"{'with' if named else 'without'} names to the optimizer"
            )
        self.param_groups.append(param_group)

    # The step.

    def _init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """The state of a parameter before its first step."""
        return {}

    def _update_group(
        self, group: dict[str, Any], entries: list[tuple[Tensor, Tensor, dict[str, Any]]]
    ) -> None:
        """Update every (parameter, gradient, state) of one group."""
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient.

        Args:
            closure: Computes the loss anew, with gradients.

        Returns:
            What `closure` returned, or None.
        """
        if type(self)._update_group is Optimizer._update_group:
            raise NotImplementedError(f"{type(self).__name__} has no step()")
        if recordings:
            self._check_capture()
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with enable_grad() if self.defaults.get("differentiable") else no_grad():
            for group in self.param_groups:
                entries = []
                for p in group["params"]:
                    grad = p.grad
                    if grad is not None:
                        state = self.state.get(p)
                        if not state:
                            state = self._init_state(p, group)
                            if state:
                                self.state[p] = state
                        entries.append((p, grad, state))
                if entries:
                    self._update_group(group, entries)
        return loss

    def _check_capture(self) -> None:
        """Raise where a CUDA graph would record numbers that change from step to step."""
        from ..cuda import is_current_stream_capturing

        if is_current_stream_capturing() and not all(
            group.get("capturable", self._capturable or group.get("fused"))
            for group in self.param_groups
        ):
            raise RuntimeError(
                "Attempting CUDA graph capture of step() for an instance of "
                f"{type(self).__name__} but param_groups' capturable is False."
            )

    def _fused_call(self, group: dict[str, Any], name: str) -> Callable[..., Any] | None:
        """The function of the extension that updates a whole group, where it may be used."""
        if not self._fused or group.get("differentiable"):
            return None
        if group.get("fused") is False and not group.get("capturable"):
            return None
        return getattr(_C, name, None)


def columns(entries: list[Any], *names: str) -> list[list[Any]]:
    """Parameters, gradients and the named states, each as a list over all parameters."""
    out = [[e[0] for e in entries], [e[1] for e in entries]]
    out.extend([e[2][name] for e in entries] for name in names)
    return out


def new_step(p: Tensor, group: dict[str, Any]) -> Tensor:
    """A count of steps at 0: on the CPU, or with the parameter where the GPU shall count."""
    if group.get("capturable") or group.get("fused"):
        return zeros((), dtype=_C.float32, device=p.device)
    return tensor(0.0, device="cpu")


def rate(group: dict[str, Any], fused: Any) -> Any:
    """The learning rate for a kernel, which takes tensors as well, or for the textbook update."""
    lr = group["lr"]
    return lr if fused is not None and isinstance(lr, Tensor) else float(lr)


def check_fused(fused: Any, foreach: Any, differentiable: bool) -> None:
    """Raise RuntimeError where fused=True does not go with the other options."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def _cast(param: Tensor, value: Any, key: Any, group: dict[str, Any]) -> Any:
    """`value` with its tensors on the device and of the dtype of `param`, but for counts."""
    if isinstance(value, Tensor):
        if key in COUNTS:
            if group.get("capturable") or group.get("fused"):
                moved = value.to(device=param.device, dtype=_C.float32)
                return moved.clone() if moved is value else moved
            return value.clone()
        if param.is_floating_point():
            moved = value.to(device=param.device, dtype=param.dtype)
        else:
            moved = value.to(device=param.device)
        # The optimizer changes its state in place; the dictionary it came from must stay.
        return moved.clone() if moved is value else moved
    if isinstance(value, dict):
        return {k: _cast(param, v, k, group) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(param, v, key, group) for v in value)
    return value


def check_at_least(name: str, value: Any, low: float = 0.0) -> None:
    """Raise ValueError, in PyTorch's words, unless value >= low."""
    if not value >= low:
        raise ValueError(f"Invalid {name} value: {value}")


def check_betas(betas: Any) -> None:
    """Raise ValueError unless both numbers are in [0, 1)."""
    for i in (0, 1):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def check_lr(lr: Any) -> None:
    """Raise ValueError unless lr is a number, or a tensor of one element, >= 0."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not lr >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")

"""Parameters computed from others by modules."""

from __future__ import annotations

from contextlib import contextmanager, suppress

from ...autograd import no_grad
from ...tensor import Tensor
from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module
from ..parameter import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
]

_cache_depth = 0
_cache: dict[tuple[int, str], Any] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Compute every parametrized tensor at most once inside this context."""
    global _cache_depth
    _cache_depth += 1
    try:
        yield
    finally:
        _cache_depth -= 1
        if not _cache_depth:
            _cache.clear()


class ParametrizationList(ModuleList):
    """The chain of modules that computes one tensor from `original` (or `original0`, ...)."""

    def __init__(self, modules: Any, original: Tensor, unsafe: bool = False) -> None:
        super().__init__(modules)
        if not len(self):
            raise ValueError("ParametrizationList requires one or more modules.")
        self.unsafe = unsafe
        value: Any = original
        with no_grad():
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    with suppress(NotImplementedError):
                        value = module.right_inverse(value)
        self.is_tensor = isinstance(value, Tensor)
        if self.is_tensor:
            if isinstance(original, Parameter):
                self.original = original
                self.original.requires_grad_(original.requires_grad)
                with no_grad():
                    if value is not original:
                        original.data = value.detach()
            else:
                self.register_buffer("original", value)
            self.ntensors = 1
        else:
            self.ntensors = len(value)
            for i, part in enumerate(value):
                if isinstance(original, Parameter):
                    part = Parameter(part.detach(), requires_grad=original.requires_grad)
                    self.register_parameter(f"original{i}", part)
                else:
                    self.register_buffer(f"original{i}", part)

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the chain computes `value`."""
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                value = module.right_inverse(value)
            if self.is_tensor:
                self.original.data = value.detach()
            else:
                for i, part in enumerate(value):
                    getattr(self, f"original{i}").data = part.detach()

    def forward(self) -> Tensor:
        first, *rest = self
        if self.is_tensor:
            x = first(self.original)
        else:
            x = first(*(getattr(self, f"original{i}") for i in range(self.ntensors)))
        for module in rest:
            x = module(x)
        return x


def _parametrized_class(module: Any) -> None:
    """Give `module` a class of its own, so that properties can be put on it."""
    cls = type(module)
    if "parametrizations" in module._modules and hasattr(cls, "_unparametrized"):
        return

    def reduce(self: Any, protocol: Any) -> Any:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict()."
        )

    def deepcopy(self: Any, memo: dict[int, Any]) -> Any:
        import copy

        new = self.__new__(type(self))
        memo[id(self)] = new
        new.__dict__ = copy.deepcopy(self.__dict__, memo)
        return new

    module.__class__ = type(
        f"Parametrized{cls.__name__}",
        (cls,),
        {"_unparametrized": cls, "__reduce_ex__": reduce, "__deepcopy__": deepcopy},
    )
    module.parametrizations = ModuleDict()


def _inject_property(module: Any, name: str) -> None:
    def get(self: Any) -> Tensor:
        if not _cache_depth:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def set_(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(module.__class__, name, property(get, set_))


def register_parametrization(
    module: Any, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Any:
    """Compute `module.tensor_name` by `parametrization` from now on.

    Args:
        module: The module that holds the tensor.
        tensor_name: Name of a parameter or buffer.
        parametrization: Called on the original tensor; its `right_inverse`, if it has one, sets
            the original when the tensor is assigned.
        unsafe: Skip the check that shape and dtype stay the same.

    Returns:
        The module.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        chain = module.parametrizations[tensor_name]
        if not unsafe:
            with no_grad():
                _check_same(parametrization(getattr(module, tensor_name)), chain())
        chain.append(parametrization)
        return module
    if tensor_name not in module._buffers and tensor_name not in module._parameters:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    original = getattr(module, tensor_name)
    shape_like = original.detach().clone()
    chain = ParametrizationList([parametrization], original, unsafe=unsafe)
    if not unsafe:
        with no_grad():
            _check_same(chain(), shape_like)
    delattr(module, tensor_name)
    _parametrized_class(module)
    _inject_property(module, tensor_name)
    module.parametrizations[tensor_name] = chain
    return module


def _check_same(new: Tensor, old: Tensor) -> None:
    if new.shape != old.shape or new.dtype != old.dtype:
        raise ValueError(
            "Registering a parametrization may not change the shape or dtype of the tensor, "
            f"unless `unsafe` flag is enabled. Got {new.dtype} {tuple(new.shape)} for "
            f"{old.dtype} {tuple(old.shape)}"
        )


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """Whether the module, or its tensor of that name, has a parametrization."""
    chains = module._modules.get("parametrizations")
    if chains is None or not isinstance(chains, ModuleDict):
        return False
    return len(chains) > 0 if tensor_name is None else tensor_name in chains


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Make the tensor an ordinary parameter or buffer again.

    Args:
        module: The module that holds it.
        tensor_name: Its name.
        leave_parametrized: Keep the computed value instead of the original's.

    Returns:
        The module.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    chain = module.parametrizations[tensor_name]
    if not chain.is_tensor and not leave_parametrized:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    original = chain.original if chain.is_tensor else chain.original0
    if leave_parametrized:
        with no_grad():
            value = getattr(module, tensor_name).detach()
        if isinstance(original, Parameter) and chain.is_tensor:
            original.data = value
        elif isinstance(original, Parameter):
            original = Parameter(value, requires_grad=original.requires_grad)
        else:
            original = value
    delattr(module.__class__, tensor_name)
    del module.parametrizations[tensor_name]
    if isinstance(original, Parameter):
        module.register_parameter(tensor_name, original)
    else:
        module.register_buffer(tensor_name, original)
    if not is_parametrized(module):
        del module._modules["parametrizations"]
        module.__class__ = module.__class__._unparametrized
    return module

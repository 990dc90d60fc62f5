"""Attribute access and calls of modules keep Python's rules although they run in C."""

import pytest
from nn_helpers import torch  # noqa: F401

import minitorch

nn = minitorch.nn


class Echo(nn.Module):
    def forward(self, *args, **kwargs):
        return args, kwargs


def test_call_passes_all_arguments():
    m = Echo()
    assert m() == ((), {})
    assert m(1, a=2) == ((1,), {"a": 2})
    assert m(*range(20), b=1) == (tuple(range(20)), {"b": 1})
    with pytest.raises(TypeError, match="takes 2 positional arguments"):
        nn.Identity()(1, 2)


def test_forward_of_the_instance_wins():
    m = Echo()
    m.forward = lambda x: x + 1
    assert m(1) == 2
    del m.forward
    assert m(1) == ((1,), {})


def test_forward_may_be_any_callable_of_the_class():
    class Static(nn.Module):
        @staticmethod
        def forward(x):
            return -x

    class Quiet(nn.Module):
        @minitorch.no_grad()
        def forward(self, x):
            return x * 1

    assert Static()(3) == -3
    assert not Quiet()(minitorch.ones(1, requires_grad=True)).requires_grad


def test_a_class_with_its_own_call():
    class Loud(Echo):
        def __call__(self, *args):
            return "loud", super().__call__(*args)

    assert Loud()(1) == ("loud", ((1,), {}))


def test_call_assigned_later():
    class Late(Echo):
        pass

    m = Late()
    assert m(1) == ((1,), {})
    Late.__call__ = lambda self, x: "patched"
    assert m(1) == "patched"
    del Late.__call__
    assert m(1) == ((1,), {})


def test_own_getattr_runs_for_missing_names_only():
    class Wrapper(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.inner, name)

    m = Wrapper(nn.Linear(2, 3))
    assert m.inner.in_features == m.in_features == 2
    assert m.weight is m.inner.weight
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'nothing'"):
        m.nothing  # noqa: B018


def test_class_attributes_and_properties_come_first():
    class Tied(nn.Module):
        kind = "class"

        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(minitorch.ones(1))
            self._parameters["kind"] = self.w

        @property
        def double(self):
            return self.w * 2

        @property
        def broken(self):
            raise AttributeError("inner")

        @property
        def wrong(self):
            raise ValueError("inner")

    m = Tied()
    assert m.kind == "class"
    assert m.double.item() == 2
    with pytest.raises(AttributeError, match="no attribute 'broken'"):
        m.broken  # noqa: B018
    with pytest.raises(ValueError, match="inner"):
        m.wrong  # noqa: B018
    assert hasattr(m, "w") and not hasattr(m, "v")


def test_access_before_init():
    class Early(nn.Module):
        def __init__(self):
            self.seen = hasattr(self, "weight")

    assert Early().seen is False
    with pytest.raises(AttributeError, match="no attribute 'weight'"):
        Early.__new__(Early).weight  # noqa: B018


def test_hooks_are_seen_by_the_fast_call():
    m = nn.Identity()
    handle = m.register_forward_hook(lambda m, args, out: out + 1)
    assert m(1) == 2
    handle.remove()
    assert m(1) == 1
    assert "_hooked" not in m.__dict__
    with nn.modules.module.register_module_forward_hook(lambda m, args, out: out + 10):
        assert m(1) == 11
    assert m(1) == 1


def test_errors_in_forward_pass_through():
    class Bad(nn.Module):
        def forward(self):
            raise KeyError("here")

    with pytest.raises(KeyError, match="here"):
        Bad()()

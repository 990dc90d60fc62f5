"""What every module can do: attributes, traversal, state, hooks, conversion, copies."""

import copy
import pickle
from collections import OrderedDict

import pytest

import minitorch

nn = minitorch.nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.block = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU())
        self.scale = nn.Parameter(minitorch.ones(1))
        self.register_buffer("mean", minitorch.zeros(3))
        self.register_buffer("scratch", minitorch.zeros(2), persistent=False)

    def forward(self, x):
        return self.block(self.first(x - self.mean)) * self.scale


def test_names_and_order():
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "scale",
        "first.weight",
        "first.bias",
        "block.0.weight",
        "block.0.bias",
        "block.1.weight",
        "block.1.bias",
    ]
    assert [n for n, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert next(net.named_parameters(prefix="net"))[0] == "net.scale"
    assert [n for n, _ in net.named_buffers()][:2] == ["mean", "scratch"]
    assert [n for n, _ in net.named_children()] == ["first", "block"]
    assert [n for n, _ in net.named_modules()] == [
        "",
        "first",
        "block",
        "block.0",
        "block.1",
        "block.2",
    ]
    assert "scratch" not in net.state_dict()
    assert "first" in dir(net) and "scale" in dir(net) and "mean" in dir(net)


def test_shared_parameters_are_listed_once():
    net = nn.Module()
    net.a = nn.Linear(2, 2)
    net.b = net.a
    assert len(list(net.parameters())) == 2
    assert len(list(net.named_parameters(remove_duplicate=False))) == 4
    assert len(list(net.children())) == 1
    assert [n for n, _ in net.named_modules(remove_duplicate=False)] == ["", "a", "b"]


def test_attribute_rules():
    net = Net()
    with pytest.raises(TypeError, match="cannot assign"):
        net.scale = 3
    with pytest.raises(TypeError, match="cannot assign"):
        net.first = minitorch.ones(2)
    with pytest.raises(TypeError, match="cannot assign"):
        net.mean = "text"
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'nothing'"):
        net.nothing  # noqa: B018
    net.mean = minitorch.ones(3)
    assert net.mean is net._buffers["mean"]
    net.scale = None
    assert net.scale is None and "scale" not in net.state_dict()
    del net.first
    assert not hasattr(net, "first")
    # A parameter takes over the name of a plain attribute and of a buffer.
    net.plain = 3
    net.plain = nn.Parameter(minitorch.ones(1))
    assert "plain" in net._parameters and "plain" not in net.__dict__
    net.mean = nn.Parameter(minitorch.ones(3))
    assert "mean" in net._parameters and "mean" not in net._buffers


@pytest.mark.parametrize(
    "call,error",
    [
        (lambda m: m.register_parameter("a.b", None), KeyError),
        (lambda m: m.register_parameter("", None), KeyError),
        (lambda m: m.register_parameter("forward", None), KeyError),
        (lambda m: m.register_parameter("p", minitorch.ones(1)), TypeError),
        (lambda m: m.register_buffer("b", 3), TypeError),
        (lambda m: m.add_module("m", 3), TypeError),
        (lambda m: m.add_module("x.y", nn.ReLU()), KeyError),
        (lambda m: m.get_submodule("block.7"), AttributeError),
        (lambda m: m.get_parameter("block"), AttributeError),
        (lambda m: m.get_buffer("scale"), AttributeError),
        (lambda m: m.train("yes"), ValueError),
        (lambda m: m.forward2(), AttributeError),
        (lambda m: nn.Module()(), NotImplementedError),
        (lambda m: m.to(minitorch.int64), TypeError),
    ],
)
def test_errors(call, error):
    with pytest.raises(error):
        call(Net())


def test_assignment_before_init():
    class Early(nn.Module):
        def __init__(self):
            self.p = nn.Parameter(minitorch.ones(1))

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
        Early()


def test_get_and_set_by_path():
    net = Net()
    assert net.get_submodule("block.1") is net.block[1]
    assert net.get_submodule("") is net
    assert net.get_parameter("block.0.weight") is net.block[0].weight
    assert net.get_buffer("block.1.running_var") is net.block[1].running_var
    net.set_submodule("block.2", nn.Tanh())
    assert isinstance(net.block[2], nn.Tanh)


def test_train_and_eval_and_requires_grad():
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


def test_zero_grad():
    net = nn.Linear(2, 2)
    net(minitorch.ones(1, 2)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.weight.grad.abs().sum().item() == 0
    net.zero_grad()
    assert net.weight.grad is None


def test_apply_visits_children_first():
    seen = []
    net = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "ReLU", "Sequential"]


def test_repr():
    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()])
            self.empty = nn.ModuleDict()
            self.heads = nn.ModuleDict({"a": nn.Identity()})

    assert repr(Small()) == (
        "Small(\n"
        "  (layers): ModuleList(\n"
        "    (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)\n"
        "    (2): ReLU()\n"
        "  )\n"
        "  (empty): ModuleDict()\n"
        "  (heads): ModuleDict(\n"
        "    (a): Identity()\n"
        "  )\n"
        ")"
    )


def test_to_dtype():
    net = Net().double()
    assert net.first.weight.dtype == minitorch.float64
    assert net.mean.dtype == minitorch.float64
    assert net.block[1].num_batches_tracked.dtype == minitorch.int64
    weight = net.first.weight
    net.to(minitorch.float32)
    assert net.first.weight is weight and weight.dtype == minitorch.float32
    net.to("cpu", minitorch.float64)
    assert weight.dtype == minitorch.float64
    net.to(minitorch.ones(1))
    assert weight.dtype == minitorch.float32
    assert isinstance(weight, nn.Parameter) and weight.requires_grad
    weight.grad = minitorch.ones_like(weight)
    net.half()
    assert weight.grad.dtype == minitorch.float16


# State dicts.


def test_state_dict_shares_memory_and_is_ordered():
    net = Net()
    state = net.state_dict()
    assert list(state)[:3] == ["scale", "mean", "first.weight"]
    assert not state["scale"].requires_grad
    state["scale"].fill_(5)
    assert net.scale.item() == 5
    assert net.state_dict(keep_vars=True)["scale"] is net.scale
    assert next(iter(net.state_dict(prefix="m."))) == "m.scale"
    assert state._metadata["block.1"] == {"version": 2}


def test_load_state_dict():
    a, b = Net(), Net()
    result = b.load_state_dict(a.state_dict())
    assert str(result) == "<All keys matched successfully>"
    for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True):
        assert (p == q).all()
    assert a.first.weight.data_ptr() != b.first.weight.data_ptr()


def test_load_state_dict_assign():
    a, b = Net(), Net()
    b.load_state_dict(a.state_dict(), assign=True)
    assert a.first.weight.data_ptr() == b.first.weight.data_ptr()
    assert isinstance(b.first.weight, nn.Parameter) and b.first.weight.requires_grad


def test_load_state_dict_strictness():
    net = nn.Linear(2, 3)
    state = net.state_dict()
    state["extra"] = minitorch.ones(1)
    del state["bias"]
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(state)
    assert str(error.value) == (
        "Error(s) in loading state_dict for Linear:\n"
        '\tMissing key(s) in state_dict: "bias". \n'
        '\tUnexpected key(s) in state_dict: "extra". '
    )
    keys = net.load_state_dict(state, strict=False)
    assert keys.missing_keys == ["bias"]
    assert keys.unexpected_keys == ["extra"]
    with pytest.raises(RuntimeError, match=r"size mismatch for weight: copying a param with shape"):
        net.load_state_dict(nn.Linear(2, 4).state_dict(), strict=False)
    with pytest.raises(RuntimeError, match=r"expected torch\.Tensor"):
        net.load_state_dict({"weight": 3, "bias": state["extra"]})
    with pytest.raises(TypeError, match="dict-like"):
        net.load_state_dict([1, 2])


def test_batch_norm_without_counter_loads():
    norm = nn.BatchNorm1d(2)
    state = {k: v for k, v in norm.state_dict().items() if k != "num_batches_tracked"}
    assert norm.load_state_dict(OrderedDict(state)).missing_keys == []


def test_extra_state():
    class Extra(nn.Module):
        value = 1

        def get_extra_state(self):
            return {"value": self.value}

        def set_extra_state(self, state):
            self.value = state["value"]

    a, b = nn.Sequential(Extra()), nn.Sequential(Extra())
    a[0].value = 7
    b.load_state_dict(a.state_dict())
    assert list(a.state_dict()) == ["0._extra_state"]
    assert b[0].value == 7
    with pytest.raises(RuntimeError, match="Missing key"):
        b.load_state_dict({})


def test_state_dict_hooks():
    net = nn.Linear(1, 1)
    calls = []
    net.register_state_dict_pre_hook(lambda m, prefix, keep: calls.append("pre"))
    net.register_state_dict_post_hook(lambda m, state, prefix, meta: state.update(more=1))
    net.register_load_state_dict_pre_hook(lambda m, state, *rest: state.pop("more"))
    net.register_load_state_dict_post_hook(lambda m, keys: calls.append("loaded"))
    state = net.state_dict()
    assert state["more"] == 1
    net.load_state_dict(state)
    assert calls == ["pre", "loaded"]


# Copies.


def test_deepcopy_and_pickle():
    net = Net()
    net.first.register_forward_hook(double_output)
    net(minitorch.ones(2, 3))
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.first.weight is not net.first.weight
        assert isinstance(other.first.weight, nn.Parameter)
        assert other.first.weight.data_ptr() != net.first.weight.data_ptr()
        x = minitorch.ones(2, 3)
        assert (other.eval()(x) == net.eval()(x)).all()
        assert len(other.first._forward_hooks) == 1


def double_output(module, args, out):
    return out * 2


def test_deepcopy_keeps_sharing():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    other = copy.deepcopy(net)
    assert other[0].weight is other[1].weight


def test_parameter():
    data = minitorch.ones(2)
    p = nn.Parameter(data)
    assert p.requires_grad and p.is_leaf and isinstance(p, minitorch.Tensor)
    data.fill_(3)
    assert p.tolist() == [3, 3]
    assert type(p * 2) is minitorch.Tensor
    assert repr(p).startswith("Parameter containing:\ntensor(")
    assert not nn.Parameter(data, requires_grad=False).requires_grad
    q = pickle.loads(pickle.dumps(nn.Parameter(data, requires_grad=False)))
    assert isinstance(q, nn.Parameter) and not q.requires_grad


def test_buffer_class_registers_itself():
    net = nn.Module()
    net.b = nn.Buffer(minitorch.ones(2), persistent=False)
    net.c = nn.Buffer(minitorch.ones(1))
    assert list(net._buffers) == ["b", "c"] and list(net.state_dict()) == ["c"]


def test_compile_returns_quietly():
    assert nn.Linear(1, 1).compile() is None

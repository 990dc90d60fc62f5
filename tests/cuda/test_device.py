"""The device layer: copies, streams, events, memory, graphs and errors."""

import copy
import pickle

import pytest

import minitorch as mt
from minitorch import nn

pytestmark = pytest.mark.skipif(not mt.cuda.is_available(), reason="no GPU, real or emulated")


def test_what_there_is():
    assert mt.cuda.device_count() >= 1
    assert mt.cuda.current_device() == 0
    properties = mt.cuda.get_device_properties(0)
    assert properties.name == mt.cuda.get_device_name() and properties.warp_size == 32
    assert mt.cuda.get_device_capability() == (properties.major, properties.minor)
    assert mt.cuda.is_emulated() == (mt._C.cuda_build() == "emulator")
    free, total = mt.cuda.mem_get_info()
    assert 0 < free <= total


def test_copies_keep_values_and_gradients():
    x = mt.randn(4, 5, requires_grad=True)
    y = x.cuda()
    assert y.device == mt.device("cuda", 0) and y.is_cuda and y.get_device() == 0
    (y * y).sum().backward()
    assert x.grad.is_cpu and mt.allclose(x.grad, 2 * x)
    assert y.cuda() is y and y.to("cuda") is y and y.to("cuda:0") is y
    z = x.detach().t().to("cuda", mt.float64)
    assert z.dtype is mt.float64 and z.cpu().tolist() == x.detach().t().double().tolist()
    target = mt.zeros(5, 4)
    target.copy_(z)
    assert mt.allclose(target, x.detach().t())
    z[1:3, ::2] = x.detach().t()[1:3, ::2].double() * 2
    assert z[1, 0].item() == pytest.approx(2 * x[0, 1].item())


def test_creation_on_the_gpu():
    for x in (
        mt.zeros(3, device="cuda"),
        mt.full((2,), 7, device=0),
        mt.tensor([1, 2], device=mt.device("cuda")),
        mt.arange(4, device="cuda:0"),
        mt.eye(3, device="cuda"),
        mt.randn(2, 2, device="cuda"),
    ):
        assert x.is_cuda
        assert mt.zeros_like(x).is_cuda and x.new_ones(2).is_cuda
    with mt.device("cuda"):
        assert (
            mt.ones(2).is_cuda
            and mt.tensor([1.0]).is_cuda
            and mt.get_default_device().type == "cuda"
        )
    assert mt.ones(2).is_cpu


def test_mixed_devices_are_refused():
    x, y = mt.ones(2, device="cuda"), mt.ones(2)
    with pytest.raises(RuntimeError, match=r"add\(\).*same device.*cuda:0 and cpu"):
        x + y
    with pytest.raises(RuntimeError, match="same device"):
        nn.Linear(2, 2)(x)
    assert (x + mt.tensor(1.0)).tolist() == [2, 2]
    assert (x * 3).tolist() == [3, 3]
    with pytest.raises(TypeError, match="cpu"):
        x.numpy()
    assert x.numpy(force=True).tolist() == [1, 1]


def test_no_such_device():
    with pytest.raises(RuntimeError, match="CUDA device 77"):
        mt.ones(2, device="cuda:77")
    with pytest.raises(ValueError, match="cuda device"):
        mt.cuda.synchronize("cpu")


def test_index_errors_leave_the_context_alive():
    x = mt.arange(5.0, device="cuda")
    for wrong in (7, -6):
        with pytest.raises(IndexError, match=f"{wrong}.*size 5"):
            x[mt.tensor([0, wrong], device="cuda")].tolist()
            mt.cuda.synchronize()
    with pytest.raises(IndexError):
        nn.functional.embedding(mt.tensor([9], device="cuda"), mt.ones(3, 2, device="cuda")).cpu()
        mt.cuda.synchronize()
    assert x.sum().item() == 10


def test_streams_and_events():
    x = mt.ones(1000, device="cuda")
    stream = mt.cuda.Stream()
    start, end = (mt.cuda.Event(enable_timing=True) for _ in range(2))
    assert mt.cuda.current_stream() == mt.cuda.default_stream()
    stream.wait_stream(mt.cuda.current_stream())
    with mt.cuda.stream(stream):
        assert mt.cuda.current_stream() == stream
        start.record()
        y = x * 2
        end.record()
    mt.cuda.current_stream().wait_event(end)
    y.record_stream(mt.cuda.current_stream())
    assert y.sum().item() == 2000
    end.synchronize()
    assert end.query() and stream.query() and start.elapsed_time(end) >= 0
    with pytest.raises(RuntimeError, match="enable_timing"):
        mt.cuda.Event().elapsed_time(end)


def test_pinned_memory():
    x = mt.arange(10.0)
    assert not x.is_pinned()
    p = x.pin_memory()
    assert p.is_pinned() and p.pin_memory() is p and p.tolist() == x.tolist()
    y = p.to("cuda", non_blocking=True)
    mt.cuda.synchronize()
    assert y.tolist() == x.tolist()


def test_memory_statistics():
    mt.cuda.empty_cache()
    before = mt.cuda.memory_allocated()
    x = mt.empty(1 << 20, device="cuda")
    assert mt.cuda.memory_allocated() == before + (4 << 20)
    assert mt.cuda.memory_reserved() >= mt.cuda.memory_allocated()
    del x
    assert mt.cuda.memory_allocated() == before
    assert mt.cuda.max_memory_allocated() >= before + (4 << 20)
    mt.cuda.reset_peak_memory_stats()
    assert mt.cuda.max_memory_allocated() == before
    assert "allocated" in mt.cuda.memory_summary()


def test_out_of_memory_is_an_exception():
    _, total = mt.cuda.mem_get_info()
    with pytest.raises(mt.cuda.OutOfMemoryError, match=r"CUDA out of memory.*cuda:0"):
        mt.empty(total, device="cuda")
    assert mt.ones(3, device="cuda").sum().item() == 3


def test_saving_and_pickling(tmp_path):
    x = mt.randn(3, device="cuda")
    mt.save({"x": x}, tmp_path / "x.safetensors")
    assert mt.load(tmp_path / "x.safetensors", map_location="cpu")["x"].tolist() == x.tolist()
    y = pickle.loads(pickle.dumps(x))
    assert y.is_cuda and y.tolist() == x.tolist()
    assert copy.deepcopy(x).is_cuda


def test_the_seed_gives_the_cpus_numbers():
    mt.manual_seed(5)
    a = mt.rand(1000)
    b = mt.rand(1000, device="cuda")
    assert a.tolist() == b.tolist()
    state = mt.cuda.get_rng_state()
    c = mt.randn(100, device="cuda")
    mt.cuda.set_rng_state(state)
    assert mt.randn(100, device="cuda").tolist() == c.tolist()


def small_network():
    mt.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(64, 10),
    )  # fmt: skip


def steps(device, count=3):
    """Losses and final weights of a few training steps."""
    model = small_network().to(device)
    optimizer = mt.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    mt.manual_seed(1)
    x, y = mt.randn(8, 1, 8, 8).to(device), mt.randint(0, 10, (8,)).to(device)
    losses = []
    for _ in range(count):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, [p.detach().cpu() for p in model.state_dict().values()]


def test_training_as_on_the_cpu_and_the_same_bits_twice():
    losses, weights = steps("cuda")
    again, same = steps("cuda")
    assert losses == again and all(a.tolist() == b.tolist() for a, b in zip(weights, same))
    expected, reference = steps("cpu")
    assert losses == pytest.approx(expected, rel=1e-4)
    assert all(
        mt.allclose(a.double(), b.double(), rtol=1e-2, atol=1e-3)
        for a, b in zip(weights, reference)
    )


def test_numbers_of_optimizers_stay_on_the_cpu():
    """A step must not wait for the GPU to learn how many there were."""
    with mt.device("cuda"):
        for make in (mt.optim.Adam, mt.optim.NAdam, mt.optim.ASGD, mt.optim.RMSprop):
            p = nn.Parameter(mt.ones(3))
            optimizer = make([p], lr=0.1)
            p.grad = mt.ones(3)
            optimizer.step()
            state = optimizer.state[p]
            assert p.is_cuda and all(v.is_cpu for v in state.values() if v.dim() == 0), make


def test_graph_of_a_training_step():
    model = small_network().cuda()
    optimizer = mt.optim.SGD(model.parameters(), lr=0.1)
    x, y = mt.zeros(8, 1, 8, 8, device="cuda"), mt.zeros(8, dtype=mt.int64, device="cuda")

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    side = mt.cuda.Stream()
    with mt.cuda.stream(side):
        step()  # warm-up: lazily made state must not be born inside of the graph
    mt.cuda.synchronize()
    start = {k: v.clone() for k, v in model.state_dict().items()}
    batches = [(mt.randn(8, 1, 8, 8), mt.randint(0, 10, (8,))) for _ in range(3)]

    wanted = []
    for a, b in batches:
        x.copy_(a), y.copy_(b)
        wanted.append(step().item())
    model.load_state_dict(start)

    graph = mt.cuda.CUDAGraph()
    with mt.cuda.graph(graph):
        assert mt.cuda.is_current_stream_capturing()
        loss = step()
    assert not mt.cuda.is_current_stream_capturing()
    got = []
    for a, b in batches:
        x.copy_(a), y.copy_(b)
        graph.replay()
        got.append(loss.item())
    assert got == wanted
    with pytest.raises(RuntimeError, match="recording"), mt.cuda.graph(graph):
        pass
    graph.reset()
    with pytest.raises(RuntimeError, match="nothing was captured"):
        graph.replay()
    assert mt.ones(2, device="cuda").sum().item() == 2

"""What programs ask minitorch.cuda: memory figures and limits, streams, names of the past."""

from __future__ import annotations

import pytest

import minitorch as m
from tests.cuda.cuda_helpers import needs_gpu

pytestmark = needs_gpu
cuda = m.cuda


def test_memory_figures():
    cuda.reset_accumulated_memory_stats()
    before = cuda.memory_stats()
    x = m.empty(1 << 20, device="cuda")
    now = cuda.memory_stats()
    assert now["allocated_bytes.all.current"] - before["allocated_bytes.all.current"] == 4 << 20
    assert now["allocated_bytes.all.allocated"] - before["allocated_bytes.all.allocated"] == 4 << 20
    assert now["allocation.all.current"] - before["allocation.all.current"] == 1
    assert 4 << 20 <= cuda.device_memory_used() < cuda.get_device_properties().total_memory
    del x
    after = cuda.memory_stats_as_nested_dict()
    assert after["allocation"]["all"]["current"] == before["allocation.all.current"]
    assert after["allocated_bytes"]["all"]["freed"] == 4 << 20
    assert cuda.get_allocator_backend() == "cudaMallocAsync"
    with pytest.warns(FutureWarning, match="memory_reserved"):
        assert cuda.memory_cached() == cuda.memory_reserved()
    assert "peak allocated" in cuda.memory_summary()


def test_a_limit_on_memory():
    total = cuda.get_device_properties().total_memory
    cuda.set_per_process_memory_fraction(0.25)
    try:
        assert cuda.get_per_process_memory_fraction() == 0.25
        failures = cuda.memory_stats()["num_ooms"]
        with pytest.raises(m.OutOfMemoryError, match="set_per_process_memory_fraction"):
            m.empty(total // 3, dtype=m.uint8, device="cuda")
        assert cuda.memory_stats()["num_ooms"] == failures + 1
        assert m.ones(3, device="cuda").sum().item() == 3
    finally:
        cuda.set_per_process_memory_fraction(1.0)
    with pytest.raises(ValueError, match="Allowed range"):
        cuda.set_per_process_memory_fraction(1.5)


def test_devices():
    p = cuda.get_device_properties()
    assert p.shared_memory_per_multiprocessor >= p.shared_memory_per_block
    assert p.regs_per_multiprocessor > 0
    assert cuda.can_device_access_peer(0, 0) is False
    assert cuda.is_tf32_supported() == (p.major >= 8)


def test_streams_and_events():
    s = cuda.Stream(priority=-1)
    assert (s.priority, s.device_index) == (-1, 0)
    same = cuda.ExternalStream(s.cuda_stream)
    assert same == s and cuda.get_stream_from_external(s.cuda_stream) == s
    with cuda.stream(same):
        assert cuda.current_stream() == s
        x = m.ones(5, device="cuda") + 1
    event = cuda.Event()
    assert event.device is None
    same.record_event(event)
    event.synchronize()
    assert event.device == m.device("cuda", 0)
    assert x.sum().item() == 10


def test_typed_names():
    x = cuda.FloatTensor([1, 2])
    assert x.is_cuda and x.dtype is m.float32
    assert isinstance(x, cuda.FloatTensor) and not isinstance(x, m.FloatTensor)
    assert isinstance(x.cpu(), m.FloatTensor) and not isinstance(x.cpu(), cuda.FloatTensor)
    assert x.type() == "minitorch.cuda.FloatTensor"
    y = x.cpu().type(cuda.LongTensor)
    assert y.is_cuda and y.dtype is m.int64
    assert x.type("torch.FloatTensor").device.type == "cpu"
    assert x.type(m.float64).is_cuda
    with pytest.raises(AttributeError):
        _ = cuda.NoTensor


def test_generators_and_ranges():
    cuda.manual_seed_all(9)
    assert [g.initial_seed() for g in cuda.default_generators] == [9] * cuda.device_count()
    states = cuda.get_rng_state_all()
    a = m.rand(4, device="cuda")
    cuda.set_rng_state_all(states)
    assert bool((m.rand(4, device="cuda") == a).all())
    nvtx = cuda.nvtx
    assert nvtx.range_push("a") == 0
    with nvtx.range("step {}", 3):
        assert nvtx.range_push("c") == 2
        assert nvtx.range_pop() == 2
    assert nvtx.range_pop() == 0


def test_a_stream_that_joins_a_capture():
    side, graph = cuda.Stream(), cuda.CUDAGraph()
    x = m.arange(100, device="cuda", dtype=m.float32)
    m.manual_seed(3)
    want = [(x * 2 + m.rand(100, device="cuda")).cpu() for _ in range(2)]
    with cuda.graph(graph):
        side.wait_stream(cuda.current_stream())
        with cuda.stream(side):
            assert cuda.is_current_stream_capturing()
            noise = m.rand(100, device="cuda")
        y = x * 2
        cuda.current_stream().wait_stream(side)
        y = y + noise
    m.manual_seed(3)
    for w in want:
        graph.replay()
        assert bool((y.cpu() == w).all())


def test_memory_of_the_captured_stream_is_freed_after_the_capture():
    stream, graph = cuda.Stream(), cuda.CUDAGraph()
    with cuda.stream(stream):
        old = m.ones(1000, device="cuda")
    before = cuda.memory_allocated()
    with cuda.graph(graph, stream=stream):
        del old
        y = m.ones(7, device="cuda") * 3
    assert cuda.memory_allocated() < before
    graph.replay()
    assert y.sum().item() == 21


def test_memory_of_a_recording_is_used_again_on_the_same_stream_only():
    side, graph = cuda.Stream(), cuda.CUDAGraph()
    with cuda.graph(graph):
        side.wait_stream(cuda.current_stream())
        x = m.ones(3000, device="cuda")
        mine = x.data_ptr()
        del x
        with cuda.stream(side):
            y = m.ones(3000, device="cuda")
            theirs = y.data_ptr()
            assert theirs != mine
            del y
        z = m.ones(3000, device="cuda")
        assert z.data_ptr() == mine
        z.record_stream(side)
        del z  # the side stream may still use it
        assert m.ones(3000, device="cuda").data_ptr() not in (mine, theirs)
        cuda.current_stream().wait_stream(side)
    graph.replay()


def test_graphs_that_share_memory():
    pool = cuda.graph_pool_handle()
    x = m.full((5000,), 2.0, device="cuda")

    def record(f, pool):
        graph = cuda.CUDAGraph()
        with cuda.graph(graph, pool=pool):
            y = (f(x) + 1).sum()
        return graph, y

    before = cuda.mem_get_info()[0]
    first, a = record(m.sqrt, pool)
    after_first = cuda.mem_get_info()[0]
    second, b = record(m.square, first.pool())
    assert first.pool() == second.pool() == pool
    assert cuda.mem_get_info()[0] >= after_first - 64 < before  # the sums, at most
    for value in 4.0, 9.0:
        x.fill_(value)
        first.replay(), second.replay()
        assert a.item() == pytest.approx(5000 * (value**0.5 + 1))
        assert b.item() == 5000 * (value**2 + 1)
    first.reset()
    second.replay()
    assert b.item() == 5000 * (81.0 + 1)
    other, _ = record(m.sqrt, None)
    assert other.pool() != pool
    with pytest.raises(TypeError, match="graph_pool_handle"):
        record(m.sqrt, 7)
    with pytest.raises(RuntimeError, match="nothing was captured"):
        first.pool()

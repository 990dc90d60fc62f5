"""Threads: several Python threads at once, forked children, nested use."""

import os
import subprocess
import sys
import threading

import pytest

import minitorch as mt


def work():
    x = mt.arange(300_000).float()
    return (x * 2 + 1).sum().item()


def test_several_python_threads_at_once():
    want = work()
    results = [None] * 4

    def run(i):
        results[i] = [work() for _ in range(20)]

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [[want] * 20] * 4


def test_grad_mode_belongs_to_a_thread():
    seen = []
    with mt.no_grad():
        t = threading.Thread(target=lambda: seen.append(mt.is_grad_enabled()))
        t.start()
        t.join()
    assert seen == [True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_computes():
    want = work()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, repr(work()).encode())
        os._exit(0)
    os.close(write)
    assert os.read(read, 100) == repr(want).encode()
    assert os.waitpid(pid, 0)[1] == 0


def test_number_of_threads():
    before = mt.get_num_threads()
    try:
        mt.set_num_threads(1)
        assert mt.get_num_threads() == 1
        with pytest.raises(RuntimeError, match="positive"):
            mt.set_num_threads(0)
    finally:
        mt.set_num_threads(before)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs Linux's /proc")
def test_small_work_never_wakes_a_thread():
    code = """
import os
import minitorch as mt
mt.set_num_threads(4)
model = mt.nn.Sequential(mt.nn.Linear(4, 8), mt.nn.ReLU(), mt.nn.Linear(8, 2))
opt = mt.optim.Adam(model.parameters())
x, y = mt.randn(16, 4), mt.randint(0, 2, (16,))
mt.nn.functional.cross_entropy(model(x), y).backward()
opt.step()
small = len(os.listdir("/proc/self/task"))
mt.randn(1 << 20).exp()
print(small, len(os.listdir("/proc/self/task")))
"""
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["1", "4"]


def test_an_error_in_one_thread_leaves_the_pool_usable():
    table = mt.randn(10, 4)
    index = mt.zeros(1 << 20, dtype=mt.int64)
    index[-1] = 10
    for _ in range(3):
        with pytest.raises(IndexError):
            mt.nn.functional.embedding(index, table)
        assert work() == work()


def test_threads_that_call_while_another_computes():
    x = mt.randn(512, 512)
    want = (x @ x).sum().item()
    stop, results = threading.Event(), []

    def run():
        while not stop.is_set():
            results.append((x @ x).sum().item())

    other = threading.Thread(target=run)
    other.start()
    mine = [(x @ x).sum().item() for _ in range(20)]
    stop.set()
    other.join()
    assert set(mine) | set(results) == {want}

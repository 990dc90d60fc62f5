"""Threads: several Python threads at once, forked children, nested use."""

import os
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

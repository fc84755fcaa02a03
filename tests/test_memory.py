"""Memory that is used again: who gets which, how much is kept, and nobody's numbers change."""

import gc
import os
import signal
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from smnn_np import _memory, ode_solve
from smnn_np._mapped import Mapping, most_numbers
from smnn_np._memory import LARGE, LEAST, MOST, empty, zeros

SIZE = LEAST


@pytest.fixture(autouse=True)
def pool(monkeypatch):
    """Pools of the test's own, with nothing in them; large memory is nobody's."""
    monkeypatch.setattr(_memory, "POOL", _memory._Pool(_memory._Block, MOST))
    monkeypatch.setattr(_memory, "LARGE_POOL", _memory._Pool(Mapping, 0))
    return _memory.POOL


def address(array):
    return array.ctypes.data


def test_memory_is_used_again():
    first = empty(SIZE)
    place = address(first)
    del first
    assert address(empty(SIZE)) == place


def test_a_view_holds_the_memory():
    first = empty((2, SIZE))
    view, place = first[1, ::2], address(first)
    view[:] = 7.0
    del first
    other = empty((2, SIZE))
    assert address(other) != place
    other[:] = 0.0
    assert (view == 7.0).all()


@pytest.mark.parametrize("size", [SIZE, LARGE])
@pytest.mark.parametrize("shape", [(1,), (3, 2)])
def test_arrays_are_as_numpy_makes_them(monkeypatch, size, shape):
    monkeypatch.setattr(_memory, "LARGE_POOL", _memory._Pool(Mapping, most_numbers()))
    shape = (size + 1, *shape)
    for make in (empty, zeros):
        array, plain = make(shape), np.empty(shape)
        assert array.shape == plain.shape
        assert array.dtype == plain.dtype
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert address(array) % 64 == 0


def test_zeros_are_zeros_in_used_memory():
    used = empty(SIZE)
    used[:] = np.nan
    del used
    assert not zeros(SIZE).any()


def test_small_and_huge_arrays_are_not_remembered(pool):
    assert empty(SIZE - 1).base is None
    for make in (empty, zeros):
        array = make((2, MOST // 2))
        assert array.shape == (2, MOST // 2)
        assert address(array) % 64 == 0
    assert not zeros((2, SIZE // 4)).any()
    assert pool.size() == 0


@pytest.mark.parametrize(("waiting", "again"), [(0.9, False), (1.1, True), (1.5, False)])
def test_blocks_of_about_the_size_do(waiting, again):
    first = empty(int(2 * SIZE * waiting))
    place = address(first)
    del first
    assert (address(empty(2 * SIZE)) == place) is again


def test_what_is_remembered_is_bounded_and_the_newest(pool):
    arrays = [empty(MOST // 4) for _ in range(6)]
    places = list(map(address, arrays))
    assert MOST // 2 < pool.size() <= MOST
    del arrays
    assert MOST // 2 < pool.size() <= MOST
    assert address(empty(MOST // 4)) == places[-1]


def test_few_blocks_are_looked_through(pool):
    arrays = [empty(SIZE) for _ in range(200)]
    assert pool.size() < 50 * SIZE
    numbers = [weakref.ref(array.base) for array in arrays]
    del arrays
    assert sum(each() is not None for each in numbers) < 50


def test_a_thread_gets_its_own_back():
    barrier, places = threading.Barrier(2), {}

    def work(k):
        array = empty(SIZE)
        places.setdefault(k, []).append(address(array))
        barrier.wait(10)  # both have one
        if k == 1:
            del array
        barrier.wait(10)  # the second has given its own back, the first is yet to do so
        if k == 0:
            del array
        barrier.wait(10)
        places[k].append(address(empty(SIZE)))
        barrier.wait(10)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, range(2)))
    assert places[0][0] == places[0][1] != places[1][0] == places[1][1]


def test_garbage_may_ask_in_the_midst_of_taking(pool, monkeypatch):
    """The collector may run what users wrote at any time: here in the midst of `take`."""
    asked = []

    def collect(block):
        asked.append(_memory.empty(SIZE) if len(asked) < 2 else None)
        return count(block)

    count = _memory._n_references
    kept = empty(SIZE)
    place = address(kept)
    del kept
    monkeypatch.setattr(_memory, "_n_references", collect)
    array = empty(SIZE)
    assert address(array) == place
    assert asked[0].size == SIZE
    assert address(asked[0]) != place


def test_a_forked_child_can_take(pool):
    holder = threading.Thread(target=pool._lock.acquire)
    holder.start()
    holder.join()
    pool._busy = True  # another thread of the parent is in the midst of `take`
    child = os.fork()
    if child == 0:
        signal.alarm(5)  # rather than wait for ever
        empty(SIZE)
        os._exit(int(pool.size() == 0))
    assert os.waitpid(child, 0)[1] == 0


def test_solutions_are_the_caller_s(pool):
    """What is held keeps its numbers, whatever is solved after it; what is not is used again."""
    n = SIZE // 3 + 1

    def solve(start):
        return ode_solve([[[[1.0, 1.0, 0.0]]]], [[0.0]], [[[start, -start]]], 0.01, n_steps=n)

    held = solve(1.0)
    kept = held.copy()
    for start in (2.0, 3.0):
        solve(start)
    gc.collect()
    assert pool.size() > 0
    np.testing.assert_array_equal(held, kept)

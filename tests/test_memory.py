"""Memory that is used again: who gets which, how much waits, and nobody's numbers change."""

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from smnn_np import _memory, ode_solve
from smnn_np._memory import LEAST, MOST, empty, zeros

SIZE = LEAST // 8


@pytest.fixture(autouse=True)
def pool(monkeypatch):
    """A pool of the test's own, with nothing in it."""
    monkeypatch.setattr(_memory, "POOL", _memory._Pool())
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


@pytest.mark.parametrize("shape", [SIZE, (SIZE,), (3, SIZE, 2)])
def test_arrays_are_as_numpy_makes_them(shape):
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


def test_small_arrays_are_left_to_numpy(pool):
    for make in (empty, zeros):
        array = make(SIZE - 1)
        assert array.base is None
        del array
    assert pool.waiting() == 0


def test_huge_arrays_do_not_wait(pool):
    for make in (empty, zeros):
        array = make((2, MOST // 16))
        assert array.shape == (2, MOST // 16)
        assert address(array) % 64 == 0
        del array
    assert pool.waiting() == 0


@pytest.mark.parametrize(("waiting", "again"), [(0.9, False), (1.1, True), (1.5, False)])
def test_blocks_of_about_the_size_do(waiting, again):
    first = empty(int(2 * SIZE * waiting))
    place = address(first)
    del first
    assert (address(empty(2 * SIZE)) == place) is again


def test_what_waits_is_bounded_and_the_newest(pool):
    arrays = [empty(MOST // 8 // 4) for _ in range(6)]
    places = list(map(address, arrays))
    while arrays:
        del arrays[0]
    assert MOST // 2 < pool.waiting() <= MOST
    assert address(empty(MOST // 8 // 4)) == places[-1]


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


def test_giving_back_never_waits_for_taking(pool):
    # The garbage collector may run in the midst of `take`.
    arrays = [empty(MOST // 8 // 2 - 100) for _ in range(3)]
    with pool._lock:
        giving = threading.Thread(target=arrays.clear, daemon=True)
        giving.start()
        giving.join(1)
        assert not giving.is_alive()
    assert pool.waiting() > MOST
    pool.give(np.empty(1, dtype=np.uint8))
    assert pool.waiting() <= MOST


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_garbage_may_give_back_in_the_midst_of_taking(pool):
    """The collector runs at any allocation: here at each of those that `take` makes, in turn."""
    before, many = gc.get_threshold(), [empty(LEAST // 8) for _ in range(80)]
    del many
    try:
        for later in range(40):
            gc.disable()
            cycle = [empty(LEAST // 8)]
            cycle.append(cycle)
            del cycle
            gc.enable()
            gc.set_threshold(gc.get_count()[0] + later)
            pool.take(LEAST)
            gc.collect()
    finally:
        gc.set_threshold(*before)


def test_a_forked_child_can_take(pool):
    pool._lock.acquire()  # as another thread of the parent may
    child = os.fork()
    if child == 0:
        empty(SIZE)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    pool._lock.release()


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
    assert pool.waiting() > 0
    np.testing.assert_array_equal(held, kept)

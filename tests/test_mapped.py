"""Large memory: used again, the system's while it waits, and nobody's numbers change."""

import gc
import mmap
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest

from smnn_np import _mapped, _memory
from smnn_np._mapped import Mapping, most_numbers
from smnn_np._memory import LARGE, MOST, empty, zeros

try:
    FLAGS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    mmap.mmap(-1, mmap.PAGESIZE, flags=FLAGS).madvise(mmap.MADV_FREE)
except (AttributeError, OSError):
    pytest.skip("this system cannot be given memory lazily", allow_module_level=True)

PAGE_OUT = 21  # Linux's MADV_PAGEOUT: take these pages now, as if others needed memory


@pytest.fixture(autouse=True)
def pool(monkeypatch):
    """A pool of the test's own, with nothing in it."""
    monkeypatch.setattr(_memory, "LARGE_POOL", _memory._Pool(Mapping, most_numbers()))
    return _memory.LARGE_POOL


def address(array):
    return array.ctypes.data


def megabytes(name):
    """What Linux says of this process's memory."""
    try:
        found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/smaps_rollup").read_text())
    except OSError:
        found = None
    if not found:
        pytest.skip(f"this system does not say how much {name} there is")
    return int(found[1]) / 1024


def press(pool):
    """Have the system take what it may; whether it can be asked to."""
    return all(_mapped._advise(block._pages, PAGE_OUT) for block in pool._blocks)


def filled(size, value):
    array = empty(size)
    array.fill(value)
    return array


def test_memory_is_used_again_when_the_last_view_is_gone(pool):
    first = filled((2, LARGE), 7.0)
    place, view = address(first), first[1, ::3].T[5:]
    del first
    other = filled((2, LARGE), 0.0)
    assert address(other) != place
    assert (view == 7.0).all()
    del view
    assert address(empty((2, LARGE))) == place


def test_arrays_go_to_files_and_to_other_processes(tmp_path):
    array = filled(LARGE, 0.5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array)), array)
    joblib.dump(array, tmp_path / "array")
    np.testing.assert_array_equal(joblib.load(tmp_path / "array"), array)
    # Joblib writes it to a file: what is mapped without one is no numpy.memmap.
    sums = joblib.Parallel(2, max_nbytes=1000)(joblib.delayed(np.sum)(each) for each in (array,))
    assert sums == [LARGE / 2]


def test_zeros_are_zeros_and_are_written_only_to_used_memory(pool):
    assert not zeros(LARGE).any()
    filled(LARGE, np.nan)
    assert not zeros(LARGE).any()
    assert len(pool._blocks) == 1
    before = megabytes("Rss")
    array = zeros(32 * LARGE)
    assert megabytes("Rss") < before + 64
    assert not array[:: 2**17].any()


def test_the_system_may_have_what_nobody_uses():
    before = megabytes("LazyFree")
    array = filled(4 * LARGE, 1.0)
    view = array[:2]
    del array
    assert megabytes("LazyFree") < before + 1
    del view
    assert megabytes("LazyFree") > before + 30


def test_the_system_takes_what_nobody_uses_and_nothing_else(pool):
    held, idle = filled(4 * LARGE, 1.0), filled(4 * LARGE, 2.0)
    place = address(idle)
    del idle
    before = megabytes("Rss")
    if not press(pool):
        pytest.skip("this system cannot be asked to take pages")
    assert megabytes("Rss") < before - 30
    assert (held == 1.0).all()
    again = filled(4 * LARGE, 3.0)
    assert address(again) == place
    press(pool)
    assert (again == 3.0).all()


def test_the_system_is_told_before_others_are(pool, monkeypatch):
    """Else it would be given what somebody has already got."""

    def hear(pages, advice):
        if advice == _mapped._FREE:
            assert not pool._blocks[0].free
            meanwhile.append(empty(LARGE))
        return True

    meanwhile = []
    array = empty(LARGE)
    place = address(array)
    monkeypatch.setattr(_mapped, "_advise", hear)
    del array
    assert [address(each) != place for each in meanwhile] == [True]
    assert pool._blocks[0].free
    assert address(empty(LARGE)) == place


def test_memory_that_cannot_be_given_lazily_is_given_at_once(pool, monkeypatch):
    before = megabytes("Rss")
    array = filled(8 * LARGE, 1.0)
    monkeypatch.setattr(_mapped, "_FREE", 12345)
    del array
    assert pool.size() == 0
    assert megabytes("Rss") < before + 32
    assert most_numbers() == 0
    monkeypatch.setattr(_mapped, "_FREE", None)
    assert most_numbers() == 0


def test_without_large_memory_all_is_as_for_small(monkeypatch):
    monkeypatch.setattr(_memory, "LARGE_POOL", _memory._Pool(Mapping, 0))
    monkeypatch.setattr(_memory, "POOL", _memory._Pool(_memory._Block, MOST))
    array = empty(LARGE)
    assert _memory.POOL.size() == LARGE
    assert address(array) % 64 == 0


def test_what_is_remembered_is_bounded_and_the_newest(monkeypatch):
    monkeypatch.setattr(_memory, "LARGE_POOL", _memory._Pool(Mapping, 4 * LARGE))
    arrays = [empty(LARGE) for _ in range(6)]
    places = list(map(address, arrays))
    assert _memory.LARGE_POOL.size() == 4 * LARGE
    for each in range(6):
        arrays[each] = None
        assert _memory.LARGE_POOL.size() == 4 * LARGE
    again = [empty(LARGE) for _ in range(4)]
    assert list(map(address, again)) == places[:1:-1]
    assert empty(4 * LARGE + 1).size == 4 * LARGE + 1
    assert _memory.LARGE_POOL.size() == 4 * LARGE


def test_few_blocks_are_looked_through(pool):
    arrays = [empty(LARGE) for _ in range(40)]
    assert len(pool._blocks) == 32
    del arrays
    assert len(pool._blocks) == 32


def test_the_bound_is_a_quarter_of_what_the_process_may_have():
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 8 * most_numbers() <= physical / 4
    code = "from smnn_np._mapped import most_numbers; print(8 * most_numbers())"
    limit = 2**31

    def bound():
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    done = subprocess.run([sys.executable, "-c", code], preexec_fn=bound, capture_output=True)
    assert int(done.stdout) == limit // 4


def test_what_is_remembered_makes_room_where_memory_is_short(pool, monkeypatch):
    def make(size):
        if pool._blocks:
            raise MemoryError
        return Mapping(size)

    empty(LARGE)
    monkeypatch.setattr(pool, "_make", make)
    assert empty(2 * LARGE).size == 2 * LARGE
    assert len(pool._blocks) == 1


def test_too_much_is_a_memory_error(monkeypatch):
    monkeypatch.setattr(_memory, "LARGE_POOL", _memory._Pool(Mapping, 2**60))
    with pytest.raises(MemoryError, match="numbers"):
        empty(2**55)


def test_garbage_may_come_and_go_in_the_midst_of_taking(pool, monkeypatch):
    """The collector may run what users wrote at any time: here in the midst of `take`."""

    def collect(block):
        if held:
            held.pop()
            asked.append(empty(LARGE))
        return was_free(block)

    was_free, asked = Mapping.is_free, []
    kept, held = empty(LARGE), [empty(LARGE)]
    places = {address(kept), address(held[0])}
    del kept
    monkeypatch.setattr(Mapping, "is_free", collect)
    array, other = empty(LARGE), empty(LARGE)
    assert {address(array), address(other)} == places
    assert address(asked[0]) not in places


class Ring:
    """Garbage that only the collector finds."""

    def __init__(self, array):
        self.array, self.ring = array, self


def test_threads_never_share(pool):
    """Each writes a pattern of its own and finds it as it was, whoever drops what and when."""
    shared, lock, tags = [], threading.Lock(), iter(range(1, 10**6))

    def work(seed):
        draw = random.Random(seed)
        for _ in range(150):
            with lock:
                tag = float(next(tags))
            array = filled(LARGE + draw.randrange(LARGE // 4), tag)
            with lock:
                shared.append((tag, array if draw.random() < 0.5 else array[7::5]))
                old = shared.pop(draw.randrange(len(shared))) if len(shared) > 6 else None
            if old is not None:
                assert (old[1] == old[0]).all()
            if draw.random() < 0.3:
                Ring(array)

    thresholds = gc.get_threshold()
    gc.set_threshold(5)
    try:
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(work, range(3)))
    finally:
        gc.set_threshold(*thresholds)
    assert all((array == tag).all() for tag, array in shared)
    assert len(pool._blocks) <= 32


def in_child(work):
    """Exit status of a forked child that works."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # rather than wait for ever
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def test_a_forked_child_disturbs_nobody(pool):
    held, idle = filled(LARGE, 1.0), filled(LARGE, 2.0)
    places = [address(idle), address(held)]
    kept = [held]
    del idle, held

    def work():
        mine = filled(LARGE, 3.0)
        assert address(mine) == places[0]
        assert (kept.pop() == 1.0).all()
        other = filled(LARGE, 4.0)
        assert address(other) == places[1]
        press(pool)
        assert (mine == 3.0).all()
        assert (other == 4.0).all()
        del mine, other
        press(pool)

    for _ in range(2):
        assert in_child(work) == 0
        assert (kept[0] == 1.0).all()
    again = filled(LARGE, 5.0)
    assert address(again) == places[0]
    assert in_child(lambda: filled(LARGE, 6.0)) == 0
    assert (again == 5.0).all()
    assert (kept[0] == 1.0).all()


def test_a_forked_child_can_take(pool):
    holder = threading.Thread(target=pool._lock.acquire)
    holder.start()
    holder.join()
    pool._busy = True  # another thread of the parent is in the midst of `take`

    def work():
        empty(LARGE)
        assert pool.size() == LARGE

    assert in_child(work) == 0


def test_a_process_may_use_its_arrays_to_the_end():
    code = """
import atexit, builtins
atexit.register(lambda: print([block.free for block in LARGE_POOL._blocks], kept[-1]))
from smnn_np._memory import LARGE, LARGE_POOL, empty, zeros
builtins.kept, left, ring = zeros(LARGE), zeros(LARGE), []
ring.append((ring, empty(LARGE)))
empty(LARGE)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split("\n") == ["[False, False, False, True] 0.0", ""]
    assert (done.returncode, done.stderr) == (0, "")

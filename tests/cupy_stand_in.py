"""A stand-in for CuPy where there is no GPU: NumPy arrays in a wrapper that is as strict.

Together with Numba's CUDA simulator it runs all of the GPU's code on the host. Like a CuPy array, a
wrapped one refuses to meet a NumPy array, to become one unasked, and gives arrays without axes
where NumPy gives numbers. It has what the package uses, and nothing else that could hide a mistake.
What crosses between the host and the pretended device is written down.
"""

import operator
import sys
from types import ModuleType, SimpleNamespace

import numpy as np

HOME, THERE = "home", "there"
crossings = []  # direction and number of entries of all that was copied


def _cross(direction, array):
    crossings.append((direction, array.size))
    return array


def _unwrap(value):
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("a NumPy array meets a CuPy array")
    if isinstance(value, tuple | list):
        return type(value)(_unwrap(each) for each in value)
    return value


def _wrap(value):
    if isinstance(value, tuple):
        return tuple(_wrap(each) for each in value)
    return ndarray(value) if isinstance(value, np.ndarray | np.generic) else value


class ndarray:
    """An array on the pretended device."""

    __hash__ = None

    def __init__(self, host):
        self._host = np.asarray(host)

    def get(self):
        return _cross(HOME, self._host).copy()

    def item(self):
        return _cross(HOME, self._host).item()

    def tolist(self):
        return _cross(HOME, self._host).tolist()

    @property
    def __cuda_array_interface__(self):
        return self._host.__array_interface__

    def __array__(self, *arguments, **options):
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        options = {name: _unwrap(value) for name, value in options.items()}
        return _wrap(getattr(ufunc, method)(*map(_unwrap, inputs), **options))

    def __array_function__(self, function, types, arguments, options):
        options = {name: _unwrap(value) for name, value in options.items()}
        return _wrap(function(*map(_unwrap, arguments), **options))

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(self._host, name)
        if not callable(value):
            return _wrap(value) if isinstance(value, np.ndarray) else value

        def method(*arguments, **options):
            options = {key: _unwrap(each) for key, each in options.items()}
            result = value(*map(_unwrap, arguments), **options)
            return _wrap(result)

        return method

    def __getitem__(self, index):
        return ndarray(self._host[_unwrap(index)])

    def __setitem__(self, index, value):
        self._host[_unwrap(index)] = _unwrap(value)

    def __len__(self):
        return len(self._host)

    def __bool__(self):
        return bool(_cross(HOME, self._host))

    def __float__(self):
        return float(_cross(HOME, self._host))

    def __int__(self):
        return int(_cross(HOME, self._host))

    def __format__(self, spec):
        return format(self._host, spec)


def _operation(function):
    return lambda self, other: ndarray(function(self._host, _unwrap(other)))


def _in_place(function):
    def operate(self, other):
        function(self._host, _unwrap(other))
        return self

    return operate


for _name in ("add", "sub", "mul", "truediv", "pow", "matmul", "and_", "or_"):
    _function, _plain = getattr(operator, _name), _name.strip("_")
    setattr(ndarray, f"__{_plain}__", _operation(_function))
    setattr(ndarray, f"__r{_plain}__", _operation(lambda a, b, _f=_function: _f(b, a)))
    setattr(ndarray, f"__i{_plain}__", _in_place(getattr(operator, f"i{_plain}")))
for _name in ("lt", "le", "gt", "ge"):
    setattr(ndarray, f"__{_name}__", _operation(getattr(operator, _name)))
for _name in ("eq", "ne"):
    setattr(ndarray, f"__{_name}__", _operation(getattr(operator, _name)))
for _name in ("neg", "abs", "invert"):
    _function = getattr(operator, _name)
    setattr(ndarray, f"__{_name}__", lambda self, _f=_function: ndarray(_f(self._host)))
ndarray.__module__ = "cupy"


NAMES = (
    "arange", "ascontiguousarray", "concatenate", "einsum", "empty", "exp", "isfinite", "isnan",
    "matmul", "maximum", "moveaxis", "stack", "sum", "tanh", "tile", "where", "zeros", "zeros_like",
)  # fmt: skip


def make_module() -> ModuleType:
    """The module ``cupy``, of which the package sees no more than it uses."""
    module = ModuleType("cupy")
    module.ndarray = ndarray
    module.asnumpy = lambda array: array.get()
    module.crossings = crossings
    module.asarray = lambda array, **options: ndarray(np.asarray(_inside(array), **options))

    def function(name):
        def call(*arguments, **options):
            options = {key: _unwrap(each) for key, each in options.items()}
            return _wrap(getattr(np, name)(*map(_unwrap, arguments), **options))

        return call

    for name in NAMES:
        setattr(module, name, function(name))
    stream = SimpleNamespace(ptr=0, synchronize=lambda: None)
    runtime = SimpleNamespace(
        getDevice=lambda: 0, getDeviceProperties=lambda number: {"name": b"a simulated GPU"}
    )
    module.cuda = SimpleNamespace(get_current_stream=lambda: stream, runtime=runtime)
    module.is_available = lambda: True
    return module


def _inside(array):
    return array._host if isinstance(array, ndarray) else _cross(THERE, np.asarray(array))


def install() -> ModuleType:
    """Put the stand-in where ``import cupy`` finds it."""
    return sys.modules.setdefault("cupy", make_module())

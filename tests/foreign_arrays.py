"""Arrays that behave as NumPy's and refuse to meet them, as a CuPy array does."""

from types import ModuleType

import numpy as np


class Foreign(np.ndarray):
    """An array that refuses to meet NumPy's own, as a CuPy array does."""

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return foreign_call(getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, func, types, args, kwargs):
        return foreign_call(func, args, kwargs)

    def get(self):
        """Return the array on the host."""
        return np.array(self.view(np.ndarray))


def foreign_call(function, args, kwargs):
    """Call NumPy's function with foreign arrays alone; the result is one too."""
    result = function(*bare(args), **bare(kwargs))
    if kwargs.get("out") is not None:
        return kwargs["out"][0] if isinstance(kwargs["out"], tuple) else kwargs["out"]
    return result.view(Foreign) if isinstance(result, np.ndarray) else result


def bare(value):
    """Return NumPy's view of foreign arrays, wherever they are; refuse NumPy's own with axes."""
    if isinstance(value, tuple | list):
        return type(value)(bare(each) for each in value)
    if isinstance(value, dict):
        return {name: bare(each) for name, each in value.items()}
    if isinstance(value, Foreign):
        return value.view(np.ndarray)
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("a NumPy array meets a foreign one")
    return value


def make_module():
    """Return a module of foreign arrays: NumPy's functions under another name."""
    module = ModuleType("foreign_arrays")
    for name in ("einsum", "exp", "isfinite", "isnan", "matmul", "maximum", "moveaxis", "stack"):
        setattr(module, name, getattr(np, name))
    for name in ("concatenate", "sum", "tanh", "where", "zeros_like"):
        setattr(module, name, getattr(np, name))
    module.empty = lambda shape, dtype=float: np.empty(shape, dtype).view(Foreign)
    module.zeros = lambda shape, dtype=float: np.zeros(shape, dtype).view(Foreign)
    module.asarray = lambda array: np.asarray(array).view(Foreign)
    module.Foreign = Foreign
    return module

"""How long a fresh interpreter waits for the package."""


def timeraw_import_package():
    """Return the code to time: the front door alone."""
    return "import smnn_np"


def timeraw_import_solver():
    """Return the code to time: the door and the solver behind it, without scikit-learn."""
    return "import smnn_np; smnn_np.ode_solve"


def timeraw_import_discoverer():
    """Return the code to time: the estimator, and so scikit-learn."""
    return "import smnn_np; smnn_np.SMNNDiscoverer"


def timeraw_first_solve():
    """Return the code to time: import and a first solution, with compiled code on disk."""
    return """
import numpy as np
import smnn_np
smnn_np.ode_solve([[[[1.0, 0.0, 1.0]]]], [[0.0]], [[[1.0, 0.0]]], 0.1, n_steps=50)
"""


def timeraw_first_kernel():
    """Return the code to time: Numba's own share, the import and one small compiled kernel."""
    return """
import numpy as np
from smnn_np._kernels.links import link_columns
empty, flat, cube = np.zeros(0), np.zeros((0, 1)), np.zeros((0, 1, 1))
none = np.zeros(0, dtype=np.int64)
link_columns(empty, empty, flat, flat, flat, flat, cube, cube, none, none, cube[:, :, :0])
"""

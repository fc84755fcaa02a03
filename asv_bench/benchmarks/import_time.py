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

"""Benchmarks, compared with the NumPy reference and, if installed, scikit-learn.

fastridge is not imported here: asv may fork this process, and in a forked child fastridge uses one
thread if the parent has imported it. Data is made, and touched, in `setup`.
"""

import contextlib
import os

if os.environ.get("FASTRIDGE_SUITE_PRELOAD"):
    # for a run that only tries every benchmark: one import for all forked processes, whose memory
    # it counts to
    with contextlib.suppress(ImportError):
        import sklearn.linear_model  # noqa: F401

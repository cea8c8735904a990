"""Benchmarks, beside the NumPy reference and, where it is installed, scikit-learn.

Nothing is imported here that has threads: asv may fork this process, and a forked child keeps to
one thread. Data is made, and touched, in `setup`.
"""

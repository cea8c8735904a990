"""One adapter for each library.

`players(work, threads)` gives (name, step, weights) of each: a function that takes one step, and
one that returns the parameters. A library that is not installed, or has no such step, has none.
"""

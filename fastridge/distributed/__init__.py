"""Fits of data in parts: chunks that are read in turn, and collections of Dask.

A pass sums over the parts, on whatever holds them, and what comes back are sums: moments for
squared losses, gradients and weighted Gram matrices for the others.
"""

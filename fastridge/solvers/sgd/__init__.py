"""Stochastic gradient descent: linear models learned row by row."""

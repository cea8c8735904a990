"""Solvers: checked arrays and a Matrix in, a result with its certificate out."""

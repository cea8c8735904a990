"""Linear systems: their cost, factorisations that can be interrupted, spectra."""

"""Leave-one-out and generalised cross-validation of ridge regression."""

"""The Gaussian prior: evidence and posterior."""

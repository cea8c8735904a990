"""The quadratic objective of the squared loss: centred, scaled and weighted data."""

"""The quadratic that every solver of the squared loss minimises: centred, scaled, weighted."""

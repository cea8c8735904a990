"""Ridge regression on every window of a series, or of each series of a panel."""

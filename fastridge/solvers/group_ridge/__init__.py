"""Ridge regression with a penalty for each group of features, chosen from the data."""

"""Ridge regression at many penalties, and on folds."""

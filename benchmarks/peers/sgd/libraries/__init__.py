"""One module per library.

`players(work, options)` gives (name, prepare) for each method. `prepare(rows)` converts rows to the
library's own form and returns a function without arguments that learns them in one epoch; its time
is measured, and it returns a function from rows to linear predictors. `small(X, y)` gives (name,
call) for each method: a call learns these few rows incrementally. A library that is not installed
gives none.
"""

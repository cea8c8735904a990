"""One module per library.

`players(work, options)` gives (name, prepare) of each way to learn. `prepare(rows)` brings rows
into the library's own form and gives a function without arguments that learns them in one epoch;
it is what is timed, and gives a function from rows to linear predictors. `small(X, y)` gives (name,
call) of each: a call learns these few rows, on top of what came before. A library that is not
installed gives none.
"""

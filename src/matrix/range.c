#include "range.h"

#include <float.h>
#include <stdlib.h>

#include "access.h"
#include "moments.h"
#include "parallel.h"

int fr_target_out_of_range(const double *y, ptrdiff_t n, double squares, int intercept)
{
    if (squares >= FR_LEAST_SQUARES)
        return !(squares <= FR_MOST_SQUARES);
    const double level = intercept ? y[0] : 0.0;
    ptrdiff_t i = 0;
    while (i < n && y[i] == level)
        i++;
    return i < n;
}

/* Mark columns that hold a non-zero element. */
static void find_nonzero(const fr_matrix *a, unsigned char *found)
{
    if (a->index >= 0) {
        for (ptrdiff_t i = 0; i < a->n_major; i++)
            for (ptrdiff_t k = pointer(a, i); k < pointer(a, i + 1); k++)
                if (value_at(a, k) != 0)
                    found[a->by_column ? i : index_at(a, k)] = 1;
        return;
    }
    for (ptrdiff_t j = 0; j < fr_n_columns(a); j++)
        for (ptrdiff_t i = 0; i < fr_n_rows(a) && !found[j]; i++)
            found[j] = at(a, i, j) != 0;
}

int fr_columns_out_of_range(const fr_matrix *a, const double *w, const double *mean,
                            const double *penalty, double alpha, double *squares)
{
    const ptrdiff_t n = fr_n_rows(a), p = fr_n_columns(a);
    ptrdiff_t small = 0;
    for (ptrdiff_t j = 0; j < p; j++) {
        small += squares[j] < FR_LEAST_SQUARES;
        if (!(squares[j] <= FR_MOST_SQUARES))
            return FR_NOT_FINITE;
    }
    if (!small)
        return 0;
    double total = w ? 0.0 : (double)n;
    for (ptrdiff_t i = 0; i < n && w; i++)
        total += w[i];
    unsigned char *nonzero = NULL;
    int status = 0;
    for (ptrdiff_t j = 0; j < p && !status; j++) {
        /* a constant column is recognised by its mean, which does not vanish when squared */
        if (squares[j] >= FR_LEAST_SQUARES ||
            (squares[j] == 0 && total * mean[j] * mean[j] >= FR_LEAST_SQUARES))
            continue;
        if (!nonzero) {
            if (!(nonzero = calloc((size_t)p, 1)))
                return FR_NO_MEMORY;
            find_nonzero(a, nonzero);
        }
        if (!nonzero[j])
            continue;
        if (alpha * penalty[j] >= FR_LEAST_SQUARES / DBL_EPSILON)
            squares[j] = MAX(squares[j], DBL_MIN);
        else
            status = FR_NOT_FINITE;
    }
    free(nonzero);
    return status;
}

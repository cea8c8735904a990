/* Remove rows and columns from a Cholesky factor.
 *
 * Let U = [U11 u12 U13; 0 d u23; 0 0 U33]. Without the second row and column, U33 becomes the
 * factor of U33'U33 + u23'u23. Rotations of each row of U33 with u23 compute it; nothing is
 * subtracted, so this is stable.
 */

#include "cholesky.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "parallel.h"

/* Pack the elements of a row that are kept, from column c0 on. */
static void close_up(const double *from, const unsigned char *gone, ptrdiff_t c0, ptrdiff_t p,
                     double *to)
{
    for (ptrdiff_t c = c0; c < p; c++)
        if (!gone[c])
            *to++ = from[c];
}

int fr_cholesky_remove(double *u, ptrdiff_t ld, ptrdiff_t p, const unsigned char *gone, ptrdiff_t k)
{
    ptrdiff_t first = 0, at, before = 0;
    while (first < p && !gone[first])
        first++;
    const ptrdiff_t left = p - k, width = left - first;
    double *out = malloc((size_t)(k * width + 2 * k + 1) * sizeof(double));
    if (!out)
        return FR_NO_MEMORY;
    double *c = out + k * width, *s = c + k;
    const fr_kernels *f = fr_active();
    int status = 0;
    for (ptrdiff_t i = 0; i < first; i++)
        close_up(u + i * ld, gone, first, p, u + i * ld + first);
    for (ptrdiff_t i = first; i < p && !status; i++) {
        const double *from = u + i * ld;
        at = i - before;
        if (gone[i]) {
            close_up(from, gone, i + 1, p, out + before * width + at - first);
            before++;
            continue;
        }
        double *row = u + at * ld + at, *y = out + at - first;
        close_up(from, gone, i, p, row);
        for (ptrdiff_t r = 0; r < before; r++) {
            const double b = y[r * width], size = hypot(row[0], b);
            c[r] = row[0] / size;
            s[r] = b / size;
            row[0] = size;
        }
        f->rotate(left - at - 1, before, c, s, row + 1, y + 1, width);
        if (i % 64 == 63)
            status = fr_poll();
    }
    free(out);
    return status;
}

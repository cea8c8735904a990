#include "inverse.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 48 /* columns eliminated at a time */
#define TILE 32  /* side of a block that is transposed */

static double one = 1.0, minus = -1.0, zero = 0.0;

/* Finish the block of columns i to j; `row` is nb x n and `panel` n x nb, both for one block. */
static int eliminate(const fr_blas *f, double *a, int n, int i, int j, double *row, double *panel)
{
    const size_t ld = (size_t)n;
    int nb = j - i, rest = n - j, info = 0;
    double *corner = a + i * ld + i;
    f->potrf("L", &nb, corner, &n, &info);
    if (info)
        return 1;
    f->trtri("L", "N", &nb, corner, &n, &info);
    if (info)
        return 1;
    for (int k = 0; k < nb; k++)
        memset(corner + k * ld - i, 0, (size_t)(i + k) * sizeof(double));
    /* rows of the inverse */
    double *inverse = row + (size_t)i * nb;
    for (int k = 0; k < nb; k++)
        memcpy(inverse + (size_t)k * nb, corner + k * ld, (size_t)nb * sizeof(double));
    if (i) {
        f->gemm("N", "N", &nb, &i, &nb, &one, inverse, &nb, a + i, &n, &zero, row, &nb);
        for (int k = 0; k < i; k++)
            memcpy(a + k * ld + i, row + (size_t)k * nb, (size_t)nb * sizeof(double));
    }
    if (!rest)
        return 0;
    /* columns of the factor */
    double *below = a + i * ld + j;
    f->gemm("N", "T", &rest, &nb, &nb, &one, below, &n, inverse, &nb, &zero, panel, &rest);
    f->syrk("L", "N", &rest, &nb, &minus, panel, &rest, &one, a + j * ld + j, &n);
    for (int k = 0; k < nb; k++)
        memset(below + k * ld, 0, (size_t)rest * sizeof(double));
    f->gemm("N", "N", &rest, &j, &nb, &minus, panel, &rest, row, &nb, &one, a + j, &n);
    return 0;
}

int fr_half_inverse(const fr_blas *f, double *a, int n)
{
    const size_t side = n < BLOCK ? (size_t)n : BLOCK;
    double *work = malloc(2 * (size_t)n * side * sizeof(double));
    if (!work)
        return -1;
    int status = 0;
    for (int i = 0; i < n && !status; i += BLOCK)
        status = eliminate(f, a, n, i, n - i < BLOCK ? n : i + BLOCK, work, work + (size_t)n * side);
    free(work);
    return status;
}

int fr_lower_product(const fr_blas *f, const double *m, int n, double *c)
{
    const size_t ld = (size_t)n;
    for (int k = 0; k < n; k++)
        memset(c + k * ld + k, 0, (size_t)(n - k) * sizeof(double));
    for (int i = 0; i < n; i += BLOCK) {
        int j = n - i < BLOCK ? n : i + BLOCK, nb = j - i;
        f->syrk("L", "T", &j, &nb, &one, (double *)m + i, &n, &one, c, &n);
    }
    for (int i = 0; i < n; i += TILE)
        for (int k = 0; k <= i; k += TILE)
            for (int r = i; r < n && r < i + TILE; r++)
                for (int s = k; s < r && s < k + TILE; s++)
                    c[r * ld + s] = c[s * ld + r];
    return 0;
}

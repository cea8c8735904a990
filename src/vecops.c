/* All inner loops, compiled once per instruction set; FR_ISA names the table. */

#include <float.h>
#include <math.h>

#include "vec.h"
#include "wide.h"

#include "cholesky.h"
#include "kernels.h"
#include "moments.h"

#if VL >= 8
#define PANEL 8
#define WIDE 3
#elif VL == 4
#define PANEL 4
#define WIDE 3
#else
#define PANEL 4
#define WIDE 1
#endif
#define PER (PANEL / VL)   /* registers in one row of a panel */
#define MOST (PER * WIDE)  /* registers in one row of a tile */

#include "lanes.template.c"

#define VALUES8(p, m) FR_CAT(VALUES8, T)(p, m)
#define T double
#include "dense.template.c"
#include "sparse_both.h"
#include "steps.template.c"
#undef T
#define T float
#ifdef FR_WIDE
#define ADAM_WIDE
#endif
#include "dense.template.c"
#include "sparse_both.h"
#include "steps.template.c"
#undef T

#define P double
#define WIDTH PANEL
#include "gram.template.c"
#define T double
#include "pack.template.c"
#undef T
#define T float
#include "pack.template.c"
#undef T
#undef P
#undef WIDTH
#if VL > 1
#define P float
#define WIDTH (2 * PANEL)
#include "gram.template.c"
#define T double
#include "pack.template.c"
#undef T
#define T float
#include "pack.template.c"
#undef T
#undef P
#undef WIDTH
#define SINGLE(f) f
#else
#define SINGLE(f) NULL
#endif

static void rotate(ptrdiff_t n, ptrdiff_t k, const double *c, const double *s,
                   double *FR_RESTRICT x, double *FR_RESTRICT y, ptrdiff_t ld)
{
    ptrdiff_t j = 0;
    for (; j + VL <= n; j += VL) {
        vec a = LOAD_double(x + j);
        for (ptrdiff_t i = 0; i < k; i++) {
            const vec b = LOAD_double(y + i * ld + j), ci = SPLAT(c[i]), si = SPLAT(s[i]);
            STORE(y + i * ld + j, ci * b - si * a);
            a = ci * a + si * b;
        }
        STORE(x + j, a);
    }
    for (; j < n; j++)
        for (ptrdiff_t i = 0; i < k; i++) {
            const double a = x[j], b = y[i * ld + j];
            x[j] = c[i] * a + s[i] * b;
            y[i * ld + j] = c[i] * b - s[i] * a;
        }
}

typedef char ones;
#define T ones
#include "sparse_both.h"
#undef T

#define BOTH(f, T) {FR_CAT3(f, T, i32), FR_CAT3(f, T, i64)}
#define SPARSE(T)                                                                                  \
    BOTH(gather, T), BOTH(scatter, T), BOTH(gather_short, T), BOTH(scatter_short, T),              \
        BOTH(gather_lanes, T), BOTH(scatter_lanes, T),                                             \
        BOTH(scatter_by, T), BOTH(scatter_moments, T), BOTH(gather_moments, T)
#define REAL(T)                                                                                    \
    {FR_CAT(dot_rows, T), FR_CAT(axpy_rows, T), FR_CAT(moment_rows, T), FR_CAT(moment_majors, T),  \
     FR_CAT3(pack, T, double), SINGLE(FR_CAT3(pack, T, float)), FR_CAT(finite, T),                 \
     FR_CAT(to_lanes, T), SPARSE(T),                                                             \
     {FR_CAT(sgd_step, T), FR_CAT(momentum_step, T), FR_CAT(adam_step, T)}, FR_CAT(squares, T),    \
     FR_CAT(linear, T), FR_CAT(adam_run, T)}
#define TEXT_(isa) #isa
#define TEXT(isa) TEXT_(isa)

const fr_kernels FR_CAT(fr_kernels, FR_ISA) = {
    TEXT(FR_ISA), PANEL, WIDE, tile_double, SINGLE(tile_float), VL, ridge_lanes, rotate,
    {REAL(double), REAL(float), {.gather = SPARSE(ones)}}};

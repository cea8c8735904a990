/* All inner loops, compiled once per instruction set; FR_ISA names the table. */

#include <float.h>
#include <math.h>

#include "vec.h"
#include "wide.h"

#include "cholesky.h"
#include "kernels.h"
#include "range.h"
#include "refine.h"
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
#include "rolling.template.c"

/* loops in Cython, renamed for this instruction set: see meson.build */
fr_step_loop fr_sgd_float, fr_sgd_double, fr_momentum_float, fr_momentum_double;
void fr_sgd_rows(struct fr_sgd *s, ptrdiff_t wide);
void fr_sgd_batches(struct fr_sgd *s, ptrdiff_t wide);

#define VALUES8(p, m) FR_CAT(VALUES8, T)(p, m)
#define TEMPLATE "sparse.template.c"
#define T double
#include "dense.template.c"
#include "each_index.h"
#include "steps.template.c"
#include "rolling_rows.template.c"
#undef T
#define T float
#ifdef FR_WIDE
#define ADAM_WIDE
#endif
#include "dense.template.c"
#include "each_index.h"
#include "steps.template.c"
#include "rolling_rows.template.c"
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

/* vectors whose sums with four others fit in registers */
#if defined(__AVX512F__) || defined(__aarch64__)
#define DOTS 4
#else
#define DOTS 2
#endif

/* Four rows at a time: four streams from memory, and `out` loaded and stored once. */
static void add_rows(const double *x, ptrdiff_t ld, const int32_t *list, ptrdiff_t rows, ptrdiff_t m,
                     const double *u, double *FR_RESTRICT out)
{
    ptrdiff_t i = 0;
    for (; i + 4 <= rows; i += 4) {
        const double *x0 = x + list[i] * ld, *x1 = x + list[i + 1] * ld;
        const double *x2 = x + list[i + 2] * ld, *x3 = x + list[i + 3] * ld;
        const vec u0 = SPLAT(u[i]), u1 = SPLAT(u[i + 1]), u2 = SPLAT(u[i + 2]), u3 = SPLAT(u[i + 3]);
        ptrdiff_t j = 0;
        for (; j + VL <= m; j += VL)
            STORE(out + j,
                  LOAD_double(out + j) + (u0 * LOAD_double(x0 + j) + u1 * LOAD_double(x1 + j)) +
                      (u2 * LOAD_double(x2 + j) + u3 * LOAD_double(x3 + j)));
        for (; j < m; j++)
            out[j] += (u[i] * x0[j] + u[i + 1] * x1[j]) + (u[i + 2] * x2[j] + u[i + 3] * x3[j]);
    }
    for (; i < rows; i++)
        axpy_one_double(x + list[i] * ld, m, NULL, 0.0, u[i], out, 0);
}

/* Products of R vectors with S others: each load serves several sums in registers. */
FR_INLINE void dots_of(const double *a, const double *b, ptrdiff_t ld, ptrdiff_t n, double *out,
                       ptrdiff_t ldo, const int R, const int S)
{
    vec sum[4][4];
    for (int r = 0; r < R; r++)
        for (int s = 0; s < S; s++)
            sum[r][s] = SPLAT(0.0);
    ptrdiff_t k = 0;
    for (; k + VL <= n; k += VL) {
        vec x[4];
        for (int s = 0; s < S; s++)
            x[s] = LOAD_double(b + s * ld + k);
        for (int r = 0; r < R; r++) {
            const vec y = LOAD_double(a + r * ld + k);
            for (int s = 0; s < S; s++)
                sum[r][s] += y * x[s];
        }
    }
    for (int r = 0; r < R; r++)
        for (int s = 0; s < S; s++) {
            double t = vec_sum(sum[r][s]);
            for (ptrdiff_t i = k; i < n; i++)
                t += a[r * ld + i] * b[s * ld + i];
            out[r * ldo + s] += t;
        }
}

static void dots(const double *a, ptrdiff_t ra, const double *b, ptrdiff_t rb, ptrdiff_t ld,
                 ptrdiff_t n, double *out, ptrdiff_t ldo)
{
    ptrdiff_t s = 0;
    for (; s + 4 <= rb; s += 4) {
        ptrdiff_t r = 0;
        for (; r + DOTS <= ra; r += DOTS)
            dots_of(a + r * ld, b + s * ld, ld, n, out + r * ldo + s, ldo, DOTS, 4);
        const double *rest = a + r * ld;
        double *to = out + r * ldo + s;
        if (ra - r == 3)
            dots_of(rest, b + s * ld, ld, n, to, ldo, 3, 4);
        else if (ra - r == 2)
            dots_of(rest, b + s * ld, ld, n, to, ldo, 2, 4);
        else if (ra - r == 1)
            dots_of(rest, b + s * ld, ld, n, to, ldo, 1, 4);
    }
    for (; s < rb; s++)
        for (ptrdiff_t r = 0; r < ra; r++)
            dots_of(a + r * ld, b + s * ld, ld, n, out + r * ldo + s, ldo, 1, 1);
}

/* Apply all rotations to a piece of x while it is in registers. */
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

#undef AT
#undef SET
typedef char ones;
#define T ones
#include "each_index.h"
#undef T
#undef TEMPLATE

#include "losses.template.c"
#include "conjugates.template.c"
#include "softmax.template.c"

#define BOTH(f, T) {FR_CAT3(f, T, i32), FR_CAT3(f, T, i64)}
#define SPARSE(T)                                                                                  \
    BOTH(gather, T), BOTH(gather_stored, T), BOTH(scatter, T), BOTH(gather_short, T),              \
        BOTH(scatter_short, T), BOTH(gather_lanes, T), BOTH(scatter_lanes, T),                     \
        BOTH(scatter_by, T), BOTH(scatter_moments, T), BOTH(gather_moments, T)
#define REAL(T)                                                                                    \
    {FR_CAT(dot_rows, T), FR_CAT(axpy_rows, T), FR_CAT(moment_rows, T), FR_CAT(moment_majors, T),  \
     FR_CAT3(pack, T, double), SINGLE(FR_CAT3(pack, T, float)), FR_CAT(finite, T),                 \
     FR_CAT(to_lanes, T), SPARSE(T),                                                             \
     {FR_CAT(fr_sgd, T), FR_CAT(fr_momentum, T), FR_CAT(adam_step, T)}, FR_CAT(squares, T),    \
     FR_CAT(finite_scaled, T), FR_CAT(linear, T), FR_CAT(adam_sums, T), FR_CAT(adam_run, T),     \
     FR_CAT(rolling, T), FR_CAT(rolling_sums, T)}
#define TEXT_(isa) #isa
#define TEXT(isa) TEXT_(isa)

const fr_kernels FR_CAT(fr_kernels, FR_ISA) = {
    TEXT(FR_ISA), PANEL, WIDE, tile_double, SINGLE(tile_float), VL, ridge_lanes,
    add_rows, dots, rotate,
    {squared_loop, logistic_loop, poisson_loop, gamma_loop, tweedie_loop, tweedie_identity_loop,
     negative_binomial_loop, huber_loop},
    {squared_conjugate_loop, logistic_conjugate_loop, poisson_conjugate_loop, gamma_conjugate_loop,
     NULL, NULL, negative_binomial_conjugate_loop, huber_conjugate_loop},
    softmax_loop, softmax_curve_loop, FR_CAT(fr_lane_kernels, FR_ISA), FR_CAT(fr_fold_kernels, FR_ISA),
    fr_sgd_rows,
    fr_sgd_batches,
    {REAL(double), REAL(float), {.gather = SPARSE(ones)}}};

/* The loops of folds_lanes.h for numbers of type T. */

#define LNAME(f) FR_CAT(f, T)
#define V FR_CAT(LANES, T)
#define GET(p) FR_CAT(GET, T)(p)
#define PUT(p, x) FR_CAT(PUTS, T)(p, x)
#define ALL(x) FR_CAT(ALL, T)(x)
#define VALUE(k) FR_CAT(VALUE, S)(data, k)

#define TEMPLATE "folds_rows.template.c"
#include "each_storage.h"
#undef TEMPLATE

static void LNAME(all_rows)(const fr_fold_lanes *m, const fr_matrix *x, ptrdiff_t i0, ptrdiff_t i1,
                            int only_q, double *sums)
{
    PICK(fold_rows, x)(m, x, i0, i1, only_q, sums);
}

static void LNAME(all_scatter)(const fr_fold_lanes *m, const fr_matrix *x, const int32_t *lo,
                               const int32_t *hi, ptrdiff_t i0, ptrdiff_t i1)
{
    PICK(fold_scatter, x)(m, x, lo, hi, i0, i1);
}

/* sums (lanes) += a */
FR_INLINE void LNAME(add_lanes)(const V *a, double *sums)
{
    T lanes[FR_LANES];
    for (int r = 0; r < REGISTERS; r++)
        PUT(lanes + r * VL, a[r]);
    for (int l = 0; l < FR_LANES; l++)
        sums[l] += lanes[l];
}

FR_INLINE void LNAME(take_lanes)(const double *x, V *a)
{
    T lanes[FR_LANES];
    for (int l = 0; l < FR_LANES; l++)
        lanes[l] = (T)x[l];
    for (int r = 0; r < REGISTERS; r++)
        a[r] = GET(lanes + r * VL);
}

static void LNAME(fold_update)(const fr_fold_lanes *m, const double *step, ptrdiff_t j0,
                               ptrdiff_t j1, double *sums)
{
    V a[REGISTERS], alpha[REGISTERS], inner[REGISTERS], left[REGISTERS];
    LNAME(take_lanes)(step, a);
    LNAME(take_lanes)(m->alpha, alpha);
    for (ptrdiff_t begin = j0; begin < j1; begin += COLUMNS) {
        const ptrdiff_t end = j1 - begin < COLUMNS ? j1 : begin + COLUMNS;
        for (int r = 0; r < REGISTERS; r++)
            inner[r] = left[r] = ALL(0.0);
        for (ptrdiff_t j = begin; j < end; j++) {
            const V l2 = ALL(m->l2[j]), half = ALL(m->half[j]);
            for (int r = 0; r < REGISTERS; r++) {
                const ptrdiff_t at = j * FR_LANES + r * VL;
                T *D = (T *)m->D + at, *R = (T *)m->R + at, *out = (T *)m->out + at;
                const V p = GET((const T *)m->P + at);
                const V x = GET(R) - a[r] * (GET(out) + l2 * alpha[r] * p);
                PUT(D, GET(D) + a[r] * p);
                PUT(R, x);
                PUT(out, ALL(0.0));
                inner[r] += x * x * GET((const T *)m->inverse + at);
                left[r] += half * x * x;
            }
        }
        LNAME(add_lanes)(inner, sums);
        LNAME(add_lanes)(left, sums + FR_LANES);
    }
}

static void LNAME(fold_direction)(const fr_fold_lanes *m, const double *beta, ptrdiff_t j0,
                                  ptrdiff_t j1, double *sums)
{
    V b[REGISTERS], mean[REGISTERS], penalty[REGISTERS];
    double squares[FR_LANES] = {0};
    LNAME(take_lanes)(beta, b);
    for (ptrdiff_t begin = j0; begin < j1; begin += COLUMNS) {
        const ptrdiff_t end = j1 - begin < COLUMNS ? j1 : begin + COLUMNS;
        for (int r = 0; r < REGISTERS; r++)
            mean[r] = penalty[r] = ALL(0.0);
        for (ptrdiff_t j = begin; j < end; j++) {
            const V l2 = ALL(m->l2[j]);
            for (int r = 0; r < REGISTERS; r++) {
                const ptrdiff_t at = j * FR_LANES + r * VL;
                T *P = (T *)m->P + at;
                const V z = GET((const T *)m->R + at) * GET((const T *)m->inverse + at);
                const V p = z + b[r] * GET(P);
                PUT(P, p);
                mean[r] += GET((const T *)m->about + at) * p;
                penalty[r] += l2 * p * p;
            }
        }
        LNAME(add_lanes)(mean, sums);
        LNAME(add_lanes)(penalty, squares);
    }
    for (int l = 0; l < FR_LANES; l++)
        sums[FR_LANES + l] += m->alpha[l] * squares[l];
}

#undef LNAME
#undef V
#undef GET
#undef PUT
#undef ALL
#undef VALUE

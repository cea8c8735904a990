/* The loops of softmax_lanes.h for numbers of type T. */

#define LNAME(f) FR_CAT(f, T)
#define V FR_CAT(LANES, T)
#define GET(p) FR_CAT(GET, T)(p)
#define PUT(p, x) FR_CAT(PUTS, T)(p, x)
#define ALL(x) FR_CAT(ALL, T)(x)
#define VALUE(k) FR_CAT(VALUE, S)(data, k)

FR_INLINE double LNAME(lane_sum)(const T *x, ptrdiff_t n)
{
    V s = ALL(0.0);
    T parts[VL];
    double sum = 0.0;
    for (ptrdiff_t l = 0; l < n; l += VL)
        s += GET(x + l);
    PUT(parts, s);
    for (int l = 0; l < VL; l++)
        sum += parts[l];
    return sum;
}

#define TEMPLATE "softmax_rows.template.c"
#include "each_storage.h"
#undef TEMPLATE

static double LNAME(lane_rows)(const fr_lane_model *m, const fr_matrix *x, ptrdiff_t i0,
                               ptrdiff_t i1, int only_q, double *total)
{
    return PICK(rows, x)(m, x, i0, i1, only_q, total);
}

static void LNAME(lane_scatter)(const fr_lane_model *m, const fr_matrix *x, const int32_t *lo,
                                const int32_t *hi, ptrdiff_t i0, ptrdiff_t i1)
{
    PICK(scatter, x)(m, x, lo, hi, i0, i1);
}

/* z = (R - mu) / M of one row, mu such that sum z = 0 */
FR_INLINE void LNAME(lane_solve)(const T *R, const T *inverse, ptrdiff_t n, T *z)
{
    V a = ALL(0.0), b = ALL(0.0);
    T parts[2 * VL];
    double sum = 0.0, all = 0.0;
    for (ptrdiff_t l = 0; l < n; l += VL) {
        const V i = GET(inverse + l), t = GET(R + l) * i;
        PUT(z + l, t);
        a += t;
        b += i;
    }
    PUT(parts, a);
    PUT(parts + VL, b);
    for (int l = 0; l < VL; l++) {
        sum += parts[l];
        all += parts[VL + l];
    }
    const V mu = ALL(all > 0 ? sum / all : 0.0);
    for (ptrdiff_t l = 0; l < n; l += VL)
        PUT(z + l, GET(z + l) - mu * GET(inverse + l));
}

static void LNAME(lane_update)(const fr_lane_model *m, double step, ptrdiff_t j0, ptrdiff_t j1,
                               double *sums)
{
    const ptrdiff_t n = m->lanes;
    const V a = ALL(step);
    T z[FR_MOST_CLASSES], part[FR_MOST_CLASSES];
    double inner = 0.0, gap = 0.0;
    for (ptrdiff_t l = 0; l < n; l++)
        part[l] = (T)(m->shift ? m->total[l] : 0.0);
    for (ptrdiff_t j = j0; j < j1; j++) {
        T *D = (T *)m->D + j * n, *R = (T *)m->R + j * n, *out = (T *)m->out + j * n;
        const T *P = (const T *)m->P + j * n;
        const V scale = ALL(m->scale ? m->scale[j] : 1.0), l2 = ALL(m->l2[j]);
        const V shift = ALL(m->shift ? m->shift[j] : 0.0);
        V squares = ALL(0.0), dots = ALL(0.0);
        T parts[2 * VL];
        for (ptrdiff_t l = 0; l < n; l += VL) {
            const V p = GET(P + l), h = scale * (GET(out + l) - shift * GET(part + l)) + l2 * p;
            const V r = GET(R + l) - a * h;
            PUT(D + l, GET(D + l) + a * p);
            PUT(R + l, r);
            PUT(out + l, ALL(0.0));
            squares += r * r;
        }
        LNAME(lane_solve)(R, (const T *)m->inverse + j * n, n, z);
        for (ptrdiff_t l = 0; l < n; l += VL)
            dots += GET(R + l) * GET(z + l);
        PUT(parts, squares);
        PUT(parts + VL, dots);
        double s = 0.0;
        for (int l = 0; l < VL; l++) {
            s += parts[l];
            inner += parts[VL + l];
        }
        gap += m->half[j] * s;
    }
    sums[0] = inner;
    sums[1] = gap;
}

static double LNAME(lane_direction)(const fr_lane_model *m, double beta, ptrdiff_t j0, ptrdiff_t j1,
                                    double *sums)
{
    const ptrdiff_t n = m->lanes;
    const V b = ALL(beta);
    T z[FR_MOST_CLASSES];
    double penalty = 0.0;
    for (ptrdiff_t j = j0; j < j1; j++) {
        T *P = (T *)m->P + j * n, *v = (T *)m->v + j * n;
        const double scale = m->scale ? m->scale[j] : 1.0;
        LNAME(lane_solve)((const T *)m->R + j * n, (const T *)m->inverse + j * n, n, z);
        V squares = ALL(0.0);
        for (ptrdiff_t l = 0; l < n; l += VL) {
            const V p = GET(z + l) + b * GET(P + l);
            PUT(P + l, p);
            if (m->scale)
                PUT(v + l, p * ALL(scale));
            squares += p * p;
        }
        T parts[VL];
        PUT(parts, squares);
        double s = 0.0;
        for (int l = 0; l < VL; l++)
            s += parts[l];
        penalty += m->l2[j] * s;
        if (m->shift) {
            const double t = m->shift[j];
            for (ptrdiff_t l = 0; l < n; l++)
                sums[l] += t * v[l];
        }
    }
    return penalty;
}

#undef LNAME
#undef V
#undef GET
#undef PUT
#undef ALL
#undef VALUE

/* The dual value of a residual, and the penalty. */

#include "descent_state.h"

double fr_penalty_value(const fr_descent *q, const double *w)
{
    double sum = 0;
    for (ptrdiff_t j = 0; j < q->m; j++)
        if (w[j] != 0)
            sum += q->l1[j] * fabs(w[j]) + 0.5 * q->l2[j] * w[j] * w[j];
    return sum;
}

static double dual_at(const fr_descent *q, const double *g, double yr, double rr, double t)
{
    double value = t * yr - 0.5 * t * t * rr;
    for (ptrdiff_t j = 0; j < q->m; j++) {
        const fr_penalty h = penalty_of(q, j);
        value -= fr_conjugate(&h, t * g[j], slack_of(q, j));
    }
    return value;
}

double fr_dual_value(const fr_descent *q, const double *g, double yr, double rr)
{
    /* without conjugates the best t; none is larger than where these are infinite */
    const double free = rr > 0 ? MAX(yr / rr, 0.0) : 1.0;
    const int simple = !q->lower && !q->upper;
    double most = MAX(free, 1.0);
    int smooth = !simple;
    for (ptrdiff_t j = 0; j < q->m; j++) {
        const fr_penalty h = penalty_of(q, j);
        smooth |= h.l2 > 0;
        most = fr_scale_within(&h, g[j], slack_of(q, j), most);
    }
    if (!smooth)
        return MIN(free, most) * yr - 0.5 * MIN(free, most) * MIN(free, most) * rr;
    /* concave in t: the two natural places, 1 and where the last conjugate vanishes */
    double best = dual_at(q, g, yr, rr, MIN(1.0, most)), hi = most;
    for (ptrdiff_t j = 0; j < q->m; j++) {
        const fr_penalty h = penalty_of(q, j);
        if (fabs(g[j]) > h.l1 && h.l1 > 0 && (g[j] > 0 ? h.hi > 0 : h.lo < 0))
            hi = MIN(hi, h.l1 / fabs(g[j]));
    }
    best = MAX(best, dual_at(q, g, yr, rr, hi));
    return best;
}

ptrdiff_t fr_unscreened(const fr_descent *q, const double *g, double yr, double rr, double objective,
                        int32_t *list)
{
    /* P and -D are strongly convex: the best residual is at most sqrt(2 gap) from a feasible t r */
    double t = 1.0;
    for (ptrdiff_t j = 0; j < q->m; j++) {
        const fr_penalty h = penalty_of(q, j);
        t = fr_scale_within(&h, g[j], slack_of(q, j), t);
    }
    const double gap = objective - dual_at(q, g, yr, rr, t), radius = sqrt(2 * MAX(gap, 0.0));
    ptrdiff_t count = 0;
    for (ptrdiff_t j = 0; j < q->m; j++) {
        const fr_penalty h = penalty_of(q, j);
        const int zero = h.lo <= 0 && h.hi >= 0 &&
                         t * fabs(g[j]) + radius * sqrt(q->square[j]) < (1 - 1e-12) * h.l1;
        if (!zero || q->w[j] != 0)
            list[count++] = (int32_t)j;
    }
    return count;
}

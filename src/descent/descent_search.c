/* The search of the objective along the projected path of a step. */

#include "descent_search.h"

#include <stdlib.h>
#include <string.h>

static int by_stop(const void *x, const void *y)
{
    const border_at *a = x, *b = y;
    if (a->stop != b->stop)
        return a->stop < b->stop ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

void fr_sort_borders(border_at *borders, ptrdiff_t count)
{
    qsort(borders, (size_t)count, sizeof(border_at), by_stop);
}

/* Borders of the support along d, the nearest first; their number. */
static ptrdiff_t find_borders(state *s)
{
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < s->size; i++) {
        const ptrdiff_t j = s->list[i];
        double lo, hi;
        sides(s, j, &lo, &hi);
        const double d = s->d[i], to = d > 0 ? hi : lo;
        if (d != 0 && isfinite(to)) {
            s->borders[count].stop = MAX((to - s->q->w[j]) / d, 0.0);
            s->borders[count].up = d > 0;
            s->borders[count++].place = (int32_t)i;
        }
    }
    fr_sort_borders(s->borders, count);
    return count;
}

/* The projected path w(t): w + t d, on which each coordinate stays at its border once it is there.
 * With r the residual at w, that at w(t) is r + t ahead + passed, as fr_descent keeps residuals, or
 * the gradient g - t image - passed. */
typedef struct {
    fr_descent ahead, passed; /* by columns: their residual and level alone differ */
    double t, slope, curvature;
} projected_path;

static double image_of(const state *s, const projected_path *b, ptrdiff_t j)
{
    return s->q->gram ? s->image[j] : -fr_column_gradient(&b->ahead, j);
}

/* Slope and curvature of the objective at w(t), along what is left of d. */
static void derivatives(const state *s, projected_path *b)
{
    const fr_descent *q = s->q;
    b->slope = b->curvature = 0;
    for (ptrdiff_t i = 0; i < s->size; i++) {
        const double d = s->d[i];
        if (d == 0)
            continue;
        const ptrdiff_t j = s->list[i];
        const double image = image_of(s, b, j) + q->l2[j] * d;
        const double passed = q->gram ? s->passed[j] : -fr_column_gradient(&b->passed, j);
        b->slope += d * (b->t * image + passed - s->rhs[i]);
        b->curvature += d * image;
    }
    b->curvature = MAX(b->curvature, 0.0);
}

static int open_path(state *s, projected_path *b)
{
    fr_descent *q = s->q;
    b->t = 0;
    if (q->gram) {
        memset(s->passed, 0, (size_t)q->m * sizeof(double));
        return 0;
    }
    const size_t n = (size_t)fr_n_rows(q->a);
    b->ahead = b->passed = *q;
    b->ahead.residual = q->spare + 3 * n;
    b->passed.residual = q->spare + 4 * n;
    b->ahead.level = b->passed.level = 0;
    memset(b->ahead.residual, 0, 2 * n * sizeof(double));
    for (ptrdiff_t i = 0; i < s->size; i++) {
        if (s->d[i] != 0)
            fr_column_add(&b->ahead, s->list[i], -s->d[i]);
        if (i % 256 == 255 && fr_poll())
            return FR_INTERRUPTED;
    }
    return 0;
}

/* Leave the coordinate at a place of the list at the border where it is. */
static void leave_at_border(state *s, projected_path *b, ptrdiff_t i)
{
    fr_descent *q = s->q;
    const ptrdiff_t j = s->list[i];
    const double d = s->d[i], image = image_of(s, b, j) + q->l2[j] * d;
    const double passed = q->gram ? s->passed[j] : -fr_column_gradient(&b->passed, j);
    /* derivatives of the coordinate's own share */
    b->slope -= d * (b->t * image + passed - s->rhs[i]);
    const double rest = b->curvature - 2 * d * image + d * d * (q->square[j] + q->l2[j]);
    if (q->gram) {
        fr_row_add(q, j, -d, s->image);
        fr_row_add(q, j, b->t * d, s->passed);
    } else {
        fr_column_add(&b->ahead, j, d);
        fr_column_add(&b->passed, j, -b->t * d);
    }
    s->d[i] = 0;
    if (rest > 1e-6 * b->curvature)
        b->curvature = rest;
    else /* little but cancellation is left */
        derivatives(s, b);
}

int fr_search(state *s, int *whole)
{
    fr_descent *q = s->q;
    projected_path b;
    const ptrdiff_t count = find_borders(s);
    ptrdiff_t at = 0;
    int status = open_path(s, &b);
    if (status)
        return status;
    derivatives(s, &b);
    while (b.slope < 0) {
        const double stop = at < count ? s->borders[at].stop : INFINITY;
        if (b.slope + b.curvature * (stop - b.t) >= 0 || isinf(stop)) {
            /* without curvature, which bounds the way but for rounding, a whole step */
            b.t = b.curvature > 0 ? b.t - b.slope / b.curvature : MAX(b.t, 1.0);
            break;
        }
        b.slope += b.curvature * (stop - b.t);
        b.t = stop;
        leave_at_border(s, &b, s->borders[at++].place);
        if (at % 64 == 63 && fr_poll())
            return FR_INTERRUPTED;
    }
    *whole = !at && b.t >= 0.5;
    for (ptrdiff_t i = 0; i < s->size; i++) {
        const ptrdiff_t j = s->list[i];
        if (s->d[i] != 0) {
            double lo, hi;
            sides(s, j, &lo, &hi);
            q->w[j] = fr_clip(q->w[j] + b.t * s->d[i], lo, hi);
        }
    }
    for (ptrdiff_t k = 0; k < at; k++) {
        const ptrdiff_t j = s->list[s->borders[k].place];
        double lo, hi;
        sides(s, j, &lo, &hi);
        q->w[j] = s->borders[k].up ? hi : lo;
    }
    if (q->gram) {
        for (ptrdiff_t j = 0; j < q->m; j++)
            q->g[j] -= b.t * s->image[j] + s->passed[j];
        return 0;
    }
    const ptrdiff_t n = fr_n_rows(q->a);
    for (ptrdiff_t i = 0; i < n; i++)
        q->residual[i] += b.t * b.ahead.residual[i] + b.passed.residual[i];
    q->level += b.t * b.ahead.level + b.passed.level;
    return fr_all_gradients(q);
}

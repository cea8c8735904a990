#include "descent.h"

#include <stdlib.h>
#include <string.h>

#include "descent_state.h"
#include "extrapolate.h"

#define SUPPORT (FR_HISTORY - 1) /* sweeps over the support for one over all coordinates */
#define PASSING 300 /* gaps by which a step may raise the objective for a while */
#define PATIENCE 20 /* Newton steps that may fail to halve the gap before sweeps are taken: this many
                       first, half as many from time to time, and at least 2 */

#define ROUGH 0.1     /* accuracy of steps by conjugate gradients: the next one corrects it, */
#define EXACT 1e-10   /* unless it is the gradient's zeros that count, or no step gets on */
#define MIXTURES 10   /* of two residuals that are tried as a dual candidate */
#define SAFE_STEPS 10 /* after which exchanges are tried again, twice as many each time */

enum { LEFT = 2 };
enum { SAFE, SHORTEN, EXCHANGE };

/* y'Sr and r'Sr */
typedef struct {
    double yr, rr;
} shadow;

typedef struct {
    double *w, *residual, level;
} point;

typedef struct {
    fr_descent *q;
    point old, best;
    double *d, *rhs, *work, *between, *past; /* past: FR_HISTORY iterates */
    double *image;                           /* of d, by the Gram matrix */
    int32_t *list, *order, *moved;
    signed char *side; /* half-line of each coordinate of the support in hand, else 0 */
    ptrdiff_t size, taken;
    uint64_t random;
    double objective, current; /* at the best point, and at this one */
    shadow dual;               /* of the residual of w_dual */
    int flat;                  /* the support's minimum was reached */
    double own;                /* best dual value of a residual as it came, of this problem */
} state;

static shadow shadow_of(const fr_descent *q, const double *w, const double *g)
{
    double cw = 0, gw = 0;
    for (ptrdiff_t j = 0; j < q->m; j++)
        if (w[j] != 0) {
            cw += q->cross[j] * w[j];
            gw += g[j] * w[j];
        }
    const double yr = q->yy - cw;
    const shadow r = {yr, MAX(yr - gw, 0.0)};
    return r;
}

/* The residual (1 - c) r_dual + c r; `both` is r_dual'Sr. */
static shadow mixture(state *s, const double *g, const shadow *r, double both, double c)
{
    const fr_descent *q = s->q;
    const double b = 1 - c;
    double *to = s->between;
    for (ptrdiff_t j = 0; j < q->m; j++)
        to[j] = b * q->g_dual[j] + c * g[j];
    const shadow found = {b * s->dual.yr + c * r->yr,
                          MAX(b * b * s->dual.rr + 2 * b * c * both + c * c * r->rr, 0.0)};
    return found;
}

static double mixed_value(state *s, const double *g, const shadow *r, double both, double c)
{
    const shadow found = mixture(s, g, r, both, c);
    return fr_dual_value(s->q, s->between, found.yr, found.rr);
}

/* Where w_dual and w break different constraints, less scaling makes a mixture of their residuals
 * feasible. The best of a few; the dual value is quasi-concave in their shares. */
static void mix(state *s, const double *w, const double *g, const shadow *r)
{
    fr_descent *q = s->q;
    const double golden = 0.6180339887498949;
    double both = r->yr, low = 0, high = 1, best = 0, most = q->dual;
    for (ptrdiff_t j = 0; j < q->m; j++)
        if (q->w_dual[j] != 0)
            both -= q->w_dual[j] * g[j];
    double c[2] = {1 - golden, golden};
    double value[2] = {mixed_value(s, g, r, both, c[0]), mixed_value(s, g, r, both, c[1])};
    for (int i = 0;; i++) {
        const int k = value[1] > value[0];
        if (value[k] > most) {
            most = value[k];
            best = c[k];
        }
        if (i == MIXTURES)
            break;
        *(k ? &low : &high) = c[!k];
        c[!k] = c[k];
        value[!k] = value[k];
        c[k] = k ? low + golden * (high - low) : high - golden * (high - low);
        value[k] = mixed_value(s, g, r, both, c[k]);
    }
    if (best == 0)
        return;
    s->dual = mixture(s, g, r, both, best);
    memcpy(q->g_dual, s->between, (size_t)q->m * sizeof(double));
    for (ptrdiff_t j = 0; j < q->m; j++)
        q->w_dual[j] = (1 - best) * q->w_dual[j] + best * w[j];
    q->dual = most;
}

/* The objective; where `candidate`, the residual is another candidate for D. */
static double evaluate(state *s, int candidate)
{
    fr_descent *q = s->q;
    const size_t bytes = (size_t)q->m * sizeof(double);
    const double *w = q->w, *g = q->g, before = q->dual;
    const shadow r = shadow_of(q, w, g);
    const double objective = 0.5 * r.rr + fr_penalty_value(q, w);
    if (!candidate)
        return objective;
    const double dual = fr_dual_value(q, g, r.yr, r.rr);
    s->own = MAX(s->own, dual);
    if (q->whole && before > -INFINITY && !(MIN(objective, s->objective) - MAX(dual, before) <= q->tol))
        mix(s, w, g, &r);
    if (dual > q->dual) {
        q->dual = dual;
        s->dual = r;
        memcpy(q->w_dual, w, bytes);
        memcpy(q->g_dual, g, bytes);
    }
    return objective;
}

static int all_gradients(fr_descent *q) { return q->gram ? 0 : fr_all_gradients(q); }

/* The gradient where it counts for the objective and for a step on the support. */
static void some_gradients(state *s)
{
    fr_descent *q = s->q;
    if (!q->gram)
        for (ptrdiff_t j = 0; j < q->m; j++)
            if (q->w[j] != 0 || s->side[j])
                q->g[j] = fr_column_gradient(q, j);
}

/* w_j += t, and everything that depends on it but, without a Gram matrix, g */
static void move(fr_descent *q, ptrdiff_t j, double t)
{
    q->w[j] += t;
    if (q->gram)
        fr_row_add(q, j, -t, q->g);
    else
        fr_column_add(q, j, -t);
}

static void shuffle(state *s, int32_t *list, ptrdiff_t size)
{
    for (ptrdiff_t i = size - 1; i > 0; i--) {
        s->random ^= s->random << 13;
        s->random ^= s->random >> 7;
        s->random ^= s->random << 17;
        const ptrdiff_t k = (ptrdiff_t)(s->random % (uint64_t)(i + 1));
        const int32_t t = list[i];
        list[i] = list[k];
        list[k] = t;
    }
}

/* One pass of coordinate descent over a list. */
static int sweep(state *s, int32_t *list, ptrdiff_t size)
{
    fr_descent *q = s->q;
    if (s->random)
        shuffle(s, list, size);
    for (ptrdiff_t i = 0; i < size; i++) {
        const ptrdiff_t j = list[i];
        const fr_penalty h = penalty_of(q, j);
        if (!q->gram)
            q->g[j] = fr_column_gradient(q, j);
        /* argmin over w_j alone: square_j x^2 / 2 - (g_j + square_j w_j) x + h_j(x) */
        const double old = q->w[j], x = fr_prox(&h, q->g[j] + q->square[j] * old, q->square[j]);
        if (x != old) {
            move(q, j, x - old);
            q->w[j] = x;
        }
        if (i % 256 == 255 && fr_poll())
            return FR_INTERRUPTED;
    }
    return 0;
}

/* The coordinates that a Newton step moves: those inside a half-line or without a kink. */
static void find_support(state *s)
{
    const fr_descent *q = s->q;
    s->size = 0;
    for (ptrdiff_t j = 0; j < q->m; j++) {
        const fr_penalty h = penalty_of(q, j);
        const double w = q->w[j];
        const int inside = w > h.lo && w < h.hi;
        s->side[j] = !inside ? 0 : w > 0 ? 1 : w < 0 ? -1 : h.l1 == 0 && q->square[j] > 0 ? 1 : 0;
        if (s->side[j])
            s->list[s->size++] = (int32_t)j;
    }
}

/* A point to come back to: coefficients and, without a Gram matrix, residual. */
static void keep(const fr_descent *q, point *to)
{
    memcpy(to->w, q->w, (size_t)q->m * sizeof(double));
    to->level = q->level;
    if (to->residual)
        memcpy(to->residual, q->residual, (size_t)fr_n_rows(q->a) * sizeof(double));
}

/* Back to a point. The gradient is summed anew: a long way there and back would leave its rounding. */
static int back(fr_descent *q, const point *from)
{
    memcpy(q->w, from->w, (size_t)q->m * sizeof(double));
    q->level = from->level;
    if (from->residual) {
        memcpy(q->residual, from->residual, (size_t)fr_n_rows(q->a) * sizeof(double));
        return all_gradients(q);
    }
    memcpy(q->g, q->cross, (size_t)q->m * sizeof(double));
    for (ptrdiff_t j = 0; j < q->m; j++) {
        if (q->w[j] != 0)
            fr_row_add(q, j, -q->w[j], q->g);
        if (j % 256 == 255 && fr_poll())
            return FR_INTERRUPTED;
    }
    return 0;
}

/* Value this point, and keep it if it is the best so far; whether it is. */
static int value_point(state *s, int candidate)
{
    s->current = evaluate(s, candidate);
    if (!(s->current <= s->objective))
        return 0;
    s->objective = s->current;
    keep(s->q, &s->best);
    return 1;
}

/* Put on the border what left its half-line or bounds; how far along d nothing has left. By place in
 * the list, how far along d it is to the border, and the border. */
static double clip(state *s, ptrdiff_t *leaving, double *stop, double *border)
{
    fr_descent *q = s->q;
    double way = 1;
    *leaving = 0;
    for (ptrdiff_t i = 0; i < s->size; i++) {
        const ptrdiff_t j = s->list[i];
        const fr_penalty h = penalty_of(q, j);
        const double lo = h.l1 > 0 && s->side[j] > 0 ? MAX(h.lo, 0) : h.lo;
        const double hi = h.l1 > 0 && s->side[j] < 0 ? MIN(h.hi, 0) : h.hi;
        const double w = q->w[j], to = fr_clip(w, lo, hi);
        stop[i] = INFINITY;
        if (to == w && (h.l1 == 0 || w != 0))
            continue;
        ++*leaving;
        border[i] = to;
        if (s->d[i] != 0)
            stop[i] = MAX((to - s->old.w[j]) / s->d[i], 0.0);
        way = MIN(way, stop[i]);
        s->side[j] = LEFT;
        if (to != w)
            move(q, j, to - w);
        q->w[j] = to;
    }
    return way;
}

/* The support: what was on its half-line, less what left it, and what wants to enter where the
 * gradient is g. */
static void exchange(state *s, const double *g)
{
    const fr_descent *q = s->q;
    s->size = 0;
    for (ptrdiff_t j = 0; j < q->m; j++) {
        const fr_penalty h = penalty_of(q, j);
        if (s->side[j] == LEFT)
            s->side[j] = 0;
        else if (!s->side[j])
            s->side[j] = (signed char)fr_side(&h, q->w[j], g[j] - q->l2[j] * q->w[j],
                                              1e-10 * h.l1 + slack_of(q, j));
        if (s->side[j])
            s->list[s->size++] = (int32_t)j;
    }
}

/* Move by t d, d of the coordinates that are moved. */
static int move_along(state *s, double t)
{
    fr_descent *q = s->q;
    if (q->gram)
        for (ptrdiff_t j = 0; j < q->m; j++)
            q->g[j] -= t * s->image[j];
    for (ptrdiff_t i = 0; i < s->taken; i++) {
        const ptrdiff_t j = s->moved[i];
        if (q->gram)
            q->w[j] += t * s->d[i];
        else if (s->d[i] != 0)
            move(q, j, t * s->d[i]);
        if (i % 256 == 255 && fr_poll())
            return FR_INTERRUPTED;
    }
    return 0;
}

/* Move by d, which is not 0 on s->list alone. The residual there is a candidate for the dual; then
 * what left its half-line or bounds is put on the border. With EXCHANGE the support becomes what is
 * left and what wants to enter, and a point that is little worse is passed through; else, or if it
 * is much worse, or at once with SAFE, the step ends where the first one would leave, or nowhere.
 * Returns a status, or 1 where the point is the best so far. */
static int attempt(state *s, int how)
{
    const int active_set = how == EXCHANGE;
    fr_descent *q = s->q;
    const size_t bytes = (size_t)q->m * sizeof(double);
    const double gap = s->objective - s->own;
    ptrdiff_t leaving;
    keep(q, &s->old);
    memcpy(s->moved, s->list, (size_t)s->size * sizeof(int32_t));
    s->taken = s->size;
    int status = move_along(s, 1.0);
    if (status || (status = all_gradients(q)))
        return status;
    evaluate(s, 1);
    memcpy(s->work, q->g, bytes);
    double *stop = s->work + q->m, *border = stop + q->m;
    const double way = clip(s, &leaving, stop, border);
    s->flat = !leaving;
    if (active_set)
        exchange(s, s->work);
    if (how != SAFE || !leaving) {
        if (leaving)
            some_gradients(s);
        /* with a Gram matrix the whole gradient has come for nothing */
        if (value_point(s, leaving && q->gram))
            return 1;
        if (active_set && s->current - s->objective <= PASSING * gap)
            return 0;
    }
    if (leaving && (way > 0 || how == SAFE)) {
        /* convex along the way, and lower at its end were there no borders */
        if ((status = back(q, &s->old)))
            return status;
        if ((status = move_along(s, way)))
            return status;
        for (ptrdiff_t i = 0; i < s->taken; i++) {
            const ptrdiff_t j = s->moved[i];
            if (stop[i] <= way) { /* what ends the step, rounding or not */
                move(q, j, border[i] - q->w[j]);
                q->w[j] = border[i];
            }
        }
        if ((status = all_gradients(q)))
            return status;
        value_point(s, 1);
        if (active_set) {
            find_support(s);
            exchange(s, q->g);
        }
    }
    return 0;
}

/* Minimise over the support without its borders: a primal-dual active set step. */
static int newton(state *s)
{
    fr_descent *q = s->q;
    q->n_newton++;
    for (ptrdiff_t i = 0; i < s->size; i++) {
        const ptrdiff_t j = s->list[i];
        s->rhs[i] = q->g[j] - q->l2[j] * q->w[j] - q->l1[j] * s->side[j];
    }
    const int status = fr_support_solve(q, s->list, s->size, s->rhs, s->d, s->image, s->work);
    return status ? status : attempt(s, EXCHANGE);
}

/* From the best point, one change of the support at a time, so that every step goes down: where its
 * minimum was reached, the coordinate that wants most to enter does. (Feature-sign search.) */
static int safe_step(state *s)
{
    fr_descent *q = s->q;
    int status = s->current > s->objective ? back(q, &s->best) : 0;
    if (status)
        return status;
    s->current = s->objective;
    q->n_newton++;
    find_support(s);
    ptrdiff_t most = -1;
    int side = 0;
    double pull = 0;
    if (s->flat && !(status = all_gradients(q)))
        for (ptrdiff_t j = 0; j < q->m; j++) {
            const fr_penalty h = penalty_of(q, j);
            const double g = q->g[j] - q->l2[j] * q->w[j];
            const int to = s->side[j] ? 0 : fr_side(&h, q->w[j], g, 1e-10 * h.l1 + slack_of(q, j));
            if (to && fabs(g - to * h.l1) > pull) {
                pull = fabs(g - to * h.l1);
                side = to;
                most = j;
            }
        }
    if (status)
        return status;
    if (most >= 0) {
        s->side[most] = (signed char)side;
        s->list[s->size++] = (int32_t)most;
    }
    for (ptrdiff_t i = 0; i < s->size; i++) {
        const ptrdiff_t j = s->list[i];
        s->rhs[i] = q->g[j] - q->l2[j] * q->w[j] - q->l1[j] * s->side[j];
    }
    status = fr_support_solve(q, s->list, s->size, s->rhs, s->d, s->image, s->work);
    return status ? status : attempt(s, SAFE);
}

/* Anderson extrapolation: the combination of the last iterates, of sum 1, with the smallest
 * difference. */
static int extrapolate(state *s)
{
    fr_descent *q = s->q;
    const ptrdiff_t m = q->m;
    double x[FR_HISTORY];
    if (!fr_extrapolation(s->past, m, x))
        return 0;
    find_support(s);
    for (ptrdiff_t i = 0; i < s->size; i++) {
        const ptrdiff_t j = s->list[i];
        double to = 0;
        for (int a = 0; a < FR_HISTORY - 1; a++)
            to += x[a] * s->past[(a + 1) * m + j];
        s->d[i] = to - q->w[j];
    }
    if (q->gram) {
        memset(s->image, 0, (size_t)m * sizeof(double));
        fr_rows_add(q, s->list, s->size, s->d, s->image);
    }
    return attempt(s, SHORTEN);
}

/* Sweeps over all coordinates that may count and over the support, remembering the iterates. */
static int sweeps(state *s)
{
    fr_descent *q = s->q;
    int status = s->current > s->objective ? back(q, &s->best) : 0;
    if (!status) {
        ptrdiff_t count = q->m;
        if (q->dual > -INFINITY)
            count = fr_unscreened(q, q->g_dual, s->dual.yr, s->dual.rr, s->objective, s->order);
        else
            for (ptrdiff_t j = 0; j < count; j++)
                s->order[j] = (int32_t)j;
        status = sweep(s, s->order, count);
    }
    for (int i = 0; i < SUPPORT && !status; i++) {
        memcpy(s->past + i * q->m, q->w, (size_t)q->m * sizeof(double));
        find_support(s);
        status = sweep(s, s->list, s->size);
    }
    if (status || (status = all_gradients(q)))
        return status;
    memcpy(s->past + SUPPORT * q->m, q->w, (size_t)q->m * sizeof(double));
    value_point(s, 1);
    return 0;
}

static int descend(state *s)
{
    fr_descent *q = s->q;
    int status = 0, failed = 0, patience = PATIENCE, safe = 0, safe_steps = 0;
    q->dual = s->own = -INFINITY;
    s->objective = INFINITY;
    q->n_iter = q->n_newton = 0;
    if (q->whole) {
        s->dual = shadow_of(q, q->w_dual, q->g_dual);
        q->dual = fr_dual_value(q, q->g_dual, s->dual.yr, s->dual.rr);
    }
    if ((status = all_gradients(q)))
        return status;
    value_point(s, 1);
    find_support(s);
    if ((status = fr_recall(q, s->side, s->list, &s->size)))
        return status;
    q->accuracy = ROUGH;
    for (ptrdiff_t j = 0; j < q->m; j++)
        if (q->l1[j] == 0 && q->l2[j] == 0 && q->square[j] > 0)
            q->accuracy = EXACT;
    int warm = 0;
    for (ptrdiff_t j = 0; j < q->m && !warm; j++)
        warm = q->w[j] != 0;
    while (!status && !(s->objective - q->dual <= q->tol) && q->n_iter < q->max_iter) {
        const double gap = s->objective - s->own;
        q->n_iter++;
        if (safe > 0) {
            status = safe_step(s);
            if (status < 0)
                break;
            status = 0;
            if (--safe == 0) {
                find_support(s);
                exchange(s, q->g);
            }
        } else if (warm && s->size) {
            status = newton(s);
            if (status < 0)
                break;
            /* sweeps where steps do not get on */
            failed = s->objective - s->own <= 0.5 * gap ? 0 : failed + 1;
            if (failed > 1)
                q->accuracy = MAX(0.1 * q->accuracy, EXACT);
            status = 0;
            if (failed >= patience) {
                warm = failed = 0;
                patience = MAX(patience / 2, 2);
                if (patience < PATIENCE / 2) {
                    safe = safe_steps = MAX(2 * safe_steps, SAFE_STEPS);
                    q->accuracy = EXACT;
                    s->flat = 0;
                    warm = 1;
                }
            }
        } else {
            status = sweeps(s);
            if (!status && !(s->objective - q->dual <= q->tol) &&
                (status = extrapolate(s)) > 0)
                status = 0;
            if (!status)
                find_support(s);
            warm = 1;
        }
        if (!status)
            status = fr_poll();
    }
    if (!status && s->current > s->objective)
        status = back(q, &s->best);
    q->objective = s->objective;
    fr_remember(q, s->list, s->size, s->side);
    return status;
}

int fr_descend(fr_descent *q)
{
    const ptrdiff_t m = MAX(q->m, 1);
    state s = {.q = q, .random = q->seed};
    double *memory = malloc((size_t)(m * (12 + FR_HISTORY)) * sizeof(double));
    int32_t *lists = malloc((size_t)m * (3 * sizeof(int32_t) + 1));
    int status = FR_NO_MEMORY;
    if (memory && lists) {
        s.old.w = memory;
        s.best.w = memory + m;
        if (!q->gram) {
            const ptrdiff_t n = fr_n_rows(q->a);
            s.old.residual = q->spare + n;
            s.best.residual = s.old.residual + n;
        }
        s.d = memory + 2 * m;
        s.rhs = memory + 3 * m;
        s.work = memory + 4 * m;
        s.between = memory + 10 * m;
        s.image = memory + 11 * m;
        s.past = memory + 12 * m;
        s.list = lists;
        s.order = lists + m;
        s.moved = lists + 2 * m;
        s.side = (signed char *)(lists + 3 * m);
        status = descend(&s);
    }
    free(memory);
    free(lists);
    return status;
}

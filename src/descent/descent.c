#include "descent.h"

#include <stdlib.h>
#include <string.h>

#include "descent_search.h"
#include "extrapolate.h"

#define SUPPORT (FR_HISTORY - 1) /* sweeps over the support for one over all coordinates */
#define PASSING 300 /* gaps by which a step may raise the objective for a while */
#define PATIENCE 20 /* Newton steps that may fail to halve the gap before sweeps are taken: this many
                       first, half as many from time to time, and at least 2; ... */
#define IMPATIENCE 6 /* ... first this many in a cold start, and where they failed the last time */

#define ROUGH 0.1     /* accuracy of steps by conjugate gradients: the next one corrects it, */
#define EXACT 1e-10   /* unless it is the gradient's zeros that count, or no step gets on */
#define FINAL 1e-4    /* and of those that make coefficients exact where the gap is small enough: at */
#define FINAL_STEPS 4 /* most so many, or one (see fr_descent.exact), until the support stays */
#define MIXTURES 10   /* of two residuals that are tried as a dual candidate */
#define SAFE_STEPS 30 /* monotone steps in a row, twice as many each time, ... */
#define MOST_SAFE 120 /* ... up to this many, between sweeps and exchanges */
#define SETTLED 1e-10 /* error of a step, over the largest coefficient, at which the support is exact */
#define EQUAL 1e-15   /* share of what it is summed from by which the objective may seem to rise */

#define DAMPING 1e-5       /* see fr_descent.damping: at first, ... */
#define LESS_DAMPING 1e-2  /* ... its factor where it is what limits a step, ... */
#define LEAST_DAMPING 1e-11 /* ... and the least */

enum { LEFT = 2 };
enum { SHORTEN, EXCHANGE };

/* size: of the terms that are summed, of which rounding is a share. */
static shadow shadow_of(const fr_descent *q, const double *w, const double *g, double *size)
{
    double cw = 0, gw = 0;
    *size = q->yy;
    for (ptrdiff_t j = 0; j < q->m; j++)
        if (w[j] != 0) {
            const double c = q->cross[j] * w[j];
            cw += c;
            gw += g[j] * w[j];
            *size += fabs(c);
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
    const shadow r = shadow_of(q, w, g, &s->terms);
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
    if (!(s->current <= s->objective + EQUAL * s->terms))
        return 0;
    s->objective = s->current;
    keep(s->q, &s->best);
    return 1;
}

/* Put on the border what left its half-line or bounds; how many. */
static ptrdiff_t clip(state *s)
{
    fr_descent *q = s->q;
    ptrdiff_t leaving = 0;
    for (ptrdiff_t i = 0; i < s->size; i++) {
        const ptrdiff_t j = s->list[i];
        double lo, hi;
        sides(s, j, &lo, &hi);
        const double w = q->w[j], to = fr_clip(w, lo, hi);
        if (to == w && (q->l1[j] == 0 || w != 0))
            continue;
        leaving++;
        s->side[j] = LEFT;
        if (to != w)
            move(q, j, to - w);
        q->w[j] = to;
    }
    return leaving;
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

/* The negative gradient on the support. */
static void right_side(state *s)
{
    const fr_descent *q = s->q;
    for (ptrdiff_t i = 0; i < s->size; i++) {
        const ptrdiff_t j = s->list[i];
        s->rhs[i] = q->g[j] - q->l2[j] * q->w[j] - q->l1[j] * s->side[j];
    }
}

/* Whether the step d was so small that its own error, its damping or accuracy, is nothing. */
static int is_fine(const state *s)
{
    const fr_descent *q = s->q;
    const double error = q->gram ? q->damping : q->accuracy;
    double step = 0, size = 0;
    for (ptrdiff_t i = 0; i < s->size; i++) {
        const ptrdiff_t j = s->list[i];
        step = MAX(step, q->square[j] * s->d[i] * s->d[i]);
        size = MAX(size, q->square[j] * q->w[j] * q->w[j]);
    }
    return error * error * step <= SETTLED * SETTLED * size;
}

/* Move by d, which is not 0 on s->list alone. The residual there is a candidate for the dual; then
 * what left its half-line or bounds is put on the border. With EXCHANGE the support becomes what is
 * left and what wants to enter, and a point that is little worse is passed through; else, or if it
 * is much worse, the projected path is searched.
 * Returns a status, or 1 where the point is the best so far. */
static int attempt(state *s, int how)
{
    const int active_set = how == EXCHANGE;
    fr_descent *q = s->q;
    const size_t bytes = (size_t)q->m * sizeof(double);
    const double gap = s->objective - s->own;
    int whole;
    keep(q, &s->old);
    memcpy(s->moved, s->list, (size_t)s->size * sizeof(int32_t));
    memcpy(s->was, s->side, (size_t)q->m);
    s->taken = s->size;
    int status = move_along(s, 1.0);
    if (status || (status = all_gradients(q)))
        return status;
    evaluate(s, 1);
    memcpy(s->work, q->g, bytes);
    const int fine = active_set && is_fine(s);
    const ptrdiff_t leaving = clip(s);
    if (active_set)
        exchange(s, s->work);
    if (leaving)
        some_gradients(s);
    /* with a Gram matrix the whole gradient has come for nothing */
    if (value_point(s, leaving && q->gram)) {
        s->settled = fine && !leaving && s->size == s->taken;
        return 1;
    }
    if (active_set && s->current - s->objective <= PASSING * gap)
        return 0;
    if ((status = back(q, &s->old)))
        return status;
    memcpy(s->list, s->moved, (size_t)s->taken * sizeof(int32_t));
    memcpy(s->side, s->was, (size_t)q->m);
    s->size = s->taken;
    if (!active_set)
        right_side(s);
    if ((status = fr_search(s, &whole)))
        return status;
    value_point(s, 1);
    if (active_set) {
        find_support(s);
        exchange(s, q->g);
    }
    return 0;
}

/* Minimise over the support without its borders: a primal-dual active set step. */
static int newton(state *s)
{
    fr_descent *q = s->q;
    q->n_newton++;
    right_side(s);
    const int status = fr_support_solve(q, s->list, s->size, s->rhs, s->d, s->image, s->work);
    return status ? status : attempt(s, EXCHANGE);
}

/* Add to the support the `most` coordinates that gain most by entering. */
static void enter(state *s, ptrdiff_t most)
{
    const fr_descent *q = s->q;
    ptrdiff_t count = 0;
    for (ptrdiff_t j = 0; j < q->m; j++) {
        const fr_penalty h = penalty_of(q, j);
        const double g = q->g[j] - q->l2[j] * q->w[j];
        const int to = s->side[j] ? 0 : fr_side(&h, q->w[j], g, 1e-10 * h.l1 + slack_of(q, j));
        if (to) {
            const double pull = g - to * h.l1;
            s->borders[count].stop = -pull * pull / (q->square[j] + h.l2);
            s->borders[count].up = to > 0;
            s->borders[count++].place = (int32_t)j;
        }
    }
    if (count > most)
        fr_sort_borders(s->borders, count);
    for (ptrdiff_t k = 0; k < MIN(count, most); k++) {
        const ptrdiff_t j = s->borders[k].place;
        s->side[j] = s->borders[k].up ? 1 : -1;
        s->list[s->size++] = (int32_t)j;
    }
}

/* From the best point along the projected path of the Newton step, so that the objective goes down.
 * Coordinates enter where the minimum over the support was reached: as no support's minimum comes
 * again, this ends. */
static int safe_step(state *s)
{
    fr_descent *q = s->q;
    int status = s->current > s->objective ? back(q, &s->best) : 0, whole;
    if (status)
        return status;
    s->current = s->objective;
    q->n_newton++;
    find_support(s);
    if (s->flat) {
        if ((status = all_gradients(q)))
            return status;
        s->entering = s->left > 2 ? MAX(s->entering / 2, 1) : 2 * s->entering;
        const ptrdiff_t before = s->size;
        enter(s, s->entering);
        /* the minimum over the support, which nothing wants to enter */
        s->settled = s->size == before;
        s->left = 0;
    }
    right_side(s);
    const double gap = s->objective - s->own;
    if ((status = fr_support_solve(q, s->list, s->size, s->rhs, s->d, s->image, s->work)) ||
        (status = fr_search(s, &whole)))
        return status;
    value_point(s, 1);
    s->flat = whole;
    s->left++;
    if (whole && s->objective - s->own > 0.1 * gap)
        q->damping = MAX(LESS_DAMPING * q->damping, LEAST_DAMPING);
    return 0;
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
    int status = 0, failed = 0, patience, gave_up = 0, safe = 0, safe_steps = 0;
    q->dual = s->own = -INFINITY;
    s->objective = INFINITY;
    q->n_iter = q->n_newton = 0;
    s->entering = q->m;
    s->settled = s->flat = 0;
    if (q->whole) {
        double size;
        s->dual = shadow_of(q, q->w_dual, q->g_dual, &size);
        q->dual = fr_dual_value(q, q->g_dual, s->dual.yr, s->dual.rr);
    }
    if ((status = all_gradients(q)))
        return status;
    value_point(s, 1);
    find_support(s);
    if ((status = fr_recall(q, s->side, s->list, &s->size)))
        return status;
    q->accuracy = ROUGH;
    q->damping = DAMPING;
    for (ptrdiff_t j = 0; j < q->m; j++)
        if (q->l1[j] == 0 && q->l2[j] == 0 && q->square[j] > 0)
            q->accuracy = EXACT;
    enum { EXCHANGES, SWEEPS, SAFE } turn = SWEEPS;
    for (ptrdiff_t j = 0; j < q->m && turn == SWEEPS; j++)
        if (q->w[j] != 0)
            turn = EXCHANGES;
    patience = turn == SWEEPS || fr_was_hard(q, 0) ? IMPATIENCE : PATIENCE;
    int final = 0, stuck = 0;
    while (!status && q->n_iter < q->max_iter) {
        if (s->objective - q->dual <= q->tol) {
            /* from the best point an exchange that led to a worse one would do so again */
            stuck |= final && turn == EXCHANGES && s->current > s->objective;
            if (s->settled || final++ >= (q->exact > 1 ? FINAL_STEPS : 1) + stuck ||
                q->exact < (q->n_iter ? 1 : 2))
                break;
            q->accuracy = MIN(q->accuracy, FINAL);
            if (stuck) {
                safe = 1;
                turn = SAFE;
            } else if (turn != EXCHANGES || !q->n_iter || s->current > s->objective) {
                if (s->current > s->objective && (status = back(q, &s->best)))
                    break;
                s->current = s->objective;
                find_support(s);
                exchange(s, q->g);
                turn = EXCHANGES;
            }
            if (!s->size)
                break;
        }
        const double gap = s->objective - s->own;
        s->settled = 0;
        q->n_iter++;
        if (turn == EXCHANGES && !s->size)
            turn = SWEEPS;
        if (turn == SAFE) {
            status = safe_step(s);
            if (status >= 0 && --safe == 0) {
                find_support(s);
                exchange(s, q->g);
                turn = EXCHANGES;
            }
        } else if (turn == EXCHANGES) {
            status = newton(s);
            failed = s->objective - s->own <= 0.5 * gap ? 0 : failed + 1;
            if (failed > 1)
                q->accuracy = MAX(0.1 * q->accuracy, EXACT);
            if (failed >= patience) {
                failed = 0;
                patience = MAX(patience / 2, 2);
                gave_up++;
                turn = SWEEPS;
            }
        } else {
            status = sweeps(s);
            if (!status && !(s->objective - q->dual <= q->tol))
                status = extrapolate(s);
            if (status >= 0)
                find_support(s);
            turn = EXCHANGES;
            if (gave_up > 1) {
                safe = safe_steps = MIN(MAX(2 * safe_steps, SAFE_STEPS), MOST_SAFE);
                q->accuracy = EXACT;
                turn = SAFE;
                s->flat = 0;
            }
        }
        status = MIN(status, 0);
        if (!status)
            status = fr_poll();
    }
    if (!status && s->current > s->objective)
        status = back(q, &s->best);
    q->objective = s->objective;
    fr_was_hard(q, 1 + (gave_up > 1));
    fr_remember(q, s->list, s->size, s->side);
    return status;
}

int fr_descend(fr_descent *q)
{
    const ptrdiff_t m = MAX(q->m, 1);
    state s = {.q = q, .random = q->seed};
    double *memory = malloc((size_t)(m * (15 + FR_HISTORY)) * sizeof(double));
    int32_t *lists = malloc((size_t)m * (3 * sizeof(int32_t) + 2));
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
        s.passed = memory + 12 * m;
        s.borders = (border_at *)(memory + 13 * m);
        s.past = memory + 15 * m;
        s.list = lists;
        s.order = lists + m;
        s.moved = lists + 2 * m;
        s.side = (signed char *)(lists + 3 * m);
        s.was = s.side + m;
        status = descend(&s);
    }
    free(memory);
    free(lists);
    return status;
}

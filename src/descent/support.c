/* Newton steps on the support: its small ridge system, by a factor that follows the support, or by
 * conjugate gradients. */

#include <stdlib.h>
#include <string.h>

#include "cholesky.h"
#include "descent_state.h"

#define KEEP 1e-9       /* share of a column that must be left by the columns before it, ... */
#define KEEP_DAMPED 1e-3 /* ... as a share of the damping where that is small */
#define FAR 0.5          /* relative change of l2 up to which an old factor is a preconditioner */
#define ROTATION 8       /* multiplications of an element in the time of one rotation */
#define MAX_STEPS 200    /* conjugate gradient steps, ... */
#define EXACT_STEPS 5000 /* ... or this many where rough steps did not do, ... */
#define EXACT 1e-9       /* ... for which they are asked to be more accurate than this */
#define FINE 1e-3        /* their accuracy for an old factor: the next step takes the rest */

struct fr_support {
    ptrdiff_t size, room, marks;
    int32_t *order; /* coordinates in the order of the factor, then as much to spare */
    double *u, *diagonal, *l2, *row;
    unsigned char *mark; /* by coordinate */
    signed char *entering; /* by coordinate: on which side it was about to enter */
    ptrdiff_t known;
    int exact, hard;
    double damping; /* that the factor was made with */
};

void fr_free_support(struct fr_support *s)
{
    if (!s)
        return;
    free(s->order);
    free(s->u);
    free(s->mark);
    free(s->entering);
    free(s);
}

int fr_recall(fr_descent *q, signed char *side, int32_t *list, ptrdiff_t *size)
{
    struct fr_support *s = q->support;
    if (!s && !(s = q->support = calloc(1, sizeof(struct fr_support))))
        return FR_NO_MEMORY;
    for (ptrdiff_t j = 0; j < MIN(s->known, q->m); j++)
        if (s->entering[j] && !side[j] && q->w[j] == 0) {
            side[j] = s->entering[j];
            list[(*size)++] = (int32_t)j;
        }
    if (s->known < q->m) {
        signed char *entering = realloc(s->entering, (size_t)q->m);
        if (!entering)
            return FR_NO_MEMORY;
        s->entering = entering;
        memset(entering + s->known, 0, (size_t)(q->m - s->known));
        s->known = q->m;
    }
    return 0;
}

void fr_remember(fr_descent *q, const int32_t *list, ptrdiff_t size, const signed char *side)
{
    struct fr_support *s = q->support;
    memset(s->entering, 0, (size_t)s->known);
    for (ptrdiff_t i = 0; i < size; i++)
        if (q->w[list[i]] == 0)
            s->entering[list[i]] = side[list[i]];
}

int fr_was_hard(fr_descent *q, int note)
{
    if (note)
        q->support->hard = note > 1;
    return q->support->hard;
}

static int make_room(struct fr_support *s, ptrdiff_t size, ptrdiff_t m)
{
    if (s->marks < m) {
        unsigned char *mark = realloc(s->mark, (size_t)m);
        if (!mark)
            return FR_NO_MEMORY;
        s->mark = mark;
        s->marks = m;
    }
    if (s->room >= size)
        return 0;
    /* odd multiples of a cache line: rows do not alias */
    const ptrdiff_t room = MIN(m + 8, size + size / 2 + 8) / 16 * 16 + 24;
    double *u = malloc((size_t)(room * room + 3 * room) * sizeof(double));
    int32_t *order = malloc((size_t)(2 * room) * sizeof(int32_t));
    if (!u || !order) {
        free(u);
        free(order);
        return FR_NO_MEMORY;
    }
    for (ptrdiff_t i = 0; i < s->size; i++)
        memcpy(u + i * room + i, s->u + i * s->room + i, (size_t)(s->size - i) * sizeof(double));
    if (s->size) {
        memcpy(order, s->order, (size_t)s->size * sizeof(int32_t));
        memcpy(u + room * room, s->diagonal, (size_t)s->size * sizeof(double));
        memcpy(u + room * room + room, s->l2, (size_t)s->size * sizeof(double));
    }
    free(s->u);
    free(s->order);
    s->u = u;
    s->order = order;
    s->diagonal = u + room * room;
    s->l2 = s->diagonal + room;
    s->row = s->l2 + room;
    s->room = room;
    return 0;
}

typedef struct {
    double key;
    int32_t place;
} ranked;

static int by_key(const void *x, const void *y)
{
    const ranked *a = x, *b = y;
    if (a->key != b->key)
        return a->key < b->key ? 1 : -1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* What is added to the Gram matrix of the support: no damping where l2 does as much, so that the
 * step is exact, nor for features without a penalty, whose gradient a step has to end. */
static double added(const fr_descent *q, ptrdiff_t j)
{
    return MAX(q->l2[j], q->l1[j] > 0 || q->l2[j] > 0 ? q->damping * q->square[j] : 0.0);
}

/* Take coordinates out of the factor, `gone` by their place in it. */
static int leave(struct fr_support *s, const unsigned char *gone, ptrdiff_t leaving)
{
    const int status = fr_cholesky_remove(s->u, s->room, s->size, gone, leaving);
    ptrdiff_t to = 0;
    for (ptrdiff_t i = 0; i < s->size; i++)
        if (!gone[i]) {
            s->order[to] = s->order[i];
            s->l2[to] = s->l2[i];
            s->diagonal[to++] = s->diagonal[i];
        }
    s->size = status ? 0 : to;
    return status;
}

/* How the factor's coordinates have fared. */
typedef struct {
    ptrdiff_t kept, leaving; /* those before any that leaves, and the number of these */
    int exact, near;         /* how near the l2 of those that stay is to what they were factored with */
    int dropped;
} change;

static change compare(const fr_descent *q, const struct fr_support *s, unsigned char *gone)
{
    change found = {s->size, 0, 1, 1, 0};
    for (ptrdiff_t i = 0; i < s->size; i++) {
        const int32_t j = s->order[i];
        gone[i] = !s->mark[j];
        if (gone[i]) {
            if (!found.leaving++)
                found.kept = i;
            continue;
        }
        const double now = q->l2[j], by = fabs(now - s->l2[i]);
        found.exact = found.exact && by <= 1e-14 * s->diagonal[i];
        found.near = found.near && by <= FAR * MIN(now, s->l2[i]);
        found.dropped = found.dropped || !(s->u[i * s->room + i] < FR_DROPPED);
    }
    return found;
}

/* The places of coordinates, those far from zero first, as they will leave last. */
static void sort_by_size(const fr_descent *q, ranked *rank, ptrdiff_t n, const int32_t *coordinates)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        const int32_t j = coordinates ? coordinates[rank[i].place] : rank[i].place;
        rank[i].key = fabs(q->w[j]) * sqrt(q->square[j]);
    }
    qsort(rank, (size_t)n, sizeof(ranked), by_key);
}

/* Bring the factor to the coordinates in list. Few that left are taken out of it; else what stays
 * keeps its rows as far as nothing before it left. */
static int follow(fr_descent *q, const int32_t *list, ptrdiff_t size)
{
    struct fr_support *s = q->support;
    int status = make_room(s, size, q->m);
    if (status)
        return status;
    unsigned char *mark = s->mark;
    memset(mark, 0, (size_t)q->m);
    for (ptrdiff_t i = 0; i < size; i++)
        mark[list[i]] = 1;
    ranked *rank = malloc((size_t)MAX(MAX(size, s->size), 1) * (sizeof(ranked) + 1));
    if (!rank)
        return FR_NO_MEMORY;
    unsigned char *gone = (unsigned char *)(rank + MAX(size, s->size));
    change c = compare(q, s, gone);
    const ptrdiff_t rest = s->size - c.leaving - c.kept;
    if ((!c.exact && !c.near) || s->damping != q->damping) {
        c.kept = 0;
        c.exact = 1;
    } else if (c.leaving && !c.dropped && ROTATION * c.leaving < c.kept + rest / 3) {
        if ((status = leave(s, gone, c.leaving))) {
            free(rank);
            return status;
        }
        c.kept = s->size;
    }
    s->exact = c.exact;
    s->damping = q->damping;
    const ptrdiff_t kept = c.kept, old = s->size, ld = s->room;
    ptrdiff_t left = 0;
    for (ptrdiff_t i = 0; i < old; i++) {
        const int32_t j = s->order[i];
        if (i >= kept && mark[j] == 1)
            rank[left++].place = (int32_t)i;
        mark[j] = 2;
    }
    sort_by_size(q, rank, left, s->order);
    int32_t *order = s->order + s->room;
    const ptrdiff_t fresh = kept + left;
    for (ptrdiff_t i = 0; i < left; i++)
        order[i] = s->order[rank[i].place];
    for (ptrdiff_t i = 0; i < kept && left; i++) {
        double *row = s->u + i * ld;
        for (ptrdiff_t r = 0; r < left; r++)
            s->row[r] = row[rank[r].place];
        memcpy(row + kept, s->row, (size_t)left * sizeof(double));
    }
    memcpy(s->order + kept, order, (size_t)left * sizeof(int32_t));
    ptrdiff_t at = fresh;
    left = 0;
    for (ptrdiff_t i = 0; i < size; i++)
        if (mark[list[i]] == 1)
            rank[left++].place = list[i];
    sort_by_size(q, rank, left, NULL);
    for (ptrdiff_t i = 0; i < left; i++)
        s->order[at++] = rank[i].place;
    free(rank);
    if (kept == size && old == size)
        return 0;
    for (ptrdiff_t i = 0; i < size; i++) {
        const double *from = q->gram + s->order[i] * q->ld;
        double *row = s->u + i * ld;
        for (ptrdiff_t r = i < kept ? fresh : i; r < size; r++)
            row[r] = from[s->order[r]];
        if (i >= kept) {
            s->l2[i] = q->l2[s->order[i]];
            s->diagonal[i] = q->square[s->order[i]] + added(q, s->order[i]);
        }
    }
    s->size = 0;
    if (kept < size)
        status = fr_cholesky_from(s->u, ld, size, kept, fresh, s->diagonal,
                                  MIN(KEEP, KEEP_DAMPED * q->damping), 1, q->n_threads);
    if (!status)
        s->size = size;
    return status;
}

/* z = M^-1 r: by the factor, or by the diagonal */
static int precondition(const fr_descent *q, const int32_t *list, ptrdiff_t size, const double *r,
                        double *z)
{
    const struct fr_support *s = q->support;
    if (q->gram) {
        memcpy(z, r, (size_t)size * sizeof(double));
        return fr_cholesky_solve_in(s->u, s->room, size, z, 1, q->n_threads);
    }
    for (ptrdiff_t i = 0; i < size; i++) {
        const double d = q->square[list[i]] + q->l2[list[i]];
        z[i] = d > 0 ? r[i] / d : 0.0;
    }
    return 0;
}

/* out = (A_T'S A_T + what is added) v; with a Gram matrix, whole = A'S A_T v (m) */
static void times(const fr_descent *q, const int32_t *list, ptrdiff_t size, const double *v,
                  double *out, double *whole)
{
    if (q->gram) {
        memset(whole, 0, (size_t)q->m * sizeof(double));
        fr_rows_add(q, list, size, v, whole);
        for (ptrdiff_t i = 0; i < size; i++)
            out[i] = whole[list[i]];
    } else
        fr_columns_times(q, list, size, v, list, size, out);
    for (ptrdiff_t i = 0; i < size; i++)
        out[i] += added(q, list[i]) * v[i];
}

static double dot(const double *a, const double *b, ptrdiff_t n)
{
    double s;
    fr_active()->real[FR_DOUBLE].dot_rows(a, n, 1, n, NULL, NULL, b, &s);
    return s;
}

/* Preconditioned conjugate gradients from d = 0; with a Gram matrix, image = A'S A_T d. */
static int conjugate_gradients(fr_descent *q, const int32_t *list, ptrdiff_t size,
                               const double *rhs, double *d, double *image, double *work)
{
    double *r = work, *z = r + size, *p = z + size, *hp = p + size, *whole = hp + size;
    const double wanted = q->gram ? MIN(q->accuracy, FINE) : q->accuracy;
    const int most = wanted < EXACT ? EXACT_STEPS : MAX_STEPS;
    memcpy(r, rhs, (size_t)size * sizeof(double));
    memset(d, 0, (size_t)size * sizeof(double));
    int status = precondition(q, list, size, r, z);
    memcpy(p, z, (size_t)size * sizeof(double));
    double rz = dot(r, z, size);
    const double first = rz;
    for (int step = 0; step < most && !status && rz > wanted * wanted * first; step++) {
        times(q, list, size, p, hp, whole);
        const double curvature = dot(p, hp, size);
        if (!(curvature > 0))
            break;
        const double t = rz / curvature;
        for (ptrdiff_t i = 0; i < size; i++) {
            d[i] += t * p[i];
            r[i] -= t * hp[i];
        }
        if (q->gram)
            for (ptrdiff_t j = 0; j < q->m; j++)
                image[j] += t * whole[j];
        if ((status = precondition(q, list, size, r, z)))
            break;
        const double next = dot(r, z, size), beta = next / rz;
        rz = next;
        for (ptrdiff_t i = 0; i < size; i++)
            p[i] = z[i] + beta * p[i];
        status = fr_poll();
    }
    return status;
}

int fr_support_solve(fr_descent *q, const int32_t *list, ptrdiff_t size, const double *rhs,
                     double *d, double *image, double *work)
{
    if (!q->gram)
        return conjugate_gradients(q, list, size, rhs, d, NULL, work);
    int status = follow(q, list, size);
    if (status)
        return status;
    /* in the order of the factor */
    struct fr_support *s = q->support;
    double *b = s->row, *place = work + 5 * q->m;
    for (ptrdiff_t i = 0; i < size; i++)
        place[list[i]] = rhs[i];
    for (ptrdiff_t i = 0; i < size; i++)
        b[i] = place[s->order[i]];
    memset(image, 0, (size_t)q->m * sizeof(double));
    if (s->exact) {
        status = fr_cholesky_solve_in(s->u, s->room, size, b, 1, q->n_threads);
        fr_rows_add(q, s->order, size, b, image);
    } else {
        memcpy(d, b, (size_t)size * sizeof(double));
        status = conjugate_gradients(q, s->order, size, d, b, image, work);
    }
    for (ptrdiff_t i = 0; i < size; i++)
        place[s->order[i]] = b[i];
    for (ptrdiff_t i = 0; i < size; i++)
        d[i] = place[list[i]];
    return status;
}

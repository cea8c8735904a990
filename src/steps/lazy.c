/* Rows that are updated only when they are touched.
 *
 * A step without a gradient, which is what an untouched row gets from the dense optimizer, is a
 * linear map of (w, b) for SGD with momentum, the same for all rows; for Adam with decoupled decay
 * it is one of w but for u, whose moments only shrink. The products of the maps of 2^l steps from
 * every multiple of 2^l on are kept, so that k skipped steps take O(log k) products.
 *
 * For Adam, with j skipped steps before it, step s moves an element with moments m, v by
 *     c_j * m / (beta_j * sqrt(v) + eps),  c_j = lr_s * beta1^j,  beta_j = root_s * sqrt(beta2^j)
 * where beta_j falls, and hardly changes from one step to the next. Over a run of steps whose beta_j
 * are near their centre, with r = sqrt(v), z = 1 / (centre * r + eps) and y = r * z,
 *     sum_j c_j / (beta_j * r + eps) = z * sum_p (-y)^p sum_j c_j * (beta_j - centre)^p
 * where |(beta_j - centre) * y| is at most the half width h of the run, and few terms do: what they
 * leave out is h^TERMS of the run, so that one of small c_j / beta_j may be wide. Steps with
 * c_j / beta_j below the rounding of the first by TINY are left out.
 *
 * With a factor per element, see decay_each.c.
 *
 * Adam with coupled decay has no closed form: the decay enters the moments, whose quotient is not
 * linear in w. Its skipped steps are replayed, which costs what the dense step costs without the
 * traffic to memory; FR_MOST_REPLAYED bounds how many there are.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "lazy.h"
#include "parallel.h"
#include "pool.h"
#include "steps.h"

enum { ROWS = 16, AHEAD = 8, CHUNK = 4096 };
enum { LONGEST = 1 << 20 }; /* elements and steps of one task of a flush */
#define TINY_float 0x1p-34
#define TINY_double 0x1p-64

static fr_map product(fr_map a, fr_map b)
{
    return (fr_map){a.ww * b.ww + a.wb * b.bw, a.ww * b.wb + a.wb * b.bb,
                    a.bw * b.ww + a.bb * b.bw, a.bw * b.wb + a.bb * b.bb};
}

/* effect of a step on w and b where the gradient is 0 */
fr_map fr_map_of(const fr_step *s)
{
    const double c = s->couple, lr = s->lr, keep = 1.0 - s->drop;
    fr_map a = {keep, 0.0, 0.0, 1.0};
    if (s->kind == FR_SGD)
        a.ww = keep - lr * c;
    if (s->kind == FR_MOMENTUM) {
        const double mu = s->first ? 0.0 : s->momentum;
        a.bw = s->damp * c;
        a.bb = mu;
        a.ww = keep - lr * (s->nesterov ? c + s->momentum * a.bw : a.bw);
        a.wb = -lr * (s->nesterov ? s->momentum * mu : mu);
    }
    return a;
}

/* level l of the products has capacity >> l of them, stored behind the lower levels */
static fr_map *level(const fr_lazy *z, int l)
{
    return z->products + (2 * z->capacity - (2 * z->capacity >> l));
}

/* return whether two steps of a history act alike where the gradient is 0: on w and b for
 * gradient descent, on w except for the moments for Adam */
static int same_effect(const fr_step *s, const fr_step *t)
{
    if (s->kind == FR_ADAM)
        return s->drop == t->drop;
    return s->kind == t->kind && s->couple == t->couple && s->drop == t->drop && s->lr == t->lr
           && s->momentum == t->momentum && s->damp == t->damp && s->nesterov == t->nesterov
           && s->first == t->first;
}

static void note(fr_lazy *z, ptrdiff_t i)
{
    const fr_step *s = &z->history[i];
    level(z, 0)[i] = fr_map_of(s);
    z->same[i] = i && same_effect(s, s - 1) ? z->same[i - 1] : i;
    for (int l = 1; (i + 1) % ((ptrdiff_t)1 << l) == 0; l++) {
        const ptrdiff_t k = i >> l;
        level(z, l)[k] = product(level(z, l - 1)[2 * k + 1], level(z, l - 1)[2 * k]);
    }
    if (z->powers) {
        const double x = s->kind == FR_ADAM ? s->drop : s->drop + s->lr * s->couple;
        double *sum = z->powers + i * FR_POWERS, power = x;
        z->most_taken = i ? fmax(z->most_taken, fabs(x)) : fabs(x);
        for (int p = 0; p < FR_POWERS; p++, power *= x)
            sum[p] = (i ? sum[p - FR_POWERS] : 0.0) + power;
    }
    if (s->kind != FR_ADAM)
        return;
    if (i == 0)
        z->power[0] = z->shrunk[0] = 1.0;
    z->kept[i] = i ? z->kept[i - 1] * (1.0 - s->drop) : 1.0;
    z->rate[i] = s->lr / z->kept[i];
    z->fastest = i ? fmax(z->fastest, fabs(z->rate[i])) : fabs(z->rate[i]);
    z->root[i] = s->root;
    z->power[i + 1] = z->power[i] * s->beta1;
    z->shrunk[i + 1] = z->shrunk[i] * (s->amsgrad ? 1.0 : sqrt(s->beta2));
}

int fr_lazy_reserve(fr_lazy *z)
{
    if (z->count < z->capacity)
        return 0;
    const size_t capacity = z->capacity ? 2 * (size_t)z->capacity : 64;
    fr_step *history = realloc(z->history, capacity * sizeof(fr_step));
    if (!history)
        return FR_NO_MEMORY;
    z->history = history;
    fr_map *products = malloc(2 * capacity * sizeof(fr_map));
    double *numbers = malloc((5 * capacity + 2) * sizeof(double));
    ptrdiff_t *same = malloc(capacity * sizeof(ptrdiff_t));
    double *powers = z->each ? malloc(FR_POWERS * capacity * sizeof(double)) : NULL;
    fr_moved *moved = z->adam && !z->each ? malloc(capacity * sizeof(fr_moved)) : NULL;
    if (!products || !numbers || !same || (z->each && !powers) || (z->adam && !z->each && !moved)) {
        free(powers);
        free(moved);
        free(products);
        free(numbers);
        free(same);
        return FR_NO_MEMORY;
    }
    free(z->products);
    free(z->kept);
    free(z->same);
    free(z->powers);
    free(z->moved);
    z->powers = powers;
    z->moved = moved;
    z->n_moved = z->n_shared = 0;
    z->same = same;
    z->products = products;
    z->kept = numbers;
    z->rate = numbers + capacity;
    z->root = numbers + 2 * capacity;
    z->power = numbers + 3 * capacity;
    z->shrunk = numbers + 4 * capacity + 1;
    z->capacity = (ptrdiff_t)capacity;
    for (ptrdiff_t i = 0; i < z->count; i++)
        note(z, i);
    return 0;
}

void fr_lazy_free(fr_lazy *z)
{
    free(z->history);
    free(z->products);
    free(z->kept);
    free(z->same);
    free(z->powers);
    free(z->moved);
    fr_rows_release(z);
    z->history = NULL;
    z->same = NULL;
    z->powers = NULL;
    z->moved = NULL;
    z->n_moved = z->n_shared = 0;
    z->products = NULL;
    z->kept = NULL;
    z->count = z->capacity = 0;
}

/* steps a .. b - 1, one by one */
static fr_map steps_between(const fr_lazy *z, ptrdiff_t a, ptrdiff_t b)
{
    fr_map all = {1.0, 0.0, 0.0, 1.0};
    while (a < b) {
        int l = 0;
        while ((a >> l & 1) == 0 && a + ((ptrdiff_t)2 << l) <= b)
            l++;
        all = product(level(z, l)[a >> l], all);
        a += (ptrdiff_t)1 << l;
    }
    return all;
}

static size_t size_of(int real) { return real == FR_FLOAT ? sizeof(float) : sizeof(double); }

static void *row_of(const void *x, size_t offset) { return x ? (char *)x + offset : NULL; }

static fr_buffers buffers_of(const fr_lazy *z, const fr_tensor *t, ptrdiff_t r)
{
    const size_t at = (size_t)r * (size_t)z->width * size_of(t->real);
    const fr_buffers x = {row_of(t->x.w, at), NULL, row_of(t->x.m, at), row_of(t->x.v, at),
                          row_of(t->x.top, at), row_of(t->x.factor, at)};
    return x;
}

/* steps without a closed form, from a to end, one by one */
static void replay(const fr_lazy *z, const fr_tensor *t, const fr_buffers *row, ptrdiff_t a,
                   ptrdiff_t end)
{
    static const double zeros[CHUNK];
    const fr_real_kernels *f = &fr_active()->real[t->real];
    const size_t size = size_of(t->real);
    for (ptrdiff_t i = 0; i < z->width; i += CHUNK) {
        const size_t at = (size_t)i * size;
        const fr_buffers x = {row_of(row->w, at), zeros, row_of(row->m, at), row_of(row->v, at),
                              row_of(row->top, at), row_of(row->factor, at)};
        for (ptrdiff_t s = a; s < end; s++)
            f->step[z->history[s].kind](&z->history[s], &x, 0, MIN(CHUNK, z->width - i), NULL, 0);
    }
}

/* skipped steps of Adam after which the moments no longer move anything */
static ptrdiff_t reach(const fr_lazy *z, int real)
{
    const double tiny = real == FR_FLOAT ? TINY_float : TINY_double;
    ptrdiff_t low = 0, high = z->count;
    while (low < high) {
        const ptrdiff_t j = (low + high) / 2;
        if (z->power[j + 1] > tiny * z->shrunk[j + 1])
            low = j + 1;
        else
            high = j;
    }
    return low;
}

/* return whether skipped steps have no closed form; a history is of one kind. n: skipped steps
 * of Adam that move a row, few enough for one task with a factor per element. */
static int replays(const fr_lazy *z, const fr_tensor *t, ptrdiff_t n)
{
    if (!z->count || z->history[0].kind != FR_ADAM)
        return 0;
    return z->history[0].couple != 0.0 || (t->x.factor && (n >= z->count || n > LONGEST / 128));
}

/* Split the n steps from a on into runs, with their sums in `runs` of room `most`. Return the
 * step at which the next run begins, or n; *count: the number of runs. */
static ptrdiff_t sum_runs(const fr_lazy *z, int real, ptrdiff_t a, ptrdiff_t n, ptrdiff_t j,
                          double *largest, fr_run_sums *runs, int most, int *count)
{
    const int single = real == FR_FLOAT;
    const double *root = z->root + a, *power = z->power + 1, *shrunk = z->shrunk + 1;
    for (*count = 0; j < n && *count < most; ++*count) {
        /* root * shrunk falls */
        const double first = root[j] * shrunk[j];
        *largest = MAX(*largest, fabs(z->rate[a + j]) * power[j] / first);
        /* h^8 or h^12 is the type's rounding over this run's share of the whole, h at most 1/2 */
        const double share = MIN(z->fastest * power[j] / (first * *largest), 1.0);
        const double eighth = sqrt(sqrt(sqrt(share)));
        const double h = MIN((single ? 0.09 : 0.047) / (single ? eighth : sqrt(eighth)), 0.5);
        const double spread = (1.0 + h) / (1.0 - h);
        ptrdiff_t low = j + 1, high = n;
        while (low < high) {
            const ptrdiff_t k = (low + high) / 2;
            if (first > spread * (root[k] * shrunk[k]))
                high = k;
            else
                low = k + 1;
        }
        const fr_run run = {.rate = z->rate + a + j, .root = root + j, .power = power + j,
                            .shrunk = shrunk + j, .n = low - j,
                            .centre = 0.5 * (first + root[low - 1] * shrunk[low - 1])};
        runs[*count].centre = run.centre;
        fr_active()->real[real].adam_sums(&run, runs[*count].terms);
        j = low;
    }
    return j;
}

/* Runs of the first n skipped steps from a on. n_full: the number that moves a row that has
 * skipped enough. */
static void adam_runs(const fr_lazy *z, const fr_tensor *t, const fr_buffers *x, ptrdiff_t a,
                      ptrdiff_t n, ptrdiff_t n_full)
{
    const fr_real_kernels *f = &fr_active()->real[t->real];
    const double eps = z->history[a].eps, kept = z->kept[z->count - 1];
    const void *v = z->history[a].amsgrad ? x->top : x->v;
    if ((a < z->n_moved ? n == n_full : a < z->n_shared) && z->moved[a].n_runs) {
        for (int k = 0; k < z->moved[a].n_runs; k++)
            f->adam_run(&z->moved[a].run[k], eps, kept, x->w, x->m, v, z->width);
        return;
    }
    double largest = 0.0;
    fr_run_sums run;
    int count;
    for (ptrdiff_t j = 0; j < n;) {
        j = sum_runs(z, t->real, a, n, j, &largest, &run, 1, &count);
        f->adam_run(&run, eps, kept, x->w, x->m, v, z->width);
    }
}

/* Sum the runs of the first n steps from a on, for all rows last updated at step a. */
static void sum_moved(fr_lazy *z, int real, ptrdiff_t a, ptrdiff_t n)
{
    fr_moved *m = &z->moved[a];
    double largest = 0.0;
    if (sum_runs(z, real, a, n, 0, &largest, m->run, FR_MOST_RUNS, &m->n_runs) < n)
        m->n_runs = 0;
}

/* Sums shared by rows: those of n steps, after which a row no longer moves, remain valid; those
 * of fewer steps are valid until the next step, and pay off for many rows. */
static void share_sums(fr_lazy *z, int real, ptrdiff_t n, ptrdiff_t n_rows)
{
    for (; z->n_moved + n < z->count; z->n_moved++)
        sum_moved(z, real, z->n_moved, n);
    z->n_shared = 0;
    if (n_rows > 2 * MIN(n, z->count))
        for (z->n_shared = z->n_moved; z->n_shared < z->count; z->n_shared++)
            sum_moved(z, real, z->n_shared, MIN(n, z->count - z->n_shared));
}

/* Apply to row r the steps that it skipped; those of Adam move it up to n times. Of steps
 * without a closed form, apply at most `most`. */
static void catch_up(const fr_lazy *z, const fr_tensor *t, ptrdiff_t r, ptrdiff_t n, ptrdiff_t most)
{
    const fr_real_kernels *f = &fr_active()->real[t->real];
    const int asleep = z->last[r] < 0; /* moments are 0 */
    const ptrdiff_t a = asleep ? -1 - z->last[r] : z->last[r];
    const ptrdiff_t missed = z->count - a;
    if (missed <= 0)
        return;
    const fr_step *s = &z->history[a];
    const fr_buffers x = buffers_of(z, t, r);
    if (replays(z, t, n)) {
        z->last[r] = a + MIN(missed, most); /* coupled decay enters the moments */
        replay(z, t, &x, a, z->last[r]);
        return;
    }
    z->last[r] = asleep ? -1 - z->count : z->count;
    if (s->kind != FR_ADAM && x.factor) {
        z->last[r] = z->count; /* so does decay with momentum */
        fr_decay_each(z, t, &x, a);
        return;
    }
    if (x.factor) {
        const ptrdiff_t moved = asleep ? a : a + MIN(n, missed), left = z->count - moved;
        const double q = z->shrunk[left];
        const fr_map shrink = {z->power[left], 0.0, 0.0,
                               s->amsgrad ? pow(s->beta2, (double)left) : q * q};
        replay(z, t, &x, a, moved);
        if (left)
            fr_decay_each(z, t, &x, moved);
        if (left && !asleep)
            f->linear(&shrink, x.m, x.v, z->width);
        return;
    }
    if (s->kind != FR_ADAM) {
        const fr_map all = steps_between(z, a, z->count);
        f->linear(&all, x.w, x.m, z->width);
        return;
    }
    const double kept = z->kept[z->count - 1];
    const fr_map decay = {a ? kept / z->kept[a - 1] : kept * (1.0 - s->drop), 0.0, 0.0, 1.0};
    if (decay.ww != 1.0)
        f->linear(&decay, x.w, NULL, z->width);
    if (!asleep) {
        const double q = z->shrunk[missed];
        const fr_map shrink = {z->power[missed], 0.0, 0.0,
                               s->amsgrad ? pow(s->beta2, (double)missed) : q * q};
        adam_runs(z, t, &x, a, MIN(n, missed), n);
        f->linear(&shrink, x.m, x.v, z->width);
    }
}

static ptrdiff_t index_of(const fr_row_gradient *g, ptrdiff_t k)
{
    return g->wide ? (ptrdiff_t)((const int64_t *)g->index)[k] : (ptrdiff_t)((const int32_t *)g->index)[k];
}

ptrdiff_t fr_check_rows(const fr_row_gradient *g, ptrdiff_t n_rows)
{
    for (ptrdiff_t k = 0; k < g->n; k++) {
        const ptrdiff_t r = index_of(g, k);
        if (r < 0 || r >= n_rows)
            return k;
    }
    return -1;
}

typedef struct {
    fr_lazy *z;
    fr_tensor *t;
    const fr_row_gradient *g;
    ptrdiff_t n;        /* distinct rows, or all */
    const ptrdiff_t *first; /* of each distinct row: its first place in g; NULL: all rows */
    ptrdiff_t reach;    /* steps of Adam */
    ptrdiff_t most;     /* steps without a closed form in one task */
    ptrdiff_t rows;     /* of a task */
    int steps;
} rows_job;

static void add_up(const rows_job *q, ptrdiff_t k, double *sum)
{
    const ptrdiff_t width = q->z->width;
    memset(sum, 0, (size_t)width * sizeof(double));
    for (; k >= 0; k = q->z->next[k])
        for (ptrdiff_t i = 0; i < width; i++)
            sum[i] += q->t->real == FR_FLOAT ? (double)((const float *)q->g->rows)[k * width + i]
                                             : ((const double *)q->g->rows)[k * width + i];
    if (q->t->real == FR_FLOAT)
        for (ptrdiff_t i = 0; i < width; i++) {
            const float rounded = (float)sum[i];
            memcpy((char *)sum + (size_t)i * sizeof(float), &rounded, sizeof(float));
        }
}

static void prefetch_row(const rows_job *q, ptrdiff_t r)
{
    FR_PREFETCH(&q->z->last[r]);
    const size_t size = (size_t)q->z->width * size_of(q->t->real), at = (size_t)r * size;
    const fr_buffers *x = &q->t->x;
    for (size_t i = 0; i < size && i < 1024; i += 64) {
        FR_PREFETCH((const char *)x->w + at + i);
        if (x->m)
            FR_PREFETCH((const char *)x->m + at + i);
        if (x->v)
            FR_PREFETCH((const char *)x->v + at + i);
    }
}

static void rows_task(void *context, ptrdiff_t task)
{
    const rows_job *q = context;
    const fr_lazy *z = q->z;
    const ptrdiff_t end = MIN((task + 1) * q->rows, q->n);
    const size_t size = (size_t)z->width * size_of(q->t->real);
    const fr_step *s = &q->t->step;
    for (ptrdiff_t i = task * q->rows; i < end; i++) {
        const ptrdiff_t k = q->first ? q->first[i] : i, r = q->g ? index_of(q->g, k) : i;
        if (q->first && i + AHEAD < q->n)
            prefetch_row(q, index_of(q->g, q->first[i + AHEAD]));
        catch_up(z, q->t, r, q->reach, q->most);
        if (!q->steps)
            continue;
        fr_buffers x = buffers_of(z, q->t, r);
        x.g = (const char *)q->g->rows + (size_t)k * size;
        if (z->next[k] >= 0) {
            double *sum = z->sums + z->sum_of[i] * z->width;
            add_up(q, k, sum);
            x.g = sum;
        }
        fr_active()->real[q->t->real].step[s->kind](s, &x, 0, z->width, NULL, 0);
        z->last[r] = z->count + 1;
    }
}

void fr_rows_release(fr_lazy *z)
{
    free(z->first);
    free(z->sums);
    z->first = NULL;
    z->sums = NULL;
    z->n_first = 0;
}

int fr_rows_reserve(fr_lazy *z, const fr_row_gradient *g)
{
    ptrdiff_t repeated = 0;
    fr_rows_release(z);
    if (g->n == 0)
        return 0;
    z->first = malloc(3 * (size_t)g->n * sizeof(ptrdiff_t));
    if (!z->first)
        return FR_NO_MEMORY;
    z->next = z->first + g->n;
    z->sum_of = z->next + g->n;
    /* slot: the last place so far of each row, whose first place is then in z->first */
    for (ptrdiff_t k = 0; k < g->n; k++) {
        const ptrdiff_t r = index_of(g, k), before = z->slot[r];
        z->next[k] = -1;
        z->slot[r] = k;
        if (before < 0)
            z->first[z->n_first++] = k;
        else
            z->next[before] = k;
    }
    for (ptrdiff_t i = 0; i < z->n_first; i++) {
        const ptrdiff_t k = z->first[i];
        z->slot[index_of(g, k)] = -1;
        z->sum_of[i] = z->next[k] >= 0 ? repeated++ : -1;
    }
    if (repeated) {
        z->sums = malloc((size_t)repeated * (size_t)z->width * sizeof(double) + 1);
        if (!z->sums) {
            fr_rows_release(z);
            return FR_NO_MEMORY;
        }
    }
    return 0;
}

static int on_rows(fr_lazy *z, fr_tensor *t, const fr_row_gradient *g, int steps, int n_threads)
{
    rows_job q = {.z = z, .t = t, .g = g, .n = g ? z->n_first : z->n_rows, .first = g ? z->first : NULL,
                  .steps = steps, .most = z->count, .rows = ROWS};
    ptrdiff_t rounds = 1;
    int status = 0;
    double per_row = 5.0 * (double)z->width + 64.0;
    if (z->count && z->history[0].kind == FR_ADAM) {
        q.reach = reach(z, t->real);
        if (z->moved && z->history[0].couple == 0.0)
            share_sums(z, t->real, q.reach, q.n);
    }
    if (!steps && z->width > 0) {
        /* tasks are short enough for Ctrl-C, and leave all rows where `last` says */
        q.rows = MAX(1, MIN(ROWS, LONGEST / z->width));
        if (replays(z, t, q.reach)) {
            q.most = MAX(1, LONGEST / (q.rows * z->width));
            rounds = (z->count + q.most - 1) / q.most;
            per_row *= (double)MIN(q.most, z->count);
        } else if (z->count && z->history[0].kind == FR_ADAM && t->x.factor) {
            q.rows = MAX(1, MIN(q.rows, LONGEST / (z->width * MAX(1, q.reach))));
            per_row *= (double)MAX(1, MIN(q.reach, z->count));
        }
    }
    const ptrdiff_t tasks = (q.n + q.rows - 1) / q.rows;
    const int threads = fr_after_fork() ? 1 : fr_threads_for(per_row * (double)q.n, n_threads);
    if (tasks && steps)
        /* a step that has begun is completed */
        fr_pool_run(rows_task, &q, 0, tasks, threads);
    for (; tasks && !steps && rounds > 0 && !status; rounds--) {
        status = fr_parallel(rows_task, &q, tasks, threads);
        if (!status && rounds > 1)
            status = fr_poll();
    }
    return status;
}

void fr_step_rows(fr_lazy *z, fr_tensor *t, const fr_row_gradient *g, int n_threads)
{
    on_rows(z, t, g, 1, n_threads);
    fr_rows_release(z);
    z->history[z->count] = t->step;
    note(z, z->count++);
}

int fr_catch_up(fr_lazy *z, fr_tensor *t, const fr_row_gradient *g, int n_threads)
{
    int status = g ? fr_rows_reserve(z, g) : 0;
    if (!status)
        status = on_rows(z, t, g, 0, n_threads);
    if (g)
        fr_rows_release(z);
    if (status || g)
        return status;
    for (ptrdiff_t r = 0; r < z->n_rows; r++)
        z->last[r] = z->last[r] < 0 ? -1 : 0;
    z->count = z->n_moved = z->n_shared = 0;
    return 0;
}

#include "steps.h"

#include <math.h>

#include "access.h"
#include "parallel.h"
#include "pool.h"

/* elements of one task, whose arrays fit into a second-level cache; and the least size of a
 * piece */
enum { PIECE = 1 << 15, LONG = 1 << 12 };

static int taken(const fr_tensor *t) { return t->x.g != NULL && t->n > 0; }

double fr_step_work(const fr_tensor *t)
{
    /* work of an element: reads and writes of each array, a square root and a quotient */
    static const double per_element[] = {1.5, 2.5, 5.0};
    return taken(t) ? per_element[t->step.kind] * (double)t->n : 0.0;
}

/* Cut long pieces where w meets a cache line; large arrays mostly share that place. This piece
 * is followed by one of `next` from its element next0 on, or with NULL by nothing. */
static void step_piece(const fr_tensor *t, ptrdiff_t from, ptrdiff_t n, const fr_tensor *next,
                       ptrdiff_t next0)
{
    const fr_real_kernels *f = &fr_active()->real[t->real];
    if (n >= LONG) {
        const size_t size = t->real == FR_FLOAT ? sizeof(float) : sizeof(double);
        const size_t over = ((uintptr_t)t->x.w + (size_t)from * size) % FR_LINE;
        const ptrdiff_t head = over ? (ptrdiff_t)((FR_LINE - over) / size) : 0;
        if (head)
            f->step[t->step.kind](&t->step, &t->x, from, head, NULL, 0);
        from += head;
        n -= head;
    }
    f->step[t->step.kind](&t->step, &t->x, from, n, next ? &next->x : NULL, next0);
}

static void one_task(void *context, ptrdiff_t i)
{
    const fr_tensor *t = context;
    const ptrdiff_t from = i * PIECE;
    step_piece(t, from, MIN(PIECE, t->n - from), NULL, 0);
}

void fr_step_one(fr_tensor *t, int n_threads)
{
    if (!taken(t))
        return;
    const int threads = fr_after_fork() ? 1 : fr_threads_for(fr_step_work(t), n_threads);
    /* a step that has begun is completed: interrupts are not checked */
    if (threads == 1)
        step_piece(t, 0, t->n, NULL, 0);
    else
        fr_pool_run(one_task, t, 0, (t->n + PIECE - 1) / PIECE, threads);
}

ptrdiff_t fr_piece_count(const fr_tensor *tensors, ptrdiff_t count)
{
    ptrdiff_t pieces = 0;
    for (ptrdiff_t i = 0; i < count; i++)
        pieces += (tensors[i].n + PIECE - 1) / PIECE;
    return pieces;
}

void fr_cut(const fr_tensor *tensors, ptrdiff_t count, fr_piece *pieces)
{
    for (ptrdiff_t i = 0; i < count; i++)
        for (ptrdiff_t from = 0; from < tensors[i].n; from += PIECE)
            *pieces++ = (fr_piece){i, from, MIN(PIECE, tensors[i].n - from)};
}

typedef struct {
    fr_tensor *tensors;
    const fr_piece *pieces;
    ptrdiff_t n_pieces, per_task;
    double *partial;
    int looks; /* for non-finite scale * g, instead of summing squares */
    double scale;
} many_job;

/* Many small tensors share a task. */
static ptrdiff_t pieces_per_task(double work, ptrdiff_t n_pieces)
{
    const double tasks = work / PIECE;
    return tasks < 1 ? n_pieces : (ptrdiff_t)((double)n_pieces / tasks) + 1;
}

static void many_task(void *context, ptrdiff_t task)
{
    const many_job *q = context;
    const ptrdiff_t end = MIN((task + 1) * q->per_task, q->n_pieces);
    for (ptrdiff_t i = task * q->per_task; i < end; i++) {
        const fr_piece *p = &q->pieces[i];
        const fr_tensor *t = &q->tensors[p->tensor];
        const fr_tensor *next = i + 1 < end ? &q->tensors[p[1].tensor] : NULL;
        if (taken(t))
            step_piece(t, p->from, p->n, next && taken(next) ? next : NULL, next ? p[1].from : 0);
    }
}

void fr_step_many(fr_tensor *tensors, const fr_piece *pieces, ptrdiff_t n_pieces, double work,
                  int n_threads)
{
    many_job q = {.tensors = tensors, .pieces = pieces, .n_pieces = n_pieces};
    const int threads = fr_after_fork() ? 1 : fr_threads_for(work, n_threads);
    q.per_task = threads == 1 ? n_pieces : pieces_per_task(work, n_pieces);
    if (n_pieces)
        fr_pool_run(many_task, &q, 0, (n_pieces + q.per_task - 1) / q.per_task, threads);
}

/* a factor of at most 1 keeps finite numbers finite */
static int finite_times(const fr_real_kernels *f, const void *g, ptrdiff_t n, double scale)
{
    return fabs(scale) <= 1.0 ? f->finite(g, n) : f->finite_scaled(g, scale, n);
}

int fr_scaled_finite(const void *x, ptrdiff_t n, int real, double scale)
{
    return finite_times(&fr_active()->real[real], x, n, scale);
}

static void look_task(void *context, ptrdiff_t task)
{
    const many_job *q = context;
    const ptrdiff_t end = MIN((task + 1) * q->per_task, q->n_pieces);
    for (ptrdiff_t i = task * q->per_task; i < end; i++) {
        const fr_piece *p = &q->pieces[i];
        const fr_tensor *t = &q->tensors[p->tensor];
        const fr_real_kernels *f = &fr_active()->real[t->real];
        const char *g = t->x.g;
        q->partial[i] = 0.0;
        if (!taken(t))
            continue;
        g += p->from * (ptrdiff_t)(t->real == FR_FLOAT ? sizeof(float) : sizeof(double));
        q->partial[i] = q->looks ? !finite_times(f, g, p->n, q->scale) : f->squares(g, p->n);
    }
}

static int look(many_job *q, double work, int n_threads)
{
    q->per_task = pieces_per_task(work, q->n_pieces);
    if (q->n_pieces == 0)
        return 0;
    return fr_parallel(look_task, q, (q->n_pieces + q->per_task - 1) / q->per_task,
                       fr_threads_for(work, n_threads));
}

int fr_square_sum(const fr_tensor *tensors, const fr_piece *pieces, ptrdiff_t n_pieces,
                  double *partial, double work, int n_threads, double *sum)
{
    many_job q = {(fr_tensor *)tensors, pieces, n_pieces, 1, partial, 0, 1.0};
    const int status = look(&q, work, n_threads);
    *sum = 0.0;
    for (ptrdiff_t i = 0; i < n_pieces && !status; i++)
        *sum += partial[i];
    return status;
}

int fr_first_not_finite(const fr_tensor *tensors, const fr_piece *pieces, ptrdiff_t n_pieces,
                        double scale, double *partial, double work, int n_threads,
                        ptrdiff_t *where)
{
    many_job q = {(fr_tensor *)tensors, pieces, n_pieces, 1, partial, 1, scale};
    const int status = look(&q, work, n_threads);
    *where = -1;
    for (ptrdiff_t i = 0; i < n_pieces && !status; i++)
        if (partial[i] != 0.0) {
            *where = pieces[i].tensor;
            break;
        }
    return status;
}

/* Optimizer steps: gradient scaling, decay, moments and step in one pass over memory, in place.
 *
 * With g' = scale * g + couple * w (couple is the coupled decay), for every element:
 *   FR_SGD       u = g'
 *   FR_MOMENTUM  b = momentum * b + damp * g',  u = b, or with Nesterov g' + momentum * b
 *   FR_ADAM      m = beta1 * m + (1 - beta1) * g',  v = beta2 * v + (1 - beta2) * g'^2,
 *                u = m / (root * sqrt(v) + eps), with AMSGrad the largest v so far in place of v
 * and w = (1 - drop) * w - lr * u, where drop is the decoupled decay.
 */
#ifndef FASTRIDGE_STEPS_H
#define FASTRIDGE_STEPS_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

enum { FR_SGD, FR_MOMENTUM, FR_ADAM, FR_N_STEPS };
/* bytes of a cache line, of a block of elements, and of the prefetch distance */
enum { FR_LINE = 64, FR_BLOCK = 512, FR_AHEAD = 2048 };

/* Scalars of one step; everything constant over the elements is computed beforehand. */
typedef struct {
    int kind, nesterov, amsgrad, first; /* first: b is not initialised yet */
    double scale, couple, drop, lr;     /* lr: of Adam lr / (1 - beta1^t) */
    double momentum, damp;
    double beta1, beta2, root, eps;     /* root: 1 / sqrt(1 - beta2^t) */
} fr_step;

/* Arrays of one tensor, of its type. NULL: b of plain SGD, v and top (AMSGrad) where unused;
 * factor (multiplies the decay of each element) where it is 1; w or g of a tensor that skips
 * this step. */
typedef struct {
    void *w;
    const void *g;
    void *m, *v, *top; /* m is b for momentum */
    const void *factor;
} fr_buffers;

/* Prefetch the block FR_AHEAD bytes behind element i: of the first `arrays` arrays of x, of
 * which `left` elements from i on are left, then of `next` from element next0 on, unless it is
 * NULL. Hardware prefetchers stop at the ends of pages and arrays. */
static inline void fr_prefetch_ahead(const fr_buffers *x, ptrdiff_t i, ptrdiff_t left,
                                     const fr_buffers *next, ptrdiff_t next0, size_t size,
                                     int arrays)
{
    const ptrdiff_t ahead = (ptrdiff_t)(FR_AHEAD / size);
    if (ahead >= left && !next)
        return;
    const fr_buffers *from = ahead < left ? x : next;
    /* as integers: the addresses may lie outside of the arrays */
    const uintptr_t at = (uintptr_t)(ahead < left ? i + ahead : next0 + ahead - left) * size;
    const uintptr_t array[] = {(uintptr_t)from->w, (uintptr_t)from->g, (uintptr_t)from->m,
                               (uintptr_t)from->v};
    for (uintptr_t k = at; k < at + FR_BLOCK; k += FR_LINE)
        for (int j = 0; j < arrays; j++)
            FR_PREFETCH((const char *)(array[j] + k));
}

/* an inner loop: step elements i0 to i0 + n; those of next from next0 on follow */
typedef void fr_step_loop(const fr_step *s, const fr_buffers *x, ptrdiff_t i0, ptrdiff_t n,
                          const fr_buffers *next, ptrdiff_t next0);

typedef struct {
    fr_buffers x;
    ptrdiff_t n;
    int real;       /* FR_DOUBLE or FR_FLOAT */
    fr_step step;
} fr_tensor;

/* Steps of many tensors. Tasks are cut by sizes alone. Interrupts are not checked: a step that
 * has begun is completed. fr_cut() fills fr_piece_count() pieces. */
typedef struct {
    ptrdiff_t tensor, from, n;
} fr_piece;
ptrdiff_t fr_piece_count(const fr_tensor *tensors, ptrdiff_t count);
void fr_cut(const fr_tensor *tensors, ptrdiff_t count, fr_piece *pieces);
void fr_step_one(fr_tensor *t, int n_threads);
void fr_step_many(fr_tensor *tensors, const fr_piece *pieces, ptrdiff_t n_pieces, double work,
                  int n_threads);

/* work of a step, in elements of memory traffic */
double fr_step_work(const fr_tensor *t);

/* Return the sum of squares of all g, in an order set by sizes alone; partial: room for
 * n_pieces. */
int fr_square_sum(const fr_tensor *tensors, const fr_piece *pieces, ptrdiff_t n_pieces,
                  double *partial, double work, int n_threads, double *sum);
/* where: the first tensor whose scale * g has a NaN or an infinity, or -1 */
int fr_first_not_finite(const fr_tensor *tensors, const fr_piece *pieces, ptrdiff_t n_pieces,
                        double scale, double *partial, double work, int n_threads,
                        ptrdiff_t *where);
/* return whether scale * x, in its type, is finite for all elements */
int fr_scaled_finite(const void *x, ptrdiff_t n, int real, double scale);

/* lazy.c: parameters whose rows are updated only when they are touched. */
typedef struct {
    double ww, wb, bw, bb; /* w, b = ww * w + wb * b, bw * w + bb * b */
} fr_map;

/* A run of n skipped steps of Adam, see lazy.c: rate, root, power and shrunk at its first step,
 * and the middle of root * shrunk. */
typedef struct {
    const double *rate, *root, *power, *shrunk;
    ptrdiff_t n;
    double centre;
} fr_run;
/* terms of the sum of a run */
#define FR_TERMS_float 8
#define FR_TERMS_double 12
/* what a row needs of the run */
typedef struct {
    double centre, terms[FR_TERMS_double];
} fr_run_sums;
/* runs of the first steps after a given one, until the moments no longer move anything; none if
 * there are more */
enum { FR_MOST_RUNS = 2 };
typedef struct {
    int n_runs;
    fr_run_sums run[FR_MOST_RUNS];
} fr_moved;

typedef struct {
    ptrdiff_t n_rows, width;
    int64_t *last;      /* per row: number of steps of the history applied; -1: no gradient yet */
    ptrdiff_t *slot;    /* per row, scratch, all -1 between calls */
    ptrdiff_t count, capacity;
    fr_step *history;   /* `capacity` steps */
    fr_map *products;   /* of aligned runs of 1, 2, 4, ... steps: 2 * capacity of them */
    ptrdiff_t *same;    /* per step: the first of the steps before it with the same effect */
    /* of Adam, per step: the product of the decoupled decays of steps 1 to this one; lr over
     * that; root. And powers from 0 on: of beta1, and of sqrt(beta2), or with AMSGrad of 1. */
    double *kept, *rate, *root, *power, *shrunk;
    double fastest; /* largest rate */
    /* of Adam, per step: the effect of the steps after it; final up to n_moved, from there to
     * n_shared valid until the next step */
    fr_moved *moved;
    ptrdiff_t n_moved, n_shared;
    int adam, each;   /* of Adam; whether the decay of each element has a factor */
    double *powers;   /* of each: prefix sums over steps of powers of what a step takes off */
    double most_taken; /* the most that a step takes off, for factor 1 */
    /* fr_rows_reserve: for n_first distinct rows the place of the first occurrence; after each
     * place the next one of the same row or -1; and the place of the sum of a row with several,
     * or -1 */
    ptrdiff_t *first, *next, *sum_of, n_first;
    double *sums;
} fr_lazy;

/* Gradient rows: row index[i] of w has gradient rows[i * width ...]; repeated indices add up. */
typedef struct {
    const void *index;
    int wide; /* int64 instead of int32 */
    const void *rows;
    ptrdiff_t n;
} fr_row_gradient;

/* number of steps after which all rows are updated; and of those without a closed form */
#define FR_MOST_MISSED (1 << 16)
#define FR_MOST_REPLAYED (1 << 10)

/* return the position of the first index outside 0 .. n_rows - 1, or -1 */
ptrdiff_t fr_check_rows(const fr_row_gradient *g, ptrdiff_t n_rows);
/* make room for one more step; FR_NO_MEMORY, or 0 */
int fr_lazy_reserve(fr_lazy *z);
/* make room for the rows of g in the next step; FR_NO_MEMORY, or 0 */
int fr_rows_reserve(fr_lazy *z, const fr_row_gradient *g);
void fr_rows_release(fr_lazy *z);
void fr_lazy_free(fr_lazy *z);
/* after fr_lazy_reserve and fr_rows_reserve: cannot fail */
void fr_step_rows(fr_lazy *z, fr_tensor *t, const fr_row_gradient *g, int n_threads);
/* Update the rows of index, or with index NULL all. On FR_INTERRUPTED, rows are where `last`
 * says, and another call continues from there. */
int fr_catch_up(fr_lazy *z, fr_tensor *t, const fr_row_gradient *g, int n_threads);

#endif

/* Single columns and rows of a matrix, and its data stored by the other index. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "parallel.h"

double fr_column_dot(const fr_matrix *a, ptrdiff_t j, const double *u)
{
    const ptrdiff_t n = fr_n_rows(a);
    const double shift = shift_of(a, j);
    double s = 0;
    if (a->by_column && a->index < 0) {
        functions(a)->dot_rows(element(a, j, 0), a->ld, 1, n, NULL, &shift, u, &s);
        return s * scale_of(a, j);
    }
    if (a->by_column) {
        for (ptrdiff_t k = pointer(a, j); k < pointer(a, j + 1); k++)
            s += value_at(a, k) * u[index_at(a, k)];
        if (a->shift)
            for (ptrdiff_t i = 0; i < n; i++)
                s -= shift * u[i];
    } else
        for (ptrdiff_t i = 0; i < n; i++)
            s += (entry(a, i, j) - shift) * u[i];
    return s * scale_of(a, j);
}

void fr_column_axpy(const fr_matrix *a, ptrdiff_t j, double t, double *u)
{
    const ptrdiff_t n = fr_n_rows(a);
    const double shift = shift_of(a, j);
    t *= scale_of(a, j);
    if (a->by_column && a->index < 0) {
        functions(a)->axpy_rows(element(a, j, 0), a->ld, 1, n, NULL, &shift, &t, u);
        return;
    }
    if (a->by_column) {
        if (a->shift)
            for (ptrdiff_t i = 0; i < n; i++)
                u[i] -= t * shift;
        for (ptrdiff_t k = pointer(a, j); k < pointer(a, j + 1); k++)
            u[index_at(a, k)] += t * value_at(a, k);
    } else
        for (ptrdiff_t i = 0; i < n; i++)
            u[i] += t * (entry(a, i, j) - shift);
}

typedef struct {
    const fr_matrix *a;
    const int32_t *columns;
    ptrdiff_t size;
    double *out;
} copy_job;

/* Copy a column; from row-major data, of a range of rows. */
static void copy_task(void *context, ptrdiff_t t)
{
    enum { ROWS = 64 };
    const copy_job *q = context;
    const fr_matrix *a = q->a;
    const ptrdiff_t n = fr_n_rows(a);
    if (a->by_column) {
        double *out = q->out + t * n;
        memset(out, 0, (size_t)n * sizeof(double));
        fr_column_axpy(a, q->columns[t], 1.0, out);
        return;
    }
    for (ptrdiff_t k = 0; k < q->size; k++) {
        const ptrdiff_t j = q->columns[k];
        const double shift = shift_of(a, j), scale = scale_of(a, j);
        for (ptrdiff_t i = t * ROWS; i < MIN((t + 1) * ROWS, n); i++)
            q->out[k * n + i] = (entry(a, i, j) - shift) * scale;
    }
}

int fr_copy_columns(const fr_matrix *a, const int32_t *columns, ptrdiff_t size, double *out,
                    int n_threads)
{
    copy_job q = {a, columns, size, out};
    const ptrdiff_t n = fr_n_rows(a);
    return fr_parallel(copy_task, &q, a->by_column ? size : (n + 63) / 64,
                       fr_threads_for((double)n * size, n_threads));
}

typedef struct {
    const fr_matrix *a;
    const int32_t *columns;
    ptrdiff_t size;
    const double *u;
    double sum, *out;
} dot_job;

enum { DOT_BLOCK = 64 /* columns of one task */ };

static void dot_task(void *context, ptrdiff_t t)
{
    const dot_job *q = context;
    const fr_matrix *a = q->a;
    for (ptrdiff_t i = t * DOT_BLOCK; i < MIN((t + 1) * DOT_BLOCK, q->size); i++) {
        const ptrdiff_t j = q->columns[i];
        const double shift = shift_of(a, j);
        if (a->index < 0) {
            functions(a)->dot_rows(element(a, j, 0), a->ld, 1, a->n_minor, NULL, &shift, q->u,
                                   &q->out[i]);
        } else {
            const fr_compressed x = compressed_from(a, j);
            functions(a)->gather[a->index](&x, 0, 1, q->u, &q->out[i]);
            q->out[i] -= shift * q->sum;
        }
        q->out[i] *= scale_of(a, j);
    }
}

int fr_dot_columns(const fr_matrix *a, const int32_t *columns, ptrdiff_t size, const double *u,
                   double *out, int n_threads)
{
    dot_job q = {a, columns, size, u, 0.0, out};
    if (a->index >= 0 && a->shift)
        for (ptrdiff_t i = 0; i < a->n_minor; i++)
            q.sum += u[i];
    const double length =
        a->index < 0 ? (double)a->n_minor : (double)a->nnz / (double)MAX(a->n_major, 1);
    return fr_parallel(dot_task, &q, (size + DOT_BLOCK - 1) / DOT_BLOCK,
                       fr_threads_for(length * (double)size, n_threads));
}

void fr_add_columns(const fr_matrix *a, const int32_t *columns, ptrdiff_t size, const double *t,
                    double *out)
{
    const ptrdiff_t n = a->n_minor;
    double level = 0.0;
    memset(out, 0, (size_t)n * sizeof(double));
    for (ptrdiff_t i = 0; i < size; i++) {
        const ptrdiff_t j = columns[i];
        const double shift = shift_of(a, j), by = t[i] * scale_of(a, j);
        if (by == 0)
            continue;
        if (a->index < 0) {
            functions(a)->axpy_rows(element(a, j, 0), a->ld, 1, n, NULL, &shift, &by, out);
        } else {
            const fr_compressed x = compressed_from(a, j);
            functions(a)->scatter[a->index](&x, 0, 1, &by, out);
            level += by * shift;
        }
    }
    if (level != 0)
        for (ptrdiff_t i = 0; i < n; i++)
            out[i] -= level;
}

double fr_row_dot(const fr_matrix *a, ptrdiff_t i, const double *v)
{
    const ptrdiff_t p = fr_n_columns(a);
    double s = 0;
    if (!a->by_column && a->index < 0 && !a->scale) {
        functions(a)->dot_rows(element(a, i, 0), a->ld, 1, p, a->shift, NULL, v, &s);
        return s;
    }
    if (a->index < 0 || a->by_column) {
        for (ptrdiff_t j = 0; j < p; j++) {
            const double x = at(a, i, j);
            s += (x - shift_of(a, j)) * (scale_of(a, j) * v[j]);
        }
        return s;
    }
    for (ptrdiff_t k = pointer(a, i); k < pointer(a, i + 1); k++) {
        const ptrdiff_t j = index_at(a, k);
        s += value_at(a, k) * scale_of(a, j) * v[j];
    }
    if (a->shift)
        for (ptrdiff_t j = 0; j < p; j++)
            s -= a->shift[j] * (scale_of(a, j) * v[j]);
    return s;
}

void fr_row_axpy(const fr_matrix *a, ptrdiff_t i, double t, double *v)
{
    const ptrdiff_t p = fr_n_columns(a);
    if (!a->by_column && a->index < 0 && !a->scale) {
        functions(a)->axpy_rows(element(a, i, 0), a->ld, 1, p, a->shift, NULL, &t, v);
        return;
    }
    if (a->index < 0 || a->by_column) {
        for (ptrdiff_t j = 0; j < p; j++) {
            const double x = at(a, i, j);
            v[j] += t * scale_of(a, j) * (x - shift_of(a, j));
        }
        return;
    }
    if (a->shift)
        for (ptrdiff_t j = 0; j < p; j++)
            v[j] -= t * scale_of(a, j) * a->shift[j];
    for (ptrdiff_t k = pointer(a, i); k < pointer(a, i + 1); k++) {
        const ptrdiff_t j = index_at(a, k);
        v[j] += t * scale_of(a, j) * value_at(a, k);
    }
}

void fr_rows(const fr_matrix *a, ptrdiff_t i0, ptrdiff_t i1, double *out)
{
    const ptrdiff_t p = fr_n_columns(a);
    for (ptrdiff_t i = i0; i < i1; i++)
        for (ptrdiff_t j = 0; j < p; j++)
            out[(i - i0) * p + j] = (0.0 - shift_of(a, j)) * scale_of(a, j);
    if (a->index < 0) {
        for (ptrdiff_t i = i0; i < i1; i++)
            for (ptrdiff_t j = 0; j < p; j++) {
                const double x = at(a, i, j);
                out[(i - i0) * p + j] = (x - shift_of(a, j)) * scale_of(a, j);
            }
        return;
    }
    const ptrdiff_t first = a->by_column ? 0 : i0, last = a->by_column ? p : i1;
    for (ptrdiff_t m = first; m < last; m++) {
        ptrdiff_t k = pointer(a, m) + (a->by_column ? lower_bound(a, m, i0) : 0);
        for (; k < pointer(a, m + 1); k++) {
            const ptrdiff_t i = a->by_column ? index_at(a, k) : m;
            const ptrdiff_t j = a->by_column ? m : index_at(a, k);
            if (i >= i1)
                break;
            out[(i - i0) * p + j] = (value_at(a, k) - shift_of(a, j)) * scale_of(a, j);
        }
    }
}

#define TRANSPOSE(T, I)                                                                            \
    static int transpose_##T##_##I(const fr_matrix *a, const int32_t *place, I *next, T *data,     \
                                   I *indices, I *indptr)                                          \
    {                                                                                              \
        const T *x = a->data;                                                                      \
        const I *from = a->indices, *begin = a->indptr;                                            \
        for (ptrdiff_t k = 0; k < a->nnz; k++)                                                     \
            next[from[k]]++;                                                                       \
        indptr[0] = 0;                                                                             \
        for (ptrdiff_t j = 0; j < a->n_minor; j++)                                                 \
            indptr[(place ? place[j] : j) + 1] = next[j];                                          \
        for (ptrdiff_t j = 0; j < a->n_minor; j++)                                                 \
            indptr[j + 1] += indptr[j];                                                            \
        for (ptrdiff_t j = 0; j < a->n_minor; j++)                                                 \
            next[j] = indptr[place ? place[j] : j];                                                \
        int status = 0;                                                                            \
        for (ptrdiff_t i = 0; i < a->n_major && !status; i++) {                                    \
            if (i % 1024 == 0)                                                                     \
                status = fr_poll();                                                                \
            for (I k = begin[i]; k < begin[i + 1]; k++) {                                          \
                const I to = next[from[k]]++;                                                      \
                indices[to] = (I)i;                                                                \
                data[to] = x[k];                                                                   \
            }                                                                                      \
        }                                                                                          \
        return status;                                                                             \
    }
TRANSPOSE(double, int32_t)
TRANSPOSE(double, int64_t)
TRANSPOSE(float, int32_t)
TRANSPOSE(float, int64_t)

int fr_transpose(const fr_matrix *a, const int32_t *place, void *data, void *indices, void *indptr)
{
    /* position of the next element of each minor vector, by its number before it is placed */
    void *next = calloc((size_t)MAX(a->n_minor, 1), a->index ? sizeof(int64_t) : sizeof(int32_t));
    if (!next)
        return FR_NO_MEMORY;
    int status;
    if (a->real)
        status = a->index ? transpose_float_int64_t(a, place, next, data, indices, indptr)
                          : transpose_float_int32_t(a, place, next, data, indices, indptr);
    else
        status = a->index ? transpose_double_int64_t(a, place, next, data, indices, indptr)
                          : transpose_double_int32_t(a, place, next, data, indices, indptr);
    free(next);
    return status;
}

static void store(const fr_matrix *a, void *integers, ptrdiff_t k, ptrdiff_t value)
{
    if (a->index)
        ((int64_t *)integers)[k] = (int64_t)value;
    else
        ((int32_t *)integers)[k] = (int32_t)value;
}

/* Write major vector i of X - 1 about' to position `to` on, with every non-zero element stored;
 * return where the next one begins. places: minor indices stored even if 0, or NULL: all. */
static ptrdiff_t fill(const fr_matrix *a, ptrdiff_t i, const double *about, const ptrdiff_t *places,
                      ptrdiff_t n_places, double *data, void *indices, ptrdiff_t to)
{
    const ptrdiff_t end = pointer(a, i + 1);
    ptrdiff_t k = pointer(a, i), l = 0;
    while (k < end || l < n_places) {
        const ptrdiff_t stored = k < end ? index_at(a, k) : PTRDIFF_MAX;
        const ptrdiff_t wanted = l < n_places ? (places ? places[l] : l) : PTRDIFF_MAX;
        const ptrdiff_t minor = MIN(stored, wanted);
        data[to] = (stored == minor ? value_at(a, k) : 0.0) - about[a->by_column ? i : minor];
        store(a, indices, to++, minor);
        k += stored == minor;
        l += wanted == minor;
    }
    return to;
}

int fr_about(const fr_matrix *a, const double *about, double *data, void *indices, void *indptr)
{
    ptrdiff_t *places = NULL, n_places = 0, to = 0;
    if (indices && !a->by_column) {
        if (!(places = malloc((size_t)MAX(a->n_minor, 1) * sizeof(ptrdiff_t))))
            return FR_NO_MEMORY;
        for (ptrdiff_t j = 0; j < a->n_minor; j++)
            if (about[j] != 0)
                places[n_places++] = j;
    }
    int status = 0;
    for (ptrdiff_t i = 0; i < a->n_major && !status; i++) {
        if (i % 1024 == 0)
            status = fr_poll();
        if (!indices) {
            for (ptrdiff_t k = pointer(a, i); k < pointer(a, i + 1); k++)
                data[k] = value_at(a, k) - about[a->by_column ? i : index_at(a, k)];
            continue;
        }
        store(a, indptr, i, to);
        const ptrdiff_t all = a->by_column && about[i] != 0 ? a->n_minor : n_places;
        to = fill(a, i, about, places, all, data, indices, to);
    }
    if (indices)
        store(a, indptr, a->n_major, to);
    free(places);
    return status;
}

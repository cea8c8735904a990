/* Rows before they are learned: prefetched one by one, and looked at window by window, which brings
 * them near. What only prefetches has to be inlined: gcc takes calls of it for calls without an
 * effect, and leaves them out. */
#ifndef FASTRIDGE_WINDOWS_H
#define FASTRIDGE_WINDOWS_H

#include "compiler.h"
#include "sgd.h"
#include "structure.h"

#define LINE 64   /* bytes of a cache line */
#define NEXT 16   /* rows by which their places are prefetched before them */
#define LOOK 4096 /* values between two looks whether all are 1 */

FR_INLINE void fetch(const void *data, ptrdiff_t first, ptrdiff_t size, ptrdiff_t each)
{
    const char *at = (const char *)data + first * each, *end = at + size * each;
    for (at -= (uintptr_t)at % LINE; at < end; at += LINE)
        FR_PREFETCH(at);
}

static inline ptrdiff_t width_of_index(const fr_matrix *a) { return a->index ? 8 : 4; }
static inline ptrdiff_t width_of_value(int real) { return real == FR_FLOAT ? 4 : 8; }

/* Prefetch the elements of the row at a position. */
FR_INLINE void fr_fetch_row(const fr_sgd *s, ptrdiff_t position)
{
    const fr_matrix *a = s->a;
    if (position >= s->last)
        return;
    const ptrdiff_t i = s->order ? s->order[position] : position;
    if (a->index < 0) {
        fetch(a->data, i * a->ld, a->n_minor, width_of_value(a->real));
        return;
    }
    const ptrdiff_t first = pointer(a, i), size = pointer(a, i + 1) - first;
    fetch(a->indices, first, size, width_of_index(a));
    if (a->real != FR_ONES)
        fetch(a->data, first, size, width_of_value(a->real));
}

/* Prefetch a record of the table. */
FR_INLINE void fr_fetch_record(const fr_sgd *s, ptrdiff_t column)
{
    const double *record = s->table + column * s->ld;
    FR_PREFETCH(record);
    FR_PREFETCH(record + 4);
    for (ptrdiff_t e = 8; e < s->ld; e += 8)
        FR_PREFETCH(record + e);
}

/* Prefetch the records of the columns of the row at a position. */
FR_INLINE void fr_fetch_records(const fr_sgd *s, ptrdiff_t position)
{
    const fr_matrix *a = s->a;
    if (position >= s->looked)
        return;
    const ptrdiff_t i = s->order ? s->order[position] : position, last = pointer(a, i + 1);
    for (ptrdiff_t k = pointer(a, i); k < last; k++)
        fr_fetch_record(s, index_at(a, k));
}

/* Prefetch the lines that begin in a range, into the second-level cache. */
FR_INLINE void fetch_later(const void *data, ptrdiff_t first, ptrdiff_t size, ptrdiff_t each)
{
    const char *at = (const char *)data + first * each, *end = at + size * each;
    for (at += (LINE - (uintptr_t)at % LINE) % LINE; at < end; at += LINE)
        FR_PREFETCH_LATER(at);
}

FR_INLINE void fetch_row_later(const fr_sgd *s, ptrdiff_t i)
{
    const fr_matrix *a = s->a;
    if (a->index < 0) {
        fetch_later(a->data, i * a->ld, a->n_minor, width_of_value(a->real));
        return;
    }
    const ptrdiff_t first = pointer(a, i), size = pointer(a, i + 1) - first;
    fetch_later(a->indices, first, size, width_of_index(a));
    if (s->unseen || a->real != FR_ONES)
        fetch_later(a->data, first, size, width_of_value(s->stored));
}

/* While a window is learned, prefetch the next one in storage order, a row for each row. */
FR_INLINE void fr_fetch_window(const fr_sgd *s, ptrdiff_t position)
{
    const fr_matrix *a = s->a;
    position += s->window;
    if (!s->ahead || position >= s->last)
        return;
    if (a->index >= 0) {
        const ptrdiff_t next = s->ahead[MIN(position + NEXT, s->last - 1)];
        FR_PREFETCH((const char *)a->indptr + next * width_of_index(a));
    }
    fetch_row_later(s, s->ahead[position]);
}

/* Prefetch the elements of the row at a position into the second-level cache. */
FR_INLINE void fr_fetch_row_later(const fr_sgd *s, ptrdiff_t position)
{
    if (position < s->last)
        fetch_row_later(s, s->order ? s->order[position] : position);
}

/* Prefetch what the row at a position has beside elements: their place, its target, its weight. */
FR_INLINE void fr_fetch_beside(const fr_sgd *s, ptrdiff_t position)
{
    if (!s->order || position >= s->last)
        return;
    const ptrdiff_t i = s->order[position];
    if (s->a->index >= 0)
        FR_PREFETCH((const char *)s->a->indptr + i * width_of_index(s->a));
    if (s->y)
        FR_PREFETCH(s->y + i * s->k);
    if (s->codes)
        FR_PREFETCH(s->codes + i);
    if (s->weight)
        FR_PREFETCH(s->weight + i);
}

/* The row at a position of the order by memory. */
static inline ptrdiff_t lying(const fr_sgd *s, ptrdiff_t position)
{
    if (s->ahead)
        return s->ahead[position];
    return s->order ? s->order[position] : position;
}

#define ALL_ONES(T)                                                                                \
    static inline int all_ones_##T(const T *x, ptrdiff_t n)                                        \
    {                                                                                              \
        for (ptrdiff_t from = 0; from < n; from += LOOK) {                                         \
            const ptrdiff_t to = MIN(n, from + LOOK);                                              \
            int others = 0;                                                                        \
            for (ptrdiff_t k = from; k < to; k++)                                                  \
                others |= x[k] != 1;                                                               \
            if (others)                                                                            \
                return 0;                                                                          \
        }                                                                                          \
        return 1;                                                                                  \
    }
ALL_ONES(float)
ALL_ONES(double)

/* Look at the rows of a range of positions: 0 where indices do not ascend within the columns, or a
 * value is not finite. Values are taken as ones until one is another. */
static inline int fr_look_at_rows(fr_sgd *s, ptrdiff_t begin, ptrdiff_t end)
{
    fr_matrix *a = s->a;
    for (ptrdiff_t p = begin; p < end;) {
        const ptrdiff_t first = lying(s, p++);
        ptrdiff_t last = first + 1, where;
        for (; p < end && lying(s, p) == last; p++)
            last++;
        if (check_majors(a, first, last, &where))
            return 0;
        const ptrdiff_t from = pointer(a, first), n = pointer(a, last) - from;
        const void *x = (const char *)a->data + from * width_of_value(s->stored);
        if (a->real == FR_ONES && !(s->stored == FR_FLOAT ? all_ones_float(x, n) : all_ones_double(x, n)))
            a->real = s->stored;
        if (a->real != FR_ONES && !fr_active()->real[a->real].finite(x, n))
            return 0;
    }
    return 1;
}

#undef LINE
#undef LOOK
#undef NEXT

#endif

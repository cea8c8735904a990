/* Check that the indices of compressed major vectors ascend and fit the shape. */
#ifndef FASTRIDGE_STRUCTURE_H
#define FASTRIDGE_STRUCTURE_H

#include <stddef.h>
#include <stdint.h>

#include "access.h"
#include "matrix.h"

/* Return whether an index is out of range, and how many are not above the one before. */
#define COUNT_DESCENTS(T, U)                                                                       \
    static inline int count_descents_##T(const T *index, ptrdiff_t n, ptrdiff_t n_minor, ptrdiff_t *count) \
    {                                                                                              \
        /* no index of this width is above */                                                      \
        const uint64_t all_of = (uint64_t)1 << (8 * sizeof(T) - 1);                                \
        const U most = (U)MIN((uint64_t)n_minor, all_of);                                          \
        ptrdiff_t all = 0;                                                                         \
        int out = n > 0 && (U)index[0] >= most;                                                    \
        for (ptrdiff_t from = 1; from < n; from += 4096) {                                         \
            const ptrdiff_t to = MIN(n, from + 4096);                                              \
            U descents = 0, beyond = 0;                                                            \
            for (ptrdiff_t k = from; k < to; k++) {                                                \
                descents += index[k] <= index[k - 1];                                              \
                beyond |= (U)index[k] >= most;                                                     \
            }                                                                                      \
            all += (ptrdiff_t)descents;                                                            \
            out |= beyond != 0;                                                                    \
        }                                                                                          \
        *count = all;                                                                              \
        return out;                                                                                \
    }
COUNT_DESCENTS(int32_t, uint32_t)
COUNT_DESCENTS(int64_t, uint64_t)

/* 0: indices ascend in major vectors i0 .. i1; 1: not; 5: one is out of range, at *where. */
static inline int check_majors(const fr_matrix *a, ptrdiff_t i0, ptrdiff_t i1, ptrdiff_t *where)
{
    const ptrdiff_t first = pointer(a, i0), n = pointer(a, i1) - first;
    ptrdiff_t descents, between = 0;
    const int out = a->index == 0
                        ? count_descents_int32_t((const int32_t *)a->indices + first, n, a->n_minor,
                                                 &descents)
                        : count_descents_int64_t((const int64_t *)a->indices + first, n, a->n_minor,
                                                 &descents);
    if (out) {
        *where = first;
        while (index_at(a, *where) >= 0 && index_at(a, *where) < a->n_minor)
            ++*where;
        return 5;
    }
    /* a major vector may begin before the end of the one before */
    for (ptrdiff_t i = i0; i < i1; i++) {
        const ptrdiff_t k = pointer(a, i);
        between += k > first && k < pointer(a, i + 1) && index_at(a, k) <= index_at(a, k - 1);
    }
    return descents != between;
}

#endif

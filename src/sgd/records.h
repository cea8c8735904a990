/* Records of columns, read field by field and written back: of one output, in tables by record. */
#ifndef FASTRIDGE_RECORDS_H
#define FASTRIDGE_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include "row_loops.h"
#include "vec.h"

#ifndef FR_PLAIN
/* four fields at once, whatever the width of a register is */
typedef double quad __attribute__((vector_size(32)));
typedef double quad_u __attribute__((vector_size(32), aligned(8), may_alias));
#if defined(__clang__)
#define QUAD_PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int64_t quad_mask __attribute__((vector_size(32)));
#define QUAD_PICK(a, b, ...) __builtin_shuffle(a, b, (quad_mask){__VA_ARGS__})
#endif

/* Lane l of q[i] becomes lane i of q[l]. */
FR_INLINE void quad_transpose(quad *q)
{
    const quad a = QUAD_PICK(q[0], q[1], 0, 4, 2, 6), b = QUAD_PICK(q[0], q[1], 1, 5, 3, 7);
    const quad c = QUAD_PICK(q[2], q[3], 0, 4, 2, 6), d = QUAD_PICK(q[2], q[3], 1, 5, 3, 7);
    q[0] = QUAD_PICK(a, c, 0, 1, 4, 5);
    q[1] = QUAD_PICK(b, d, 0, 1, 4, 5);
    q[2] = QUAD_PICK(a, c, 2, 3, 6, 7);
    q[3] = QUAD_PICK(b, d, 2, 3, 6, 7);
}
#endif

/* The records (1/s, clock, v, r, reach) of columns at[0] to at[n - 1]; zeros up to whole blocks. */
FR_INLINE void fr_read_records(ptrdiff_t n, ptrdiff_t blocks, const int64_t *at,
                               const double *table, ptrdiff_t ld, const fr_columns *c)
{
    ptrdiff_t k = 0;
#ifndef FR_PLAIN
    for (; k + 4 <= n; k += 4) {
        quad q[4];
        for (int l = 0; l < 4; l++) {
            const double *record = table + at[k + l] * ld;
            q[l] = (quad) * (const quad_u *)record;
            c->reach[k + l] = record[4];
        }
        quad_transpose(q);
        *(quad_u *)(c->inverse + k) = (quad_u)q[0];
        *(quad_u *)(c->clock + k) = (quad_u)q[1];
        *(quad_u *)(c->v + k) = (quad_u)q[2];
        *(quad_u *)(c->r + k) = (quad_u)q[3];
    }
#endif
    for (; k < n; k++) {
        const double *record = table + at[k] * ld;
        c->inverse[k] = record[0];
        c->clock[k] = record[1];
        c->v[k] = record[2];
        c->r[k] = record[3];
        c->reach[k] = record[4];
    }
    for (; k < 8 * blocks; k++)
        c->inverse[k] = c->clock[k] = c->v[k] = c->r[k] = c->reach[k] = 0.0;
}

FR_INLINE void fr_write_records(ptrdiff_t n, const int64_t *at, double *table, ptrdiff_t ld,
                                const fr_columns *c)
{
    ptrdiff_t k = 0;
#ifndef FR_PLAIN
    for (; k + 4 <= n; k += 4) {
        quad q[4] = {(quad) * (const quad_u *)(c->inverse + k),
                     (quad) * (const quad_u *)(c->clock + k), (quad) * (const quad_u *)(c->v + k),
                     (quad) * (const quad_u *)(c->r + k)};
        quad_transpose(q);
        for (int l = 0; l < 4; l++) {
            double *record = table + at[k + l] * ld;
            *(quad_u *)record = (quad_u)q[l];
            record[4] = c->reach[k + l];
        }
    }
#endif
    for (; k < n; k++) {
        double *record = table + at[k] * ld;
        record[0] = c->inverse[k];
        record[1] = c->clock[k];
        record[2] = c->v[k];
        record[3] = c->r[k];
        record[4] = c->reach[k];
    }
}

#endif

/* Rows of compressed X with values S and indices I, and FR_LANES numbers of type T per column. */

#define RNAME(f) FR_CAT3(FR_CAT(f, T), S, IX)

/* A row stays in the first-level cache between both products. */
static void RNAME(fold_rows)(const fr_fold_lanes *m, const fr_matrix *x, ptrdiff_t i0, ptrdiff_t i1,
                             int only_q, double *sums)
{
    const S *FR_RESTRICT data = x->data;
    const I *FR_RESTRICT indices = x->indices, *FR_RESTRICT indptr = x->indptr;
    const T *P = m->P;
    T *out = m->out;
    V mean[REGISTERS], total[REGISTERS];
    T lanes[FR_LANES];
    (void)data;
    for (int l = 0; l < FR_LANES; l++)
        lanes[l] = (T)m->mean[l];
    for (int r = 0; r < REGISTERS; r++) {
        mean[r] = GET(lanes + r * VL);
        total[r] = ALL(0.0);
    }
    for (ptrdiff_t i = i0; i < i1; i++) {
        const ptrdiff_t begin = (ptrdiff_t)indptr[i], end = (ptrdiff_t)indptr[i + 1];
        ptrdiff_t k = begin;
        V s[REGISTERS], t[REGISTERS];
        for (int r = 0; r < REGISTERS; r++)
            s[r] = t[r] = ALL(0.0);
        for (; k + 2 <= end; k += 2) {
            const T *first = P + (ptrdiff_t)indices[k] * FR_LANES;
            const T *second = P + (ptrdiff_t)indices[k + 1] * FR_LANES;
            const V a = ALL(VALUE(k)), b = ALL(VALUE(k + 1));
            for (int r = 0; r < REGISTERS; r++) {
                s[r] += a * GET(first + r * VL);
                t[r] += b * GET(second + r * VL);
            }
        }
        if (k < end) {
            const T *first = P + (ptrdiff_t)indices[k] * FR_LANES;
            const V a = ALL(VALUE(k));
            for (int r = 0; r < REGISTERS; r++)
                s[r] += a * GET(first + r * VL);
        }
        const T *curve = (const T *)m->curve + i * FR_LANES;
        T *q = (T *)m->q + i * FR_LANES;
        for (int r = 0; r < REGISTERS; r++) {
            const V e = s[r] + t[r] - mean[r];
            s[r] = GET(curve + r * VL) * e;
            total[r] += s[r] * e;
            PUT(q + r * VL, s[r]);
        }
        if (only_q)
            continue;
        for (k = begin; k < end; k++) {
            T *to = out + (ptrdiff_t)indices[k] * FR_LANES;
            const V a = ALL(VALUE(k));
            for (int r = 0; r < REGISTERS; r++)
                PUT(to + r * VL, GET(to + r * VL) + a * s[r]);
        }
    }
    for (int r = 0; r < REGISTERS; r++)
        PUT(lanes + r * VL, total[r]);
    for (int l = 0; l < FR_LANES; l++)
        sums[l] += lanes[l];
}

static void RNAME(fold_scatter)(const fr_fold_lanes *m, const fr_matrix *x, const int32_t *lo,
                                const int32_t *hi, ptrdiff_t i0, ptrdiff_t i1)
{
    const S *FR_RESTRICT data = x->data;
    const I *FR_RESTRICT indices = x->indices, *FR_RESTRICT indptr = x->indptr;
    T *out = m->out;
    (void)data;
    for (ptrdiff_t i = i0; i < i1; i++) {
        const ptrdiff_t begin = (ptrdiff_t)indptr[i] + (lo ? lo[i] : 0);
        const ptrdiff_t end = hi ? (ptrdiff_t)indptr[i] + hi[i] : (ptrdiff_t)indptr[i + 1];
        const T *q = (const T *)m->q + i * FR_LANES;
        V s[REGISTERS];
        for (int r = 0; r < REGISTERS; r++)
            s[r] = GET(q + r * VL);
        for (ptrdiff_t k = begin; k < end; k++) {
            T *to = out + (ptrdiff_t)indices[k] * FR_LANES;
            const V a = ALL(VALUE(k));
            for (int r = 0; r < REGISTERS; r++)
                PUT(to + r * VL, GET(to + r * VL) + a * s[r]);
        }
    }
}

#undef RNAME

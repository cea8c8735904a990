/* Rows of compressed X with values S and indices I; blocks of up to four groups of lanes, which stay
 * in registers. */

#define RNAME(f) FR_CAT3(FR_CAT(f, T), S, IX)

#define BLOCK (4 * FR_LANES)

/* t = x_i v for `groups` groups of lanes */
FR_INLINE void RNAME(gather_block)(const S *data, const I *indices, ptrdiff_t k, ptrdiff_t end,
                                   const T *v, ptrdiff_t n, T *t, const int groups)
{
    enum { MOST = BLOCK / VL };
    const int registers = groups * FR_LANES / VL;
    V s[MOST];
    for (int r = 0; r < registers; r++)
        s[r] = ALL(0.0);
    (void)data;
    for (; k < end; k++) {
        const V x = ALL(VALUE(k));
        const T *from = v + (ptrdiff_t)indices[k] * n;
        for (int r = 0; r < registers; r++)
            s[r] += x * GET(from + r * VL);
    }
    for (int r = 0; r < registers; r++)
        PUT(t + r * VL, s[r]);
}

/* out += x_i' t */
FR_INLINE void RNAME(scatter_block)(const S *data, const I *indices, ptrdiff_t k, ptrdiff_t end,
                                    const T *t, ptrdiff_t n, T *out, const int groups)
{
    enum { MOST = BLOCK / VL };
    const int registers = groups * FR_LANES / VL;
    V s[MOST];
    for (int r = 0; r < registers; r++)
        s[r] = GET(t + r * VL);
    (void)data;
    for (; k < end; k++) {
        const V x = ALL(VALUE(k));
        T *to = out + (ptrdiff_t)indices[k] * n;
        for (int r = 0; r < registers; r++)
            PUT(to + r * VL, GET(to + r * VL) + x * s[r]);
    }
}

#define EACH_BLOCK(f, from, to)                                                                    \
    for (ptrdiff_t l = 0; l < n; l += BLOCK)                                                       \
        switch (n - l >= BLOCK ? 4 : (n - l) / FR_LANES) {                                         \
        case 1:                                                                                    \
            f(data, indices, k, end, (from) + l, n, (to) + l, 1);                                  \
            break;                                                                                 \
        case 2:                                                                                    \
            f(data, indices, k, end, (from) + l, n, (to) + l, 2);                                  \
            break;                                                                                 \
        case 3:                                                                                    \
            f(data, indices, k, end, (from) + l, n, (to) + l, 3);                                  \
            break;                                                                                 \
        default:                                                                                   \
            f(data, indices, k, end, (from) + l, n, (to) + l, 4);                                  \
        }

static double RNAME(rows)(const fr_lane_model *m, const fr_matrix *x, ptrdiff_t i0, ptrdiff_t i1,
                          int only_q, double *total)
{
    const S *data = x->data;
    const I *indices = x->indices, *indptr = x->indptr;
    const ptrdiff_t n = m->lanes;
    T t[FR_MOST_CLASSES], constant[FR_MOST_CLASSES];
    double curve = 0.0;
    for (ptrdiff_t l = 0; l < n; l++)
        constant[l] = (T)m->constant[l];
    for (ptrdiff_t i = i0; i < i1; i++) {
        const ptrdiff_t k = (ptrdiff_t)indptr[i], end = (ptrdiff_t)indptr[i + 1];
        const T *prob = (const T *)m->prob + i * n, *v = m->v;
        T *q = (T *)m->q + i * n, *out = m->out;
        EACH_BLOCK(RNAME(gather_block), v, t)
        V sum = ALL(0.0), dot = ALL(0.0);
        for (ptrdiff_t l = 0; l < n; l += VL) {
            const V e = GET(t + l) + GET(constant + l);
            PUT(t + l, e);
            sum += GET(prob + l) * e;
        }
        T parts[VL];
        PUT(parts, sum);
        double mean = 0.0;
        for (int l = 0; l < VL; l++)
            mean += parts[l];
        const V about = ALL(mean), w = ALL(m->w[i]);
        for (ptrdiff_t l = 0; l < n; l += VL) {
            const V e = GET(t + l), c = w * GET(prob + l) * (e - about);
            PUT(q + l, c);
            dot += c * e;
        }
        PUT(parts, dot);
        for (int l = 0; l < VL; l++)
            curve += parts[l];
        for (ptrdiff_t l = 0; l < n; l++)
            total[l] += q[l];
        if (!only_q)
            EACH_BLOCK(RNAME(scatter_block), q, out)
    }
    return curve;
}

static void RNAME(scatter)(const fr_lane_model *m, const fr_matrix *x, const int32_t *lo,
                           const int32_t *hi, ptrdiff_t i0, ptrdiff_t i1)
{
    const S *data = x->data;
    const I *indices = x->indices, *indptr = x->indptr;
    const ptrdiff_t n = m->lanes;
    for (ptrdiff_t i = i0; i < i1; i++) {
        const ptrdiff_t k = (ptrdiff_t)indptr[i] + (lo ? lo[i] : 0);
        const ptrdiff_t end = hi ? (ptrdiff_t)indptr[i] + hi[i] : (ptrdiff_t)indptr[i + 1];
        const T *q = (const T *)m->q + i * n;
        T *out = m->out;
        EACH_BLOCK(RNAME(scatter_block), q, out)
    }
}

#undef EACH_BLOCK
#undef BLOCK
#undef RNAME

/* Inner loops of optimizer steps over elements of type T: Adam, sums over gradients, skipped
 * steps.
 *
 * The equations are in steps.h. Every a * b + c is one MADD, so that an element gets the same
 * bits wherever it lies in a vector. Gradient descent is in sgd_loops.pyx.
 */

#define NAME(f) FR_CAT(f, T)
#define LOAD(p) FR_CAT(LOAD, T)(p)
#define MADD(a, b, c) FR_CAT(madd, T)(a, b, c)
#define ROOT(x) FR_CAT(root, T)(x)

/* Scalars of a step of Adam, in the type of the elements. */
typedef struct {
    T scale, couple, drop, keep, lr, beta1, rest1, beta2, rest2, root, eps;
} NAME(adam_numbers);

static NAME(adam_numbers) NAME(adam_numbers_of)(const fr_step *s)
{
    const NAME(adam_numbers) a = {
        .scale = (T)s->scale, .couple = (T)s->couple, .drop = (T)s->drop, .keep = (T)(1.0 - s->drop),
        .lr = (T)s->lr, .beta1 = (T)s->beta1, .rest1 = (T)(1.0 - s->beta1), .beta2 = (T)s->beta2,
        .rest2 = (T)(1.0 - s->beta2), .root = (T)s->root, .eps = (T)s->eps};
    return a;
}

#ifdef ADAM_WIDE
/* Step the first n elements from each address, WIDE_LANES at most. Factor and top may be NULL. */
FR_INLINE void NAME(adam_lanes)(const NAME(adam_numbers) *a, T *w, const T *g, T *m, T *v, T *top,
                                const T *factor, ptrdiff_t n, const int coupled)
{
    const wide p = wide_load(w, n), one = wide_set(1);
    wide d = wide_mul(wide_set(a->scale), wide_load(g, n)), kept = p;
    if (coupled) {
        const wide c = wide_set(a->couple);
        d = wide_madd(factor ? wide_mul(c, wide_load(factor, n)) : c, p, d);
    } else {
        const wide keep = factor ? wide_madd(wide_set(-a->drop), wide_load(factor, n), one)
                                 : wide_set(a->keep);
        kept = wide_mul(keep, p);
    }
    const wide b = wide_madd(wide_set(a->beta1), wide_load(m, n), wide_mul(wide_set(a->rest1), d));
    const wide q = wide_madd(wide_set(a->beta2), wide_load(v, n),
                             wide_mul(wide_mul(wide_set(a->rest2), d), d));
    wide t = q;
    wide_store(m, b, n);
    wide_store(v, q, n);
    if (top) {
        t = wide_max(q, wide_load(top, n));
        wide_store(top, t, n);
    }
    t = wide_madd(wide_root(t), wide_set(a->root), wide_set(a->eps));
    wide_store(w, wide_madd(wide_set(-a->lr), wide_div(b, t), kept), n);
}

/* Step cache line by cache line, prefetching the lines FR_AHEAD bytes behind, of x and at its
 * end of next: prefetching a whole block at once would stall the divider. */
FR_INLINE void NAME(adam)(const fr_step *s, const fr_buffers *x, ptrdiff_t i0, ptrdiff_t n,
                          const fr_buffers *next, ptrdiff_t next0, const int coupled,
                          const int each, const int amsgrad)
{
    T *w = (T *)x->w + i0, *m = (T *)x->m + i0, *v = (T *)x->v + i0;
    T *top = amsgrad ? (T *)x->top + i0 : NULL;
    const T *g = (const T *)x->g + i0, *factor = each ? (const T *)x->factor + i0 : NULL;
    const NAME(adam_numbers) a = NAME(adam_numbers_of)(s);
    const ptrdiff_t ahead = FR_AHEAD / (ptrdiff_t)sizeof(T);
    const ptrdiff_t inner = n > ahead ? (n - ahead) / WIDE_LANES * WIDE_LANES : 0;
    ptrdiff_t i = 0;
    for (int last = 0; last < 2; last++) {
        const ptrdiff_t end = last ? n : inner;
        const fr_buffers *from = last && next ? next : x;
        /* where nothing follows, prefetch lines that are cached already */
        const ptrdiff_t shift = !last ? i0 + ahead : next ? next0 - i : i0;
        /* as integers: the addresses may lie outside of the arrays */
        const uintptr_t at = (uintptr_t)shift * sizeof(T);
        const uintptr_t w_at = (uintptr_t)from->w + at, g_at = (uintptr_t)from->g + at;
        const uintptr_t m_at = (uintptr_t)from->m + at, v_at = (uintptr_t)from->v + at;
        for (; i + WIDE_LANES <= end; i += WIDE_LANES) {
            const uintptr_t k = (uintptr_t)i * sizeof(T);
            FR_PREFETCH((const char *)(w_at + k));
            FR_PREFETCH((const char *)(g_at + k));
            FR_PREFETCH((const char *)(m_at + k));
            FR_PREFETCH((const char *)(v_at + k));
            NAME(adam_lanes)(&a, w + i, g + i, m + i, v + i, amsgrad ? top + i : NULL,
                             each ? factor + i : NULL, WIDE_LANES, coupled);
        }
    }
    if (i < n)
        NAME(adam_lanes)(&a, w + i, g + i, m + i, v + i, amsgrad ? top + i : NULL,
                         each ? factor + i : NULL, n - i, coupled);
}
#else
FR_INLINE void NAME(adam)(const fr_step *s, const fr_buffers *x, ptrdiff_t i0, ptrdiff_t n,
                          const fr_buffers *next, ptrdiff_t next0, const int coupled,
                          const int each, const int amsgrad)
{
    T *FR_RESTRICT w = (T *)x->w + i0;
    T *FR_RESTRICT m = (T *)x->m + i0;
    T *FR_RESTRICT v = (T *)x->v + i0;
    T *FR_RESTRICT top = amsgrad ? (T *)x->top + i0 : NULL;
    const T *FR_RESTRICT g = (const T *)x->g + i0;
    const T *FR_RESTRICT factor = each ? (const T *)x->factor + i0 : NULL;
    const NAME(adam_numbers) a = NAME(adam_numbers_of)(s);
    const ptrdiff_t block = FR_BLOCK / (ptrdiff_t)sizeof(T);
    for (ptrdiff_t from = 0; from < n; from += block) {
        const ptrdiff_t end = n - from < block ? n : from + block;
        fr_prefetch_ahead(x, i0 + from, n - from, next, next0, sizeof(T), 4);
        FR_INDEPENDENT
        for (ptrdiff_t i = from; i < end; i++) {
            T d = a.scale * g[i], kept = w[i];
            if (coupled)
                d = MADD(each ? a.couple * factor[i] : a.couple, w[i], d);
            else
                kept = (each ? MADD(-a.drop, factor[i], 1) : a.keep) * w[i];
            const T b = MADD(a.beta1, m[i], a.rest1 * d);
            const T q = MADD(a.beta2, v[i], a.rest2 * d * d);
            T t = q;
            m[i] = b;
            v[i] = q;
            if (amsgrad) {
                /* propagate NaN from either side */
                t = top[i] >= q || top[i] != top[i] ? top[i] : q;
                top[i] = t;
            }
            w[i] = MADD(-a.lr, b / MADD(ROOT(t), a.root, a.eps), kept);
        }
    }
}
#endif

/* one loop for each kind of decay: no tests inside */
FR_INLINE void NAME(adam_by_decay)(const fr_step *s, const fr_buffers *x, ptrdiff_t i0, ptrdiff_t n,
                                   const fr_buffers *next, ptrdiff_t next0, const int amsgrad)
{
    const int coupled = s->couple != 0.0, each = x->factor && (coupled || s->drop != 0.0);
    if (coupled && each)
        NAME(adam)(s, x, i0, n, next, next0, 1, 1, amsgrad);
    else if (coupled)
        NAME(adam)(s, x, i0, n, next, next0, 1, 0, amsgrad);
    else if (each)
        NAME(adam)(s, x, i0, n, next, next0, 0, 1, amsgrad);
    else
        NAME(adam)(s, x, i0, n, next, next0, 0, 0, amsgrad);
}

static void NAME(adam_step)(const fr_step *s, const fr_buffers *x, ptrdiff_t i0, ptrdiff_t n,
                            const fr_buffers *next, ptrdiff_t next0)
{
    if (s->amsgrad)
        NAME(adam_by_decay)(s, x, i0, n, next, next0, 1);
    else
        NAME(adam_by_decay)(s, x, i0, n, next, next0, 0);
}

static double NAME(squares)(const void *x_, ptrdiff_t n)
{
    const T *x = x_;
    vec s0 = SPLAT(0.0), s1 = s0, s2 = s0, s3 = s0;
    ptrdiff_t i = 0;
    for (; i + 4 * VL <= n; i += 4 * VL) {
        const vec a = LOAD(x + i), b = LOAD(x + i + VL);
        const vec c = LOAD(x + i + 2 * VL), d = LOAD(x + i + 3 * VL);
        s0 += a * a;
        s1 += b * b;
        s2 += c * c;
        s3 += d * d;
    }
    double s = vec_sum((s0 + s1) + (s2 + s3));
    for (; i < n; i++)
        s += (double)x[i] * (double)x[i];
    return s;
}

/* Return whether scale * x, rounded to T, is finite for all elements. */
static int NAME(finite_scaled)(const void *x_, double scale, ptrdiff_t n)
{
    const T *x = x_;
    const double factor = (double)(T)scale;
    /* compare as doubles: floats that would round to infinity are not finite */
    const double unit = sizeof(T) == sizeof(float) ? 0x1p896 * (1.0 + 0x1p-25) : 1.0;
    const vec f = SPLAT(factor), u = SPLAT(unit);
    vec s0 = SPLAT(0.0), s1 = s0;
    ptrdiff_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) {
        const vec a = LOAD(x + i) * f * u, b = LOAD(x + i + VL) * f * u;
        s0 += a - a;
        s1 += b - b;
    }
    double s = vec_sum(s0 + s1);
    for (; i < n; i++) {
        const double a = (double)x[i] * factor * unit;
        s += a - a;
    }
    return s == 0.0;
}

/* w, b = ww * w + wb * b, bw * w + bb * b */
static void NAME(linear)(const fr_map *a, void *w_, void *b_, ptrdiff_t n)
{
    T *FR_RESTRICT w = w_;
    T *FR_RESTRICT b = b_;
    const T ww = (T)a->ww, wb = (T)a->wb, bw = (T)a->bw, bb = (T)a->bb;
    if (!b) {
        for (ptrdiff_t i = 0; i < n; i++)
            w[i] *= ww;
        return;
    }
    FR_INDEPENDENT
    for (ptrdiff_t i = 0; i < n; i++) {
        const T p = w[i], q = b[i];
        w[i] = MADD(ww, p, wb * q);
        b[i] = MADD(bw, p, bb * q);
    }
}

/* terms[p] = sum_j c_j * (beta_j - centre)^p over a run: see lazy.c */
static void NAME(adam_sums)(const fr_run *a, double *terms)
{
    enum { TERMS = FR_CAT(FR_TERMS, T) };
    vec sums[TERMS];
    double last[TERMS] = {0.0};
    ptrdiff_t j = 0;
    for (int p = 0; p < TERMS; p++)
        sums[p] = SPLAT(0.0);
    for (; j + VL <= a->n; j += VL) {
        vec c = LOAD_double(a->rate + j) * LOAD_double(a->power + j);
        const vec d = LOAD_double(a->root + j) * LOAD_double(a->shrunk + j) - SPLAT(a->centre);
        for (int p = 0; p < TERMS; p++) {
            sums[p] += c;
            c *= d;
        }
    }
    for (; j < a->n; j++) {
        const double d = a->root[j] * a->shrunk[j] - a->centre;
        double c = a->rate[j] * a->power[j];
        for (int p = 0; p < TERMS; p++) {
            last[p] += c;
            c *= d;
        }
    }
    for (int p = 0; p < TERMS; p++)
        terms[p] = vec_sum(sums[p]) + last[p];
}

/* w -= m * kept * sum_j c_j / (beta_j * r + eps) for r = sqrt(v) over a run: see lazy.c */
static void NAME(adam_run)(const fr_run_sums *a, double eps_, double kept, void *w_, const void *m_,
                           const void *v_, ptrdiff_t n)
{
    enum { TERMS = FR_CAT(FR_TERMS, T) };
    T *FR_RESTRICT w = w_;
    const T *FR_RESTRICT m = m_;
    const T *FR_RESTRICT v = v_;
    const T centre = (T)a->centre, eps = (T)eps_;
    T mu[TERMS];
    for (int p = 0; p < TERMS; p++)
        mu[p] = (T)(kept * a->terms[p]);
    FR_INDEPENDENT
    for (ptrdiff_t i = 0; i < n; i++) {
        const T r = ROOT(v[i]), z = 1 / MADD(centre, r, eps), y = r * z;
        T sum = mu[TERMS - 1];
        for (int p = TERMS - 2; p >= 0; p--)
            sum = MADD(-y, sum, mu[p]);
        w[i] = MADD(-(m[i] * z), sum, w[i]);
    }
}

#undef NAME
#undef LOAD
#undef MADD
#undef ROOT

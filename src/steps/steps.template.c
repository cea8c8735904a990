/* Inner loops of optimizer steps over elements of type T; the equations are in steps.h.
 *
 * Every a * b + c is one MADD, so that an element has the same bits wherever it lies in a vector.
 */

#define NAME(f) FR_CAT(f, T)
#define LOAD(p) FR_CAT(LOAD, T)(p)
#ifdef FR_FUSED
#define MADD(a, b, c) FR_CAT(FUSED, T)(a, b, c)
#else
#define MADD(a, b, c) ((a) * (b) + (c))
#endif
#define ROOT(x) FR_CAT(ROOT, T)(x)

#define ARRAYS                                                                                     \
    T *FR_RESTRICT w = (T *)x->w + i0;                                                             \
    const T *FR_RESTRICT g = (const T *)x->g + i0;                                                 \
    const T *FR_RESTRICT factor = each ? (const T *)x->factor + i0 : NULL;                         \
    const T scale = (T)s->scale, couple = (T)s->couple, drop = (T)s->drop, lr = (T)s->lr;          \
    const T keep = (T)(1.0 - s->drop), one = 1
/* d: the gradient with scale and coupled decay; kept: w after the decoupled decay */
#define GRADIENT(i)                                                                                \
    (coupled ? MADD(each ? couple * factor[i] : couple, w[i], scale * g[i]) : scale * g[i])
#define KEPT(i) (coupled ? w[i] : (each ? MADD(-drop, factor[i], one) : keep) * w[i])

/* One cache line of w after the other, while the lines of the first COUNT arrays some way ahead are
 * asked for: the processor's own prefetchers stop at the ends of pages and arrays. At the end of
 * this piece those of the next one are; where there is none, lines that are here already. */
#define PER_LINE ((ptrdiff_t)(FR_LINE / sizeof(T)))
#define ASK(p, at) FR_PREFETCH((const char *)((p) + (uintptr_t)(at) * sizeof(T)))
#define BY_LINES(COUNT, LINE)                                                                      \
    const ptrdiff_t ahead = FR_LINES_AHEAD * PER_LINE;                                             \
    ptrdiff_t i = 0;                                                                               \
    for (int last = 0; last < 2; last++) {                                                         \
        const ptrdiff_t end = last ? n : n - ahead;                                                \
        const fr_buffers *from = last && next ? next : x;                                          \
        const ptrdiff_t at = last ? (next ? next0 - i : i0) : i0 + ahead;                          \
        /* as integers: they may lie outside of the arrays */                                      \
        const uintptr_t w_ = (uintptr_t)from->w, g_ = (uintptr_t)from->g;                          \
        const uintptr_t m_ = (uintptr_t)from->m, v_ = (uintptr_t)from->v;                          \
        for (; i + PER_LINE <= end; i += PER_LINE) {                                               \
            ASK(w_, at + i);                                                                       \
            ASK(g_, at + i);                                                                       \
            if (COUNT > 2)                                                                         \
                ASK(m_, at + i);                                                                   \
            if (COUNT > 3)                                                                         \
                ASK(v_, at + i);                                                                   \
            LINE(i);                                                                               \
        }                                                                                          \
    }
#define EACH_OF_LINE(i)                                                                            \
    FR_INDEPENDENT                                                                                 \
    for (ptrdiff_t j = i; j < i + PER_LINE; j++)                                                   \
        ONE(j)
#define REST                                                                                       \
    for (; i < n; i++)                                                                             \
        ONE(i)

FR_INLINE void NAME(sgd)(const fr_step *s, const fr_buffers *x, ptrdiff_t i0, ptrdiff_t n,
                          const fr_buffers *next, ptrdiff_t next0,
                         const int coupled, const int each)
{
    ARRAYS;
#define ONE(i) w[i] = MADD(-lr, GRADIENT(i), KEPT(i))
    BY_LINES(2, EACH_OF_LINE);
    REST;
#undef ONE
}

FR_INLINE void NAME(momentum)(const fr_step *s, const fr_buffers *x, ptrdiff_t i0, ptrdiff_t n,
                          const fr_buffers *next, ptrdiff_t next0,
                              const int coupled, const int each, const int nesterov)
{
    ARRAYS;
    T *FR_RESTRICT b = (T *)x->m + i0;
    const T momentum = (T)s->momentum, damp = (T)s->damp;
#define ONE(i)                                                                                     \
    do {                                                                                           \
        const T d = GRADIENT(i), c = MADD(momentum, b[i], damp * d);                               \
        b[i] = c;                                                                                  \
        w[i] = MADD(-lr, nesterov ? MADD(momentum, c, d) : c, KEPT(i));                            \
    } while (0)
    BY_LINES(3, EACH_OF_LINE);
    REST;
#undef ONE
}

#ifdef ADAM_WIDE
typedef struct {
    wide scale, couple, drop, keep, lr, beta1, rest1, beta2, rest2, root, eps, one;
} NAME(adam_numbers);

/* the first n elements: WIDE_LANES of them if full, else fewer */
FR_INLINE void NAME(adam_lanes)(const NAME(adam_numbers) *s, T *w, const T *g, T *m, T *v, T *top,
                                const T *factor, ptrdiff_t n, const int coupled, const int each,
                                const int amsgrad, const int full)
{
    const wide_mask in = full ? 0 : wide_first(n);
    const wide w_ = wide_load(w, in, full), f = each ? wide_load(factor, in, full) : s->one;
    wide d = wide_mul(s->scale, wide_load(g, in, full)), kept = w_;
    if (coupled)
        d = wide_madd(each ? wide_mul(s->couple, f) : s->couple, w_, d);
    else
        kept = wide_mul(each ? wide_madd(s->drop, f, s->one) : s->keep, w_);
    const wide c = wide_madd(s->beta1, wide_load(m, in, full), wide_mul(s->rest1, d));
    const wide q = wide_madd(s->beta2, wide_load(v, in, full), wide_mul(wide_mul(s->rest2, d), d));
    wide t = q;
    wide_store(m, c, in, full);
    wide_store(v, q, in, full);
    if (amsgrad) {
        t = wide_max(q, wide_load(top, in, full));
        wide_store(top, t, in, full);
    }
    t = wide_madd(wide_root(t), s->root, s->eps);
    wide_store(w, wide_madd(s->lr, wide_div(c, t), kept), in, full);
}

FR_INLINE void NAME(adam)(const fr_step *s, const fr_buffers *x, ptrdiff_t i0, ptrdiff_t n,
                          const fr_buffers *next, ptrdiff_t next0,
                          const int coupled, const int each, const int amsgrad)
{
    const NAME(adam_numbers) a = {
        wide_set((T)s->scale),       wide_set((T)s->couple), wide_set((T)-s->drop),
        wide_set((T)(1.0 - s->drop)), wide_set((T)-s->lr),    wide_set((T)s->beta1),
        wide_set((T)(1.0 - s->beta1)), wide_set((T)s->beta2), wide_set((T)(1.0 - s->beta2)),
        wide_set((T)s->root),        wide_set((T)s->eps),    wide_set(1)};
    T *w = (T *)x->w + i0, *m = (T *)x->m + i0, *v = (T *)x->v + i0;
    T *top = amsgrad ? (T *)x->top + i0 : NULL;
    const T *g = (const T *)x->g + i0, *factor = each ? (const T *)x->factor + i0 : NULL;
#define FROM(i) w + (i), g + (i), m + (i), v + (i), amsgrad ? top + (i) : NULL, each ? factor + (i) : NULL
#define LINE(i) NAME(adam_lanes)(&a, FROM(i), WIDE_LANES, coupled, each, amsgrad, 1)
    BY_LINES(4, LINE);
    if (i < n)
        NAME(adam_lanes)(&a, FROM(i), n - i, coupled, each, amsgrad, 0);
#undef LINE
#undef FROM
}
#else
FR_INLINE void NAME(adam)(const fr_step *s, const fr_buffers *x, ptrdiff_t i0, ptrdiff_t n,
                          const fr_buffers *next, ptrdiff_t next0,
                          const int coupled, const int each, const int amsgrad)
{
    ARRAYS;
    T *FR_RESTRICT m = (T *)x->m + i0;
    T *FR_RESTRICT v = (T *)x->v + i0;
    T *FR_RESTRICT top = amsgrad ? (T *)x->top + i0 : NULL;
    const T beta1 = (T)s->beta1, beta2 = (T)s->beta2, root = (T)s->root, eps = (T)s->eps;
    const T rest1 = (T)(1.0 - s->beta1), rest2 = (T)(1.0 - s->beta2);
#define ONE(i)                                                                                     \
    do {                                                                                           \
        const T d = GRADIENT(i);                                                                   \
        const T c = MADD(beta1, m[i], rest1 * d), q = MADD(beta2, v[i], rest2 * d * d);            \
        T t = q;                                                                                   \
        m[i] = c;                                                                                  \
        v[i] = q;                                                                                  \
        if (amsgrad) {                                                                             \
            /* a NaN comes through, from either side */                                            \
            t = top[i] >= q || top[i] != top[i] ? top[i] : q;                                      \
            top[i] = t;                                                                            \
        }                                                                                          \
        w[i] = MADD(-lr, c / MADD(ROOT(t), root, eps), KEPT(i));                                   \
    } while (0)
    BY_LINES(4, EACH_OF_LINE);
    REST;
#undef ONE
}
#endif

/* the loop for the kinds of decay that there are */
#define CHOOSE(LOOP)                                                                               \
    do {                                                                                           \
        if (s->couple != 0.0) {                                                                    \
            if (x->factor)                                                                         \
                LOOP(1, 1);                                                                        \
            else                                                                                   \
                LOOP(1, 0);                                                                        \
        } else if (x->factor && s->drop != 0.0)                                                    \
            LOOP(0, 1);                                                                            \
        else                                                                                       \
            LOOP(0, 0);                                                                            \
    } while (0)
#define SGD(coupled, each) NAME(sgd)(s, x, i0, n, next, next0, coupled, each)
#define HEAVY_BALL(coupled, each) NAME(momentum)(s, x, i0, n, next, next0, coupled, each, 0)
#define NESTEROV(coupled, each) NAME(momentum)(s, x, i0, n, next, next0, coupled, each, 1)
#define ADAM(coupled, each) NAME(adam)(s, x, i0, n, next, next0, coupled, each, 0)
#define AMSGRAD(coupled, each) NAME(adam)(s, x, i0, n, next, next0, coupled, each, 1)

static void NAME(sgd_step)(const fr_step *s, const fr_buffers *x, ptrdiff_t i0, ptrdiff_t n,
                            const fr_buffers *next, ptrdiff_t next0)
{
    CHOOSE(SGD);
}

static void NAME(momentum_step)(const fr_step *s, const fr_buffers *x, ptrdiff_t i0, ptrdiff_t n,
                            const fr_buffers *next, ptrdiff_t next0)
{
    if (s->first)
        memset((T *)x->m + i0, 0, (size_t)n * sizeof(T));
    if (s->nesterov)
        CHOOSE(NESTEROV);
    else
        CHOOSE(HEAVY_BALL);
}

static void NAME(adam_step)(const fr_step *s, const fr_buffers *x, ptrdiff_t i0, ptrdiff_t n,
                            const fr_buffers *next, ptrdiff_t next0)
{
    if (s->amsgrad)
        CHOOSE(AMSGRAD);
    else
        CHOOSE(ADAM);
}

static double NAME(squares)(const void *x_, ptrdiff_t n)
{
    const T *x = x_;
    vec s0 = SPLAT(0.0), s1 = s0, s2 = s0, s3 = s0;
    ptrdiff_t i = 0;
#define SQUARE(k) LOAD(x + i + k * VL) * LOAD(x + i + k * VL)
    for (; i + 4 * VL <= n; i += 4 * VL) {
        s0 += SQUARE(0);
        s1 += SQUARE(1);
        s2 += SQUARE(2);
        s3 += SQUARE(3);
    }
#undef SQUARE
    double s = vec_sum((s0 + s1) + (s2 + s3));
    for (; i < n; i++)
        s += (double)x[i] * (double)x[i];
    return s;
}

/* Whether scale * x, rounded to T, is finite for all elements. */
static int NAME(finite_scaled)(const void *x_, double scale, ptrdiff_t n)
{
    const T *x = x_;
    const double factor = (double)(T)scale;
    /* floats that round to infinity become infinite doubles */
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

/* w -= m * sum_j c_j / (beta_j * r + eps) for r = sqrt(v) over a run: see lazy.c */
static void NAME(adam_run)(const fr_run *a, void *w_, const void *m_, const void *v_, ptrdiff_t n)
{
    enum { TERMS = FR_CAT(FR_TERMS, T) };
    T *FR_RESTRICT w = w_;
    const T *FR_RESTRICT m = m_;
    const T *FR_RESTRICT v = v_;
    const T centre = (T)a->centre, eps = (T)a->eps;
    T mu[TERMS];
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
        mu[p] = (T)(a->kept * (vec_sum(sums[p]) + last[p]));
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
#undef ARRAYS
#undef GRADIENT
#undef KEPT
#undef PER_LINE
#undef EACH_OF_LINE
#undef REST
#undef ASK
#undef BY_LINES
#undef CHOOSE
#undef SGD
#undef HEAVY_BALL
#undef NESTEROV
#undef ADAM
#undef AMSGRAD

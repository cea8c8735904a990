/* Inner loops over compressed major vectors: values T, indices I (IX names the index width).
 * Where T is `ones`, stored values are 1 and are not read. */

#define SNAME(f) FR_CAT3(f, T, IX)
#define VALUE(k) FR_CAT(VALUE, T)(data, k)
#define RANGE(a, i)                                                                                \
    const I base = indptr[i];                                                                      \
    ptrdiff_t k = (ptrdiff_t)base + ((a)->lo ? (a)->lo[i] : 0);                                    \
    const ptrdiff_t end = (a)->hi ? (ptrdiff_t)base + (a)->hi[i] : (ptrdiff_t)indptr[(i) + 1]
#define FIELDS(a)                                                                                  \
    const T *FR_RESTRICT data = (a)->data;                                                         \
    (void)data;                                                                                    \
    const I *FR_RESTRICT indices = (a)->indices;                                                   \
    const I *FR_RESTRICT indptr = (a)->indptr

/* Dot product of one major vector with v, element by element. */
FR_INLINE double SNAME(dot_each)(const T *data, const I *indices, ptrdiff_t k, ptrdiff_t end,
                                 const double *v)
{
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    (void)data;
    for (; k + 4 <= end; k += 4) {
        s0 += VALUE(k) * v[indices[k]];
        s1 += VALUE(k + 1) * v[indices[k + 1]];
        s2 += VALUE(k + 2) * v[indices[k + 2]];
        s3 += VALUE(k + 3) * v[indices[k + 3]];
    }
    for (; k < end; k++)
        s0 += VALUE(k) * v[indices[k]];
    return (s0 + s1) + (s2 + s3);
}

static void SNAME(gather)(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1,
                          const double *FR_RESTRICT v, double *FR_RESTRICT out)
{
    FIELDS(a);
    for (ptrdiff_t i = i0; i < i1; i++) {
        RANGE(a, i);
#ifdef FR_GATHER
        /* eight at a time, the remainder masked: no branch depends on the length */
        __m512d s = _mm512_setzero_pd();
        for (; k + 8 <= end; k += 8)
            s = _mm512_fmadd_pd(VALUES8(data + k, 0xff), FR_CAT(FR_GATHER, IX)(indices + k, v, 0xff), s);
        if (k < end) {
            const __mmask8 m = (__mmask8)((1u << (end - k)) - 1);
            s = _mm512_fmadd_pd(VALUES8(data + k, m), FR_CAT(FR_GATHER, IX)(indices + k, v, m), s);
        }
        out[i] = _mm512_reduce_add_pd(s);
#else
        out[i] = SNAME(dot_each)(data, indices, k, end, v);
#endif
    }
}

static void SNAME(gather_stored)(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1,
                                 const double *FR_RESTRICT v, double *FR_RESTRICT out)
{
    FIELDS(a);
    for (ptrdiff_t i = i0; i < i1; i++) {
        RANGE(a, i);
        out[i] = SNAME(dot_each)(data, indices, k, end, v);
    }
}

static void SNAME(scatter)(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1,
                           const double *FR_RESTRICT u, double *FR_RESTRICT out)
{
    FIELDS(a);
    for (ptrdiff_t i = i0; i < i1; i++) {
        RANGE(a, i);
        const double ui = u[i];
        if (ui == 0) /* most coefficients are */
            continue;
        /* indices within a major vector are distinct: four updates never meet */
        for (; k + 4 <= end; k += 4) {
            const I j0 = indices[k], j1 = indices[k + 1], j2 = indices[k + 2], j3 = indices[k + 3];
            const double t0 = out[j0] + ui * VALUE(k), t1 = out[j1] + ui * VALUE(k + 1);
            const double t2 = out[j2] + ui * VALUE(k + 2), t3 = out[j3] + ui * VALUE(k + 3);
            out[j0] = t0;
            out[j1] = t1;
            out[j2] = t2;
            out[j3] = t3;
        }
        for (; k < end; k++)
            out[indices[k]] += ui * VALUE(k);
    }
}

/* gather and scatter for major vectors of `length` elements each, at most FR_SHORT: no loop ends
 * that must be predicted */
#define EACH_LENGTH(BODY) BODY(1) BODY(2) BODY(3) BODY(4) BODY(5) BODY(6) BODY(7) BODY(8)

static void SNAME(gather_short)(const fr_compressed *a, ptrdiff_t rows, int length,
                                const double *FR_RESTRICT v, double *FR_RESTRICT out)
{
    FIELDS(a);
    ptrdiff_t k = (ptrdiff_t)indptr[0];
    switch (length) {
#define BODY(LENGTH)                                                                               \
    case LENGTH:                                                                                   \
        for (ptrdiff_t i = 0; i < rows; i++, k += LENGTH) {                                        \
            double s = 0;                                                                          \
            for (int e = 0; e < LENGTH; e++)                                                       \
                s += VALUE(k + e) * v[indices[k + e]];                                             \
            out[i] = s;                                                                            \
        }                                                                                          \
        break;
        EACH_LENGTH(BODY)
#undef BODY
    default:
        memset(out, 0, (size_t)rows * sizeof(double));
    }
}

static void SNAME(scatter_short)(const fr_compressed *a, ptrdiff_t rows, int length,
                                 const double *FR_RESTRICT u, double *FR_RESTRICT out)
{
    FIELDS(a);
    ptrdiff_t k = (ptrdiff_t)indptr[0];
    switch (length) {
#define BODY(LENGTH)                                                                               \
    case LENGTH:                                                                                   \
        for (ptrdiff_t i = 0; i < rows; i++, k += LENGTH)                                          \
            for (int e = 0; e < LENGTH; e++)                                                       \
                out[indices[k + e]] += u[i] * VALUE(k + e);                                        \
        break;
        EACH_LENGTH(BODY)
#undef BODY
    }
}
#undef EACH_LENGTH

/* out[i * FR_LANES + t] = sum_k data[k] * v[indices[k] * FR_LANES + t] */
static void SNAME(gather_lanes)(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1,
                                const double *FR_RESTRICT v, double *FR_RESTRICT out)
{
    FIELDS(a);
    for (ptrdiff_t i = i0; i < i1; i++) {
        RANGE(a, i);
        double s[FR_LANES] = {0}, r[FR_LANES] = {0};
        for (; k + 2 <= end; k += 2) {
            const double *v0 = v + (ptrdiff_t)indices[k] * FR_LANES;
            const double *v1 = v + (ptrdiff_t)indices[k + 1] * FR_LANES;
            for (int t = 0; t < FR_LANES; t++) {
                s[t] += VALUE(k) * v0[t];
                r[t] += VALUE(k + 1) * v1[t];
            }
        }
        if (k < end)
            for (int t = 0; t < FR_LANES; t++)
                s[t] += VALUE(k) * v[(ptrdiff_t)indices[k] * FR_LANES + t];
        for (int t = 0; t < FR_LANES; t++)
            out[i * FR_LANES + t] = s[t] + r[t];
    }
}

/* out[indices[k] * FR_LANES + t] += u[i * FR_LANES + t] * data[k] */
static void SNAME(scatter_lanes)(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1,
                                 const double *FR_RESTRICT u, double *FR_RESTRICT out)
{
    enum { REGISTERS = FR_LANES / VL };
    FIELDS(a);
    for (ptrdiff_t i = i0; i < i1; i++) {
        RANGE(a, i);
        vec t[REGISTERS];
        for (int r = 0; r < REGISTERS; r++)
            t[r] = LOAD_double(u + i * FR_LANES + r * VL);
        for (; k < end; k++) {
            double *to = out + (ptrdiff_t)indices[k] * FR_LANES;
            const vec x = SPLAT(VALUE(k));
            for (int r = 0; r < REGISTERS; r++)
                STORE(to + r * VL, LOAD_double(to + r * VL) + t[r] * x);
        }
    }
}

/* out[indices[k]] += u[i] * data[k] * w[indices[k]] */
static void SNAME(scatter_by)(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1,
                              const double *FR_RESTRICT u, const double *FR_RESTRICT w,
                              double *FR_RESTRICT out)
{
    FIELDS(a);
    for (ptrdiff_t i = i0; i < i1; i++) {
        RANGE(a, i);
        for (; k < end; k++)
            out[indices[k]] += u[i] * VALUE(k) * w[indices[k]];
    }
}

static void SNAME(scatter_moments)(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1,
                                   const double *FR_RESTRICT w, double *FR_RESTRICT sum,
                                   double *FR_RESTRICT square)
{
    FIELDS(a);
    for (ptrdiff_t i = i0; i < i1; i++) {
        RANGE(a, i);
        const double wi = w ? w[i] : 1.0;
        for (; k < end; k++) {
            const double x = VALUE(k), wx = wi * x;
            sum[indices[k]] += wx;
            square[indices[k]] += wx * x;
        }
    }
}

static void SNAME(gather_moments)(const fr_compressed *a, ptrdiff_t i0, ptrdiff_t i1,
                                  const double *FR_RESTRICT w, double *FR_RESTRICT sum,
                                  double *FR_RESTRICT square)
{
    FIELDS(a);
    for (ptrdiff_t i = i0; i < i1; i++) {
        RANGE(a, i);
        double s = 0, q = 0;
        for (; k < end; k++) {
            const double x = VALUE(k), wx = w ? w[indices[k]] * x : x;
            s += wx;
            q += wx * x;
        }
        sum[i] += s;
        square[i] += q;
    }
}

#undef SNAME
#undef RANGE
#undef VALUE
#undef FIELDS

/* Inner loops over dense major vectors of element type T. */

#define NAME(f) FR_CAT(f, T)
#define LOAD(p) FR_CAT(LOAD, T)(p)
#define FIRST(p, n) FR_CAT(FIRST, T)(p, n)

/* out[(i * ld + j) * VL + l] = x[l][i * p + j]; prefetches the next VL matrices. */
static void NAME(to_lanes)(const void *const *x, ptrdiff_t n, ptrdiff_t p, ptrdiff_t ld, double *out)
{
    ptrdiff_t e = 0, j = 0;
#if VL > 1
    for (; e + VL <= n * p; e += VL) {
        vec v[VL];
        for (int l = 0; l < VL; l++) {
            v[l] = LOAD((const T *)x[l] + e);
            /* as an integer: the address may lie beyond the array */
            FR_PREFETCH((const char *)((uintptr_t)x[l] + (uintptr_t)(n * p * VL + e) * sizeof(T)));
        }
        vec_transpose(v);
        for (int l = 0; l < VL; l++) {
            STORE(out, v[l]);
            out += VL;
            if (++j == p) {
                j = 0;
                out += (ld - p) * VL;
            }
        }
    }
#endif
    for (; e < n * p; e++) {
        for (int l = 0; l < VL; l++)
            out[l] = (double)((const T *)x[l])[e];
        out += VL;
        if (++j == p) {
            j = 0;
            out += (ld - p) * VL;
        }
    }
}

FR_INLINE double NAME(dot_one)(const T *FR_RESTRICT x, ptrdiff_t m, const double *FR_RESTRICT shift,
                               double c, const double *FR_RESTRICT v, const int shifted)
{
    vec s0 = SPLAT(0.0), s1 = s0, s2 = s0, s3 = s0;
    const vec cc = SPLAT(c);
    ptrdiff_t j = 0;
#define TERM(k) (LOAD(x + j + k * VL) - (shifted ? LOAD_double(shift + j + k * VL) : cc)) *          \
                    LOAD_double(v + j + k * VL)
    for (; j + 4 * VL <= m; j += 4 * VL) {
        s0 += TERM(0);
        s1 += TERM(1);
        s2 += TERM(2);
        s3 += TERM(3);
    }
    for (; j + VL <= m; j += VL)
        s0 += TERM(0);
#undef TERM
    double s = vec_sum((s0 + s1) + (s2 + s3));
    for (; j < m; j++)
        s += ((double)x[j] - (shifted ? shift[j] : c)) * v[j];
    return s;
}

/* Four major vectors at a time share the loads of v and shift. */
FR_INLINE void NAME(dot_four)(const T *FR_RESTRICT x, ptrdiff_t ld, ptrdiff_t m,
                              const double *FR_RESTRICT shift, const double *FR_RESTRICT c,
                              const double *FR_RESTRICT v, double *FR_RESTRICT out,
                              const int shifted)
{
    const T *x1 = x + ld, *x2 = x1 + ld, *x3 = x2 + ld;
    vec s0 = SPLAT(0.0), s1 = s0, s2 = s0, s3 = s0;
    const double c0 = c ? c[0] : 0.0, c1 = c ? c[1] : 0.0, c2 = c ? c[2] : 0.0, c3 = c ? c[3] : 0.0;
    ptrdiff_t j = 0;
    for (; j + VL <= m; j += VL) {
        const vec b = LOAD_double(v + j);
        if (shifted) {
            const vec a = LOAD_double(shift + j);
            s0 += (LOAD(x + j) - a) * b;
            s1 += (LOAD(x1 + j) - a) * b;
            s2 += (LOAD(x2 + j) - a) * b;
            s3 += (LOAD(x3 + j) - a) * b;
        } else {
            s0 += (LOAD(x + j) - SPLAT(c0)) * b;
            s1 += (LOAD(x1 + j) - SPLAT(c1)) * b;
            s2 += (LOAD(x2 + j) - SPLAT(c2)) * b;
            s3 += (LOAD(x3 + j) - SPLAT(c3)) * b;
        }
    }
#ifdef FR_MASKED
    const ptrdiff_t left = m - j;
    if (left) {
        const vec b = FIRST_double(v + j, left);
        if (shifted) {
            const vec a = FIRST_double(shift + j, left);
            s0 += (FIRST(x + j, left) - a) * b;
            s1 += (FIRST(x1 + j, left) - a) * b;
            s2 += (FIRST(x2 + j, left) - a) * b;
            s3 += (FIRST(x3 + j, left) - a) * b;
        } else {
            s0 += (FIRST(x + j, left) - SPLAT(c0)) * b;
            s1 += (FIRST(x1 + j, left) - SPLAT(c1)) * b;
            s2 += (FIRST(x2 + j, left) - SPLAT(c2)) * b;
            s3 += (FIRST(x3 + j, left) - SPLAT(c3)) * b;
        }
        j = m;
    }
#endif
    vec_sum_four(s0, s1, s2, s3, out);
    for (; j < m; j++) {
        const double a = shifted ? shift[j] : 0.0, b = v[j];
        out[0] += ((double)x[j] - (shifted ? a : c0)) * b;
        out[1] += ((double)x1[j] - (shifted ? a : c1)) * b;
        out[2] += ((double)x2[j] - (shifted ? a : c2)) * b;
        out[3] += ((double)x3[j] - (shifted ? a : c3)) * b;
    }
}

static void NAME(dot_rows)(const void *x_, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t m,
                           const double *shift, const double *major_shift, const double *v,
                           double *out)
{
    const T *x = x_;
    ptrdiff_t i = 0;
    for (; i + 4 <= rows; i += 4) {
        if (shift)
            NAME(dot_four)(x + i * ld, ld, m, shift, NULL, v, out + i, 1);
        else
            NAME(dot_four)(x + i * ld, ld, m, NULL, major_shift ? major_shift + i : NULL, v,
                           out + i, 0);
    }
    for (; i < rows; i++) {
        if (shift)
            out[i] = NAME(dot_one)(x + i * ld, m, shift, 0.0, v, 1);
        else
            out[i] = NAME(dot_one)(x + i * ld, m, NULL, major_shift ? major_shift[i] : 0.0, v, 0);
    }
}

FR_INLINE void NAME(axpy_one)(const T *FR_RESTRICT x, ptrdiff_t m, const double *FR_RESTRICT shift,
                              double c, double u, double *FR_RESTRICT out, const int shifted)
{
    const vec a = SPLAT(u), cc = SPLAT(c);
    ptrdiff_t j = 0;
    for (; j + VL <= m; j += VL)
        STORE(out + j,
              LOAD_double(out + j) + a * (LOAD(x + j) - (shifted ? LOAD_double(shift + j) : cc)));
    for (; j < m; j++)
        out[j] += u * ((double)x[j] - (shifted ? shift[j] : c));
}

/* Four major vectors at a time load and store out once; but for its last m % VL numbers, which stay
 * in a register where it can be loaded in part: `rest`. */
FR_INLINE void NAME(axpy_four)(const T *FR_RESTRICT x, ptrdiff_t ld, ptrdiff_t m,
                               const double *FR_RESTRICT shift, const double *FR_RESTRICT c,
                               const double *FR_RESTRICT u, double *FR_RESTRICT out, vec *rest,
                               const int shifted)
{
    const T *x1 = x + ld, *x2 = x1 + ld, *x3 = x2 + ld;
    const double c0 = c ? c[0] : 0.0, c1 = c ? c[1] : 0.0, c2 = c ? c[2] : 0.0, c3 = c ? c[3] : 0.0;
    const vec u0 = SPLAT(u[0]), u1 = SPLAT(u[1]), u2 = SPLAT(u[2]), u3 = SPLAT(u[3]);
    ptrdiff_t j = 0;
    for (; j + VL <= m; j += VL) {
        vec s = LOAD_double(out + j);
        if (shifted) {
            const vec a = LOAD_double(shift + j);
            s += u0 * (LOAD(x + j) - a);
            s += u1 * (LOAD(x1 + j) - a);
            s += u2 * (LOAD(x2 + j) - a);
            s += u3 * (LOAD(x3 + j) - a);
        } else {
            s += u0 * (LOAD(x + j) - SPLAT(c0));
            s += u1 * (LOAD(x1 + j) - SPLAT(c1));
            s += u2 * (LOAD(x2 + j) - SPLAT(c2));
            s += u3 * (LOAD(x3 + j) - SPLAT(c3));
        }
        STORE(out + j, s);
    }
#ifdef FR_MASKED
    const ptrdiff_t left = m - j;
    if (left) {
        vec s = *rest;
        if (shifted) {
            const vec a = FIRST_double(shift + j, left);
            s += u0 * (FIRST(x + j, left) - a);
            s += u1 * (FIRST(x1 + j, left) - a);
            s += u2 * (FIRST(x2 + j, left) - a);
            s += u3 * (FIRST(x3 + j, left) - a);
        } else {
            s += u0 * (FIRST(x + j, left) - SPLAT(c0));
            s += u1 * (FIRST(x1 + j, left) - SPLAT(c1));
            s += u2 * (FIRST(x2 + j, left) - SPLAT(c2));
            s += u3 * (FIRST(x3 + j, left) - SPLAT(c3));
        }
        *rest = s;
    }
#else
    (void)rest;
    for (; j < m; j++) {
        double s = out[j];
        s += u[0] * ((double)x[j] - (shifted ? shift[j] : c0));
        s += u[1] * ((double)x1[j] - (shifted ? shift[j] : c1));
        s += u[2] * ((double)x2[j] - (shifted ? shift[j] : c2));
        s += u[3] * ((double)x3[j] - (shifted ? shift[j] : c3));
        out[j] = s;
    }
#endif
}

static void NAME(axpy_rows)(const void *x_, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t m,
                            const double *shift, const double *major_shift, const double *u,
                            double *out)
{
    const T *x = x_;
    ptrdiff_t i = 0;
    vec rest = LOAD_REST(out, m);
    for (; i + 4 <= rows; i += 4) {
        if (shift)
            NAME(axpy_four)(x + i * ld, ld, m, shift, NULL, u + i, out, &rest, 1);
        else
            NAME(axpy_four)(x + i * ld, ld, m, NULL, major_shift ? major_shift + i : NULL, u + i,
                            out, &rest, 0);
    }
    STORE_REST(out, m, rest);
    for (; i < rows; i++) {
        if (shift)
            NAME(axpy_one)(x + i * ld, m, shift, 0.0, u[i], out, 1);
        else
            NAME(axpy_one)(x + i * ld, m, NULL, major_shift ? major_shift[i] : 0.0, u[i], out, 0);
    }
}

/* Add w (x - at) and w (x - at)^2 of four rows, which load and store the sums once; see axpy_four. */
FR_INLINE void NAME(moment_four)(const T *FR_RESTRICT x, ptrdiff_t ld, ptrdiff_t m,
                                 const double *FR_RESTRICT at, const double *FR_RESTRICT w,
                                 double *FR_RESTRICT sum, double *FR_RESTRICT square, vec *rest)
{
    const T *x1 = x + ld, *x2 = x1 + ld, *x3 = x2 + ld;
    const vec w0 = SPLAT(w[0]), w1 = SPLAT(w[1]), w2 = SPLAT(w[2]), w3 = SPLAT(w[3]);
    ptrdiff_t j = 0;
    for (; j + VL <= m; j += VL) {
        const vec a = LOAD_double(at + j);
        const vec d0 = LOAD(x + j) - a, d1 = LOAD(x1 + j) - a;
        const vec d2 = LOAD(x2 + j) - a, d3 = LOAD(x3 + j) - a;
        const vec e0 = w0 * d0, e1 = w1 * d1, e2 = w2 * d2, e3 = w3 * d3;
        STORE(sum + j, LOAD_double(sum + j) + ((e0 + e1) + (e2 + e3)));
        STORE(square + j, LOAD_double(square + j) + ((e0 * d0 + e1 * d1) + (e2 * d2 + e3 * d3)));
    }
#ifdef FR_MASKED
    const ptrdiff_t left = m - j;
    if (left) {
        const vec a = FIRST_double(at + j, left);
        const vec d0 = FIRST(x + j, left) - a, d1 = FIRST(x1 + j, left) - a;
        const vec d2 = FIRST(x2 + j, left) - a, d3 = FIRST(x3 + j, left) - a;
        const vec e0 = w0 * d0, e1 = w1 * d1, e2 = w2 * d2, e3 = w3 * d3;
        rest[0] += (e0 + e1) + (e2 + e3);
        rest[1] += (e0 * d0 + e1 * d1) + (e2 * d2 + e3 * d3);
    }
#else
    (void)rest;
    for (; j < m; j++) {
        const double a = at[j], d0 = (double)x[j] - a, d1 = (double)x1[j] - a;
        const double d2 = (double)x2[j] - a, d3 = (double)x3[j] - a;
        const double e0 = w[0] * d0, e1 = w[1] * d1, e2 = w[2] * d2, e3 = w[3] * d3;
        sum[j] += (e0 + e1) + (e2 + e3);
        square[j] += (e0 * d0 + e1 * d1) + (e2 * d2 + e3 * d3);
    }
#endif
}

FR_INLINE void NAME(moment_one)(const T *FR_RESTRICT x, ptrdiff_t m, const double *FR_RESTRICT at,
                                double w, double *FR_RESTRICT sum, double *FR_RESTRICT square)
{
    const vec wv = SPLAT(w);
    ptrdiff_t j = 0;
    for (; j + VL <= m; j += VL) {
        const vec d = LOAD(x + j) - LOAD_double(at + j), e = wv * d;
        STORE(sum + j, LOAD_double(sum + j) + e);
        STORE(square + j, LOAD_double(square + j) + e * d);
    }
    for (; j < m; j++) {
        const double d = (double)x[j] - at[j];
        sum[j] += w * d;
        square[j] += w * d * d;
    }
}

static void NAME(moment_rows)(const void *x_, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t m,
                              const double *at, const double *w, double *sum, double *square)
{
    static const double ones[4] = {1.0, 1.0, 1.0, 1.0};
    const T *x = x_;
    ptrdiff_t i = 0;
    vec rest[2] = {LOAD_REST(sum, m), LOAD_REST(square, m)};
    for (; i + 4 <= rows; i += 4)
        NAME(moment_four)(x + i * ld, ld, m, at, w ? w + i : ones, sum, square, rest);
    STORE_REST(sum, m, rest[0]);
    STORE_REST(square, m, rest[1]);
    for (; i < rows; i++)
        NAME(moment_one)(x + i * ld, m, at, w ? w[i] : 1.0, sum, square);
}

static void NAME(moment_majors)(const void *x_, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t m,
                                const double *at, const double *w, double *sum, double *square)
{
    const T *x = x_;
    for (ptrdiff_t i = 0; i < rows; i++, x += ld) {
        vec s = SPLAT(0.0), q = s;
        const vec a = SPLAT(at[i]);
        ptrdiff_t j = 0;
        for (; j + VL <= m; j += VL) {
            const vec d = LOAD(x + j) - a, wd = w ? d * LOAD_double(w + j) : d;
            s += wd;
            q += wd * d;
        }
        double ss = vec_sum(s), qq = vec_sum(q);
        for (; j < m; j++) {
            const double d = (double)x[j] - at[i], wd = w ? d * w[j] : d;
            ss += wd;
            qq += wd * d;
        }
        sum[i] += ss;
        square[i] += qq;
    }
}

/* x - x is 0 for every finite number and NaN for the others. */
static int NAME(finite)(const void *x_, ptrdiff_t n)
{
    const T *x = x_;
    vec s0 = SPLAT(0.0), s1 = s0, s2 = s0, s3 = s0;
    ptrdiff_t j = 0;
#define ZERO(k) (LOAD(x + j + k * VL) - LOAD(x + j + k * VL))
    for (; j + 4 * VL <= n; j += 4 * VL) {
        s0 += ZERO(0);
        s1 += ZERO(1);
        s2 += ZERO(2);
        s3 += ZERO(3);
    }
    for (; j + VL <= n; j += VL)
        s0 += ZERO(0);
#undef ZERO
    double s = vec_sum((s0 + s1) + (s2 + s3));
    for (; j < n; j++)
        s += (double)x[j] - (double)x[j];
    return s == 0.0;
}

#undef NAME
#undef LOAD
#undef FIRST

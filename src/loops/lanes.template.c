/* Ridge regression of VL small problems at once: sums, factor, refinement. The same algorithm as
 * fr_ridge_direct, without short loops or sums across a register. */

#define AT(a, i) LOAD_double((a) + (i) * VL)
#define SET(a, i, v) STORE((a) + (i) * VL, v)

enum { LANES_CHUNK = 32 }; /* rows of a block that stays in the first-level cache */

typedef struct {
    ptrdiff_t n, p, k, ld;
    const double *w, *alpha;
    double *x, *g, *u;                                /* g: ld x ld, upper triangle; u: its factor */
    double *first, *mean, *full, *penalty, *alive;    /* full: diagonal of G + alpha D */
    double *inverse;                                  /* reciprocals of the diagonal of u */
    double *gradient, *step, *product;
} lanes_state;

/* Accumulate a block of TALL x 4 sums in registers. */
#if VL >= 8
#define TALL 4
#else
#define TALL 2
#endif
FR_INLINE void lanes_block(const double *FR_RESTRICT a, const double *FR_RESTRICT b,
                           const double *FR_RESTRICT w, ptrdiff_t rows, ptrdiff_t ld, double *g)
{
    vec s[TALL][4];
    for (int r = 0; r < TALL; r++)
        for (int c = 0; c < 4; c++)
            s[r][c] = AT(g, r * ld + c);
    for (ptrdiff_t i = 0; i < rows; i++, a += ld * VL, b += ld * VL) {
        vec v[4];
        for (int c = 0; c < 4; c++)
            v[c] = AT(b, c);
        for (int r = 0; r < TALL; r++) {
            const vec t = w ? AT(a, r) * AT(w, i) : AT(a, r);
            for (int c = 0; c < 4; c++)
                s[r][c] += t * v[c];
        }
    }
    for (int r = 0; r < TALL; r++)
        for (int c = 0; c < 4; c++)
            SET(g, r * ld + c, s[r][c]);
}

/* Subtract the heaviest row and sum all products of two columns. Relative to that row, centring
 * a column costs at most n rounding errors: (x_0 - mean)^2 <= n var. */
static void lanes_sum(lanes_state *s, int intercept)
{
    const ptrdiff_t n = s->n, ld = s->ld, columns = s->p + s->k;
    memset(s->g, 0, (size_t)(ld * ld) * sizeof(vec));
    for (ptrdiff_t l = 0; l < VL; l++) {
        ptrdiff_t at = 0;
        for (ptrdiff_t i = 1; i < n && s->w; i++)
            at = s->w[i * VL + l] > s->w[at * VL + l] ? i : at;
        for (ptrdiff_t j = 0; j < columns; j++)
            s->first[j * VL + l] = intercept ? s->x[(at * ld + j) * VL + l] : 0.0;
    }
    for (ptrdiff_t from = 0; from < n; from += LANES_CHUNK) {
        const ptrdiff_t rows = n - from < LANES_CHUNK ? n - from : LANES_CHUNK;
        double *x = s->x + from * ld * VL;
        const double *w = s->w ? s->w + from * VL : NULL;
        for (ptrdiff_t i = 0; i < rows; i++) {
            double *row = x + i * ld * VL;
            for (ptrdiff_t j = 0; j < columns && intercept; j++)
                SET(row, j, AT(row, j) - AT(s->first, j));
            for (ptrdiff_t j = columns; j < ld; j++)
                SET(row, j, SPLAT(j == columns ? 1.0 : 0.0));
        }
        for (ptrdiff_t r = 0; r < ld; r += TALL)
            for (ptrdiff_t c = r / 4 * 4; c < ld; c += 4) {
                double *g = s->g + (r * ld + c) * VL;
                if (w)
                    lanes_block(x + r * VL, x + c * VL, w, rows, ld, g);
                else
                    lanes_block(x + r * VL, x + c * VL, NULL, rows, ld, g);
            }
    }
}
#undef TALL

/* Return FR_NOT_FINITE where sums of squares about the heaviest row overflow, or vanish though
 * the column varies. */
static void lanes_check_range(const lanes_state *s, fr_lanes *q)
{
    const ptrdiff_t columns = s->p + s->k;
    for (ptrdiff_t j = 0; j < columns; j++) {
        double squares[VL];
        STORE(squares, AT(s->g, j * s->ld + j));
        for (int l = 0; l < VL; l++) {
            if (!(squares[l] <= FR_MOST_SQUARES))
                q->status[l] = FR_NOT_FINITE;
            for (ptrdiff_t i = 0; i < s->n && squares[l] < FR_LEAST_SQUARES; i++)
                if (s->x[(i * s->ld + j) * VL + l] != 0)
                    q->status[l] = FR_NOT_FINITE;
        }
    }
}

/* Turn sums about the heaviest row into sums about the means; constant columns get a zero row
 * and a unit diagonal. */
static void lanes_centre(lanes_state *s, fr_lanes *q)
{
    const ptrdiff_t p = s->p, ld = s->ld, columns = p + s->k;
    const vec total = AT(s->g, columns * ld + columns);
    for (ptrdiff_t j = 0; j < columns; j++)
        SET(s->mean, j, q->intercept ? AT(s->g, j * ld + columns) / total : SPLAT(0.0));
    for (ptrdiff_t i = 0; i < p; i++) {
        const vec d = total * AT(s->mean, i);
        for (ptrdiff_t j = i; j < columns; j++)
            SET(s->g, i * ld + j, AT(s->g, i * ld + j) - d * AT(s->mean, j));
        double left[VL], gone[VL], alive[VL];
        STORE(left, AT(s->g, i * ld + i));
        /* the same test as fr_is_constant */
        const vec rounding = SPLAT(4 * DBL_EPSILON) * (AT(s->first, i) + AT(s->mean, i));
        STORE(gone, SPLAT(q->lost) * d * AT(s->mean, i) +
                        (q->intercept ? total * rounding * rounding : SPLAT(0.0)));
        for (int l = 0; l < VL; l++) {
            alive[l] = left[l] > gone[l] && left[l] > 0 ? 1.0 : 0.0;
        }
        SET(s->alive, i, LOAD_double(alive));
    }
    for (ptrdiff_t i = 0; i < p; i++) {
        const vec alive = AT(s->alive, i);
        for (ptrdiff_t j = i; j < columns; j++)
            SET(s->g, i * ld + j, AT(s->g, i * ld + j) * (j < p ? alive * AT(s->alive, j) : alive));
        SET(s->penalty, i, AT(s->alpha, 0) * SPLAT(q->penalty ? q->penalty[i] : 1.0));
        SET(s->full, i, alive * (AT(s->g, i * ld + i) + AT(s->penalty, i)) + (SPLAT(1.0) - alive));
    }
}

/* u'u = G + alpha D */
static void lanes_factor(lanes_state *s, fr_lanes *q)
{
    const ptrdiff_t p = s->p, ld = s->ld;
    for (ptrdiff_t i = 0; i < p; i++) {
        vec left = AT(s->full, i);
        for (ptrdiff_t k = 0; k < i; k++)
            left -= AT(s->u, k * p + i) * AT(s->u, k * p + i);
        double rest[VL], full[VL];
        STORE(rest, left);
        STORE(full, AT(s->full, i));
        for (int l = 0; l < VL; l++) {
            if (!(rest[l] > FR_KEEP * full[l] && rest[l] > 0)) {
                q->status[l] = q->status[l] ? q->status[l] : FR_UNSTABLE;
                rest[l] = 1.0;
            }
            rest[l] = 1.0 / sqrt(rest[l]);
        }
        const vec inverse = LOAD_double(rest);
        SET(s->inverse, i, inverse);
        for (ptrdiff_t j = i + 1; j < p; j++) {
            vec t = AT(s->g, i * ld + j);
            for (ptrdiff_t k = 0; k < i; k++)
                t -= AT(s->u, k * p + i) * AT(s->u, k * p + j);
            SET(s->u, i * p + j, t * inverse);
        }
    }
}

static void lanes_solve(const lanes_state *s, double *b)
{
    const ptrdiff_t p = s->p;
    for (ptrdiff_t i = 0; i < p; i++) {
        const vec t = AT(b, i) * AT(s->inverse, i);
        SET(b, i, t);
        for (ptrdiff_t j = i + 1; j < p; j++)
            SET(b, j, AT(b, j) - AT(s->u, i * p + j) * t);
    }
    for (ptrdiff_t i = p - 1; i >= 0; i--) {
        vec t = AT(b, i);
        for (ptrdiff_t j = i + 1; j < p; j++)
            t -= AT(s->u, i * p + j) * AT(b, j);
        SET(b, i, t * AT(s->inverse, i));
    }
}

/* Rows i to i + count: compute r = y - A c and the sums of w r, w r^2 and w r x. */
FR_INLINE void lanes_rows(const lanes_state *s, const double *c, ptrdiff_t y, vec level, ptrdiff_t i,
                          const int count, vec *sum, vec *square)
{
    const double *x = s->x + i * s->ld * VL;
    vec r[4];
    for (int a = 0; a < count; a++)
        r[a] = AT(x, a * s->ld + y) - level;
    for (ptrdiff_t j = 0; j < s->p; j++)
        for (int a = 0; a < count; a++)
            r[a] -= AT(x, a * s->ld + j) * AT(c, j);
    for (int a = 0; a < count; a++) {
        const vec t = s->w ? r[a] * AT(s->w, i + a) : r[a];
        *square += t * r[a];
        *sum += t;
        r[a] = t;
    }
    for (ptrdiff_t j = 0; j < s->p; j++) {
        vec t = AT(s->gradient, j);
        for (int a = 0; a < count; a++)
            t += AT(x, a * s->ld + j) * r[a];
        SET(s->gradient, j, t);
    }
}

/* Compute gradient = A' W (y - A c) - alpha D c from the data; return the sum of w r^2. */
static vec lanes_gradient(lanes_state *s, const double *c, ptrdiff_t y)
{
    vec level = AT(s->mean, y), sum = SPLAT(0.0), square = sum;
    for (ptrdiff_t j = 0; j < s->p; j++) {
        level -= AT(s->mean, j) * AT(c, j);
        SET(s->gradient, j, SPLAT(0.0));
    }
    ptrdiff_t i = 0;
    for (; i + 4 <= s->n; i += 4)
        lanes_rows(s, c, y, level, i, 4, &sum, &square);
    for (; i < s->n; i++)
        lanes_rows(s, c, y, level, i, 1, &sum, &square);
    for (ptrdiff_t j = 0; j < s->p; j++) {
        const vec g = AT(s->gradient, j) - AT(s->mean, j) * sum - AT(s->penalty, j) * AT(c, j);
        SET(s->gradient, j, AT(s->alive, j) * g);
    }
    return square;
}

/* Update objective and gradient by the step e: f(c + e) = f(c) - 2 g'e + e'Me, g(c + e) = g -
 * Me. */
static void lanes_certify(const lanes_state *s, const double *c, ptrdiff_t y, vec f, double *objective,
                          double *relative)
{
    const ptrdiff_t p = s->p, ld = s->ld;
    vec norm = SPLAT(0.0), zero = norm, trace = norm, size = norm, shrunk = norm;
    for (ptrdiff_t i = 0; i < p; i++)
        SET(s->product, i, AT(s->full, i) * AT(s->step, i));
    for (ptrdiff_t i = 0; i < p; i++) {
        vec t = AT(s->product, i);
        for (ptrdiff_t j = i + 1; j < p; j++) {
            t += AT(s->g, i * ld + j) * AT(s->step, j);
            SET(s->product, j, AT(s->product, j) + AT(s->g, i * ld + j) * AT(s->step, i));
        }
        const vec g = AT(s->gradient, i), e = AT(s->step, i), ci = AT(c, i), b = AT(s->g, i * ld + y);
        f += AT(s->penalty, i) * ci * ci + e * (t - (g + g));
        norm += (g - t) * (g - t);
        const vec square = AT(s->g, i * ld + i), closer = ci + e, shrink = AT(s->penalty, i) * closer;
        trace += square;
        size += square * closer * closer;
        shrunk += shrink * shrink;
        zero += b * b;
    }
    double parts[5][VL];
    STORE(objective, f);
    STORE(parts[0], norm);
    STORE(parts[1], zero);
    STORE(parts[2], trace);
    STORE(parts[3], size);
    STORE(parts[4], shrunk);
    for (int l = 0; l < VL; l++) {
        /* plus the effect of rounding the coefficients: |G r| <= sqrt(tr G) sqrt(r'Gr), and
         * |alpha d r| */
        const double rounded = sqrt(parts[2][l] * parts[3][l]) + sqrt(parts[4][l]);
        const double whole = sqrt(parts[0][l]) + 0.5 * DBL_EPSILON * rounded;
        relative[l] = parts[1][l] == 0 ? 0.0 : whole / sqrt(parts[1][l]);
        objective[l] = objective[l] < 0 ? 0.0 : objective[l];
    }
}

static void lanes_target(lanes_state *s, fr_lanes *q, ptrdiff_t t)
{
    const ptrdiff_t p = s->p, y = p + t;
    double *c = q->coef + t * p * VL, before[VL], moving[VL];
    int left = 0;
    for (ptrdiff_t j = 0; j < p; j++)
        SET(c, j, AT(s->g, j * s->ld + y));
    lanes_solve(s, c);
    for (int l = 0; l < VL; l++) {
        before[l] = INFINITY;
        moving[l] = q->status[l] ? 0.0 : 1.0;
        left += !q->status[l];
    }
    for (int iter = 1; left > 0; iter++) {
        const vec square = lanes_gradient(s, c, y);
        memcpy(s->step, s->gradient, (size_t)p * sizeof(vec));
        lanes_solve(s, s->step);
        vec moved = SPLAT(0.0), size = moved;
        for (ptrdiff_t j = 0; j < p; j++) {
            moved += AT(s->full, j) * AT(s->step, j) * AT(s->step, j);
            size += AT(s->full, j) * AT(c, j) * AT(c, j);
        }
        double of_step[VL], of_c[VL], mask[VL], objective[VL] = {0}, relative[VL] = {0};
        double unrounded[VL] = {0};
        int settled[VL], any = 0;
        STORE(of_step, moved);
        STORE(of_c, size);
        for (int l = 0; l < VL; l++) {
            const double ratio = fr_step_ratio(of_step[l], of_c[l]);
            settled[l] = moving[l] > 0 && ratio <= FR_SETTLED;
            if (moving[l] > 0 && !settled[l] && fr_stalls(ratio, before[l], iter)) {
                q->status[l] = FR_UNSTABLE;
                moving[l] = 0.0;
                left--;
            }
            mask[l] = moving[l];
            before[l] = ratio;
            any |= settled[l];
        }
        if (any)
            lanes_certify(s, c, y, square, objective, unrounded);
        memcpy(relative, unrounded, sizeof relative);
        if (any && q->round) {
            for (ptrdiff_t e = 0; e < p * VL; e++)
                if (settled[e % VL])
                    s->step[e] = (double)(float)(c[e] + s->step[e]) - c[e];
            lanes_certify(s, c, y, square, objective, relative);
        }
        for (int l = 0; l < VL; l++)
            if (settled[l]) {
                q->unrounded[t * VL + l] = unrounded[l];
                if (!isfinite(objective[l]) || !isfinite(relative[l]))
                    q->status[l] = FR_NOT_FINITE;
                q->objective[t * VL + l] = objective[l];
                q->relative_gradient[t * VL + l] = relative[l];
                moving[l] = 0.0;
                left--;
            }
        for (ptrdiff_t j = 0; j < p; j++)
            SET(c, j, AT(c, j) + LOAD_double(mask) * AT(s->step, j));
    }
    vec offset = AT(s->mean, y) + AT(s->first, y);
    for (ptrdiff_t j = 0; j < p; j++)
        offset -= (AT(s->mean, j) + AT(s->first, j)) * AT(c, j);
    SET(q->offset, t, offset);
}

static void ridge_lanes(fr_lanes *q)
{
    const ptrdiff_t p = q->p, ld = q->ld;
    lanes_state s = {.n = q->n, .p = p, .k = q->k, .ld = ld, .w = q->w, .alpha = q->alpha, .x = q->x};
    double **const fields[] = {&s.g, &s.u, &s.first, &s.mean, &s.full, &s.penalty, &s.alive,
                               &s.inverse, &s.gradient, &s.step, &s.product};
    double *memory = q->memory;
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
        *fields[f] = memory;
        memory += (f < 2 ? ld * ld : ld) * VL;
    }
    for (int l = 0; l < VL; l++)
        q->status[l] = 0;
    lanes_sum(&s, q->intercept);
    lanes_check_range(&s, q);
    lanes_centre(&s, q);
    lanes_factor(&s, q);
    for (ptrdiff_t t = 0; t < q->k; t++)
        lanes_target(&s, q, t);
}

#undef AT
#undef SET

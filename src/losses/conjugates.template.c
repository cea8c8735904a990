/* The convex conjugate of a loss, sup_eta (u eta - l(y, eta)): infinite where no eta has the slope u. */

/* Slopes are a weighted value divided by its weight: they carry round-off, so extend the end of
 * a domain by this relative amount. */
#define ROUNDED 1e-15

/* x log(x), 0 at 0 and below */
FR_INLINE double x_log_x(double x)
{
    return x > 0 ? x * fr_log(x) : 0.0;
}

/* p log(p) of p = 1 - q, to the precision of q where p is near 1 */
FR_INLINE double entropy_of(double p, double q)
{
    const double near = q < 0.5 ? q : 0.5, log_p = q < 0.5 ? fr_log1p(-near) : fr_log(p);
    return p > 0 ? p * log_p : 0.0;
}

FR_INLINE double squared_conjugate(double c, double y, double u)
{
    (void)c;
    return u * (y + 0.5 * u);
}

/* u = p - y; the smaller of p and q = 1 - p is exact for y of 0 and 1 */
FR_INLINE double logistic_conjugate(double c, double y, double u)
{
    const double p = y + u, q = (1.0 - y) - u, least = p < q ? p : q;
    const double low = least > 0 ? least < 0.5 ? least : 0.5 : 0.0;
    (void)c;
    return least >= -ROUNDED ? x_log_x(low) + (1.0 - low) * fr_log1p(-low) : INFINITY;
}

/* u = mu - y */
FR_INLINE double poisson_conjugate(double c, double y, double u)
{
    const double mu = y + u;
    (void)c;
    return mu >= -ROUNDED * y ? x_log_x(mu) - mu : INFINITY;
}

/* u = 1 - q, q = y / mu */
FR_INLINE double gamma_conjugate(double c, double y, double u)
{
    const double q = 1.0 - u;
    (void)c;
    return q >= -ROUNDED ? x_log_x(q) - q * (fr_log(y) + 1.0) : INFINITY;
}

/* u = theta p - y q */
FR_INLINE double negative_binomial_conjugate(double c, double log_c, double y, double u)
{
    const double size = y + c, p = (u + y) / size, q = (c - u) / size;
    const double value = size * (entropy_of(p, q) + entropy_of(q, p)) + (u + y) * log_c;
    return p >= -ROUNDED && q >= -ROUNDED ? value : INFINITY;
}

FR_INLINE double huber_conjugate(double c, double y, double u)
{
    return fabs(u) <= c * (1.0 + ROUNDED) ? u * (y + 0.5 * u) : INFINITY;
}

#define CONJUGATE_LOOP(name, SETUP, ...)                                                           \
    static double name##_conjugate_loop(double c, const double *y, const double *theta,            \
                                        const double *w, ptrdiff_t n)                              \
    {                                                                                              \
        double sum = 0.0, v[LOSS_BLOCK];                                                           \
        SETUP                                                                                      \
        for (ptrdiff_t i0 = 0; i0 < n; i0 += LOSS_BLOCK) {                                         \
            const ptrdiff_t m = n - i0 < LOSS_BLOCK ? n - i0 : LOSS_BLOCK;                         \
            const double *FR_RESTRICT yi = y + i0, *FR_RESTRICT ti = theta + i0;                   \
            if (w) {                                                                               \
                const double *FR_RESTRICT wi = w + i0;                                             \
                for (ptrdiff_t i = 0; i < m; i++) {                                                \
                    const double u = wi[i] > 0 ? ti[i] / wi[i] : 0.0;                              \
                    const double value = wi[i] * name##_conjugate(__VA_ARGS__, yi[i], u);          \
                    v[i] = wi[i] > 0 ? value : ti[i] == 0 ? 0.0 : INFINITY;                        \
                }                                                                                  \
            } else {                                                                               \
                for (ptrdiff_t i = 0; i < m; i++)                                                  \
                    v[i] = name##_conjugate(__VA_ARGS__, yi[i], ti[i]);                            \
            }                                                                                      \
            sum += sum_of_block(v, m);                                                             \
        }                                                                                          \
        return sum;                                                                                \
    }

CONJUGATE_LOOP(squared, , c)
CONJUGATE_LOOP(logistic, , c)
CONJUGATE_LOOP(poisson, , c)
CONJUGATE_LOOP(gamma, , c)
CONJUGATE_LOOP(negative_binomial, const double log_c = log(c);, c, log_c)
CONJUGATE_LOOP(huber, , c)
#undef CONJUGATE_LOOP
#undef ROUNDED

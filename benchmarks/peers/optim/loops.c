/* The plain loops, one pass each, as a compiler makes them for this machine; and STREAM's. */
#include <math.h>
#include <pthread.h>
#include <stddef.h>

typedef struct {
    float *w, *g, *m, *v;
    double *a, *b, *c;
    float lr, decay, keep, momentum, beta1, beta2, root, eps;
    ptrdiff_t n;
} arguments;

static void sgd_loop(float *restrict w, const float *restrict g, ptrdiff_t n, float lr, float decay)
{
    for (ptrdiff_t i = 0; i < n; i++)
        w[i] -= lr * (g[i] + decay * w[i]);
}

static void momentum_loop(float *restrict w, const float *restrict g, float *restrict b, ptrdiff_t n,
                          float lr, float decay, float mu)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        b[i] = mu * b[i] + g[i] + decay * w[i];
        w[i] -= lr * b[i];
    }
}

static void adamw_loop(float *restrict w, const float *restrict g, float *restrict m,
                       float *restrict v, ptrdiff_t n, float lr, float keep, float beta1,
                       float beta2, float root, float eps)
{
    for (ptrdiff_t i = 0; i < n; i++) {
        m[i] = beta1 * m[i] + (1 - beta1) * g[i];
        v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
        w[i] = keep * w[i] - lr * m[i] / (sqrtf(v[i]) * root + eps);
    }
}

static void copy_loop(double *restrict a, const double *restrict b, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++)
        a[i] = b[i];
}

static void triad_loop(double *restrict a, const double *restrict b, const double *restrict c,
                       ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++)
        a[i] = b[i] + 3.0 * c[i];
}

typedef struct {
    int kind;
    ptrdiff_t from, n;
    const arguments *x;
} part;

static void *run(void *p_)
{
    const part *p = p_;
    const arguments *x = p->x;
    const ptrdiff_t i = p->from;
    switch (p->kind) {
    case 0: sgd_loop(x->w + i, x->g + i, p->n, x->lr, x->decay); break;
    case 1: momentum_loop(x->w + i, x->g + i, x->m + i, p->n, x->lr, x->decay, x->momentum); break;
    case 2:
        adamw_loop(x->w + i, x->g + i, x->m + i, x->v + i, p->n, x->lr, x->keep, x->beta1, x->beta2,
                   x->root, x->eps);
        break;
    case 3: copy_loop(x->a + i, x->b + i, p->n); break;
    case 4: triad_loop(x->a + i, x->b + i, x->c + i, p->n); break;
    }
    return NULL;
}

/* one contiguous part for each of up to 64 threads, this one among them */
void loop(int kind, const arguments *x, int threads)
{
    pthread_t others[64];
    part parts[64];
    for (int t = 0; t < threads; t++) {
        const ptrdiff_t from = x->n * t / threads / 16 * 16;
        const ptrdiff_t to = t + 1 == threads ? x->n : x->n * (t + 1) / threads / 16 * 16;
        parts[t] = (part){kind, from, to - from, x};
        if (t)
            pthread_create(&others[t], NULL, run, &parts[t]);
    }
    run(&parts[0]);
    for (int t = 1; t < threads; t++)
        pthread_join(others[t], NULL);
}

#include "svmlight.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "compiler.h"
#include "decimal.h"
#include "parallel.h"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

/* Blanks and ends separate tokens. */
enum { BLANK = 1, END = 2, DIGIT = 4 };
static const unsigned char kind[256] = {
    [' '] = BLANK, ['\t'] = BLANK, ['\r'] = BLANK, ['\v'] = BLANK, ['\f'] = BLANK,
    ['\n'] = END, ['#'] = END,
    ['0'] = DIGIT, ['1'] = DIGIT, ['2'] = DIGIT, ['3'] = DIGIT, ['4'] = DIGIT,
    ['5'] = DIGIT, ['6'] = DIGIT, ['7'] = DIGIT, ['8'] = DIGIT, ['9'] = DIGIT,
};
#define IS(c, what) (kind[(unsigned char)(c)] & (what))

ptrdiff_t fr_next_line(const char *text, ptrdiff_t n, ptrdiff_t from)
{
    if (from >= n)
        return n;
    const char *end = memchr(text + from, '\n', (size_t)(n - from));
    return end ? end - text + 1 : n;
}

void fr_svmlight_cut(const char *text, ptrdiff_t size, ptrdiff_t block, ptrdiff_t *start,
                     ptrdiff_t i0, ptrdiff_t i1)
{
    for (ptrdiff_t i = i0; i < i1; i++) {
        const ptrdiff_t next = size / block <= i ? size : (i + 1) * block;
        /* a line that continues through several blocks is scanned once */
        start[i + 1] = start[i] >= next ? start[i] : fr_next_line(text, size, next - 1);
    }
}

#define LANES 32

int64_t fr_count_byte(const char *text, ptrdiff_t n, char c)
{
    int64_t total = 0;
    ptrdiff_t i = 0;
    while (n - i >= LANES) {
        unsigned char count[LANES] = {0};
        const ptrdiff_t whole = (n - i) / LANES, pieces = whole < 255 ? whole : 255;
        for (ptrdiff_t k = 0; k < pieces; k++, i += LANES)
            for (int j = 0; j < LANES; j++)
                count[j] += text[i + j] == c;
        for (int j = 0; j < LANES; j++)
            total += count[j];
    }
    for (; i < n; i++)
        total += text[i] == c;
    return total;
}

/* Count rows and elements of lines that begin with a label and have no comment or query; 0 if
 * one may have. */
static int count_plain(const char *text, ptrdiff_t n, fr_tally *t)
{
    const unsigned char *p = (const unsigned char *)text;
    ptrdiff_t i = 1;
    unsigned before = '\n';
    t->rows = t->elements = 0;
    if (n == 0)
        return 1;
    while (n - i >= LANES) {
        unsigned char row[LANES] = {0}, element[LANES] = {0}, other[LANES] = {0};
        const ptrdiff_t whole = (n - i) / LANES, pieces = whole < 255 ? whole : 255;
        for (ptrdiff_t k = 0; k < pieces; k++, i += LANES)
            for (int j = 0; j < LANES; j++) {
                const unsigned char c = p[i + j], begins = p[i + j - 1] == '\n';
                element[j] += c == ':';
                row[j] += begins & (c > ' ');
                other[j] |= (c == '#') | (c == 'q') | (begins & (c <= ' ') & (c != '\n'));
            }
        for (int j = 0; j < LANES; j++) {
            t->rows += row[j];
            t->elements += element[j];
            if (other[j])
                return 0;
        }
    }
    for (ptrdiff_t k = 0; k < n; k = k ? k + 1 : i) {
        /* the first byte, and the last ones */
        const unsigned c = p[k];
        if (k)
            before = p[k - 1];
        t->elements += c == ':';
        t->rows += before == '\n' && c > ' ';
        if (c == '#' || c == 'q' || (before == '\n' && c <= ' ' && c != '\n'))
            return 0;
    }
    return 1;
}

static const char *token_end(const char *p, const char *end)
{
    while (p < end && !IS(*p, BLANK | END))
        p++;
    return p;
}

static void count_line(const char *p, const char *end, int multilabel, fr_tally *t)
{
    const char *comment = memchr(p, '#', (size_t)(end - p));
    if (comment)
        end = comment;
    while (p < end && IS(*p, BLANK))
        p++;
    if (p == end)
        return;
    t->rows++;
    const char *second = token_end(p, end);
    const int64_t colons = fr_count_byte(p, second - p, ':');
    if (multilabel && colons)
        second = p;
    else if (multilabel)
        t->labels += 1 + fr_count_byte(p, second - p, ',');
    else
        t->elements += colons;
    while (second < end && IS(*second, BLANK))
        second++;
    if (end - second > 3 && memcmp(second, "qid:", 4) == 0) {
        t->queries++;
        second = token_end(second, end);
    }
    t->elements += fr_count_byte(second, end - second, ':');
}

typedef struct {
    const char *text;
    const ptrdiff_t *start;
    fr_tally *before;
    int multilabel;
    ptrdiff_t i0;
} counting;

static void count_block(void *context, ptrdiff_t i)
{
    const counting *q = context;
    i += q->i0;
    const char *p = q->text + q->start[i], *end = q->text + q->start[i + 1];
    fr_tally t = {0, 0, 0, 0};
    if (q->multilabel || !count_plain(p, end - p, &t)) {
        t.rows = t.elements = 0;
        while (p < end) {
            const char *line = memchr(p, '\n', (size_t)(end - p));
            line = line ? line : end;
            count_line(p, line, q->multilabel, &t);
            p = line + 1;
        }
    }
    q->before[i + 1] = t;
}

int fr_svmlight_count(const char *text, const ptrdiff_t *start, fr_tally *before, int multilabel,
                      ptrdiff_t i0, ptrdiff_t i1, int n_threads)
{
    counting q = {text, start, before, multilabel, i0};
    const int status = fr_parallel(count_block, &q, i1 - i0, n_threads);
    if (status)
        return status;
    for (ptrdiff_t i = i0; i < i1; i++) {
        before[i + 1].rows += before[i].rows;
        before[i + 1].elements += before[i].elements;
        before[i + 1].labels += before[i].labels;
        before[i + 1].queries += before[i].queries;
    }
    return 0;
}

/* Bytes beyond a line that may be read. */
#define AHEAD 8

static const uint64_t whole_ten[9] = {1,      10,      100,      1000,     10000,
                                      100000, 1000000, 10000000, 100000000};

/* Parse up to eight leading digits of p: their value and number. */
FR_INLINE uint64_t eight(const char *p, int *n)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    uint64_t t = 0;
    for (*n = 0; *n < 8 && IS(p[*n], DIGIT); ++*n)
        t = 10 * t + (uint64_t)(p[*n] - '0');
    return t;
#else
    uint64_t t;
    memcpy(&t, p, 8);
    t ^= 0x3030303030303030; /* a digit becomes its value, anything else is above 9 */
    const uint64_t other = ((t + 0x7676767676767676) | t) & 0x8080808080808080;
    int bits = 64; /* before the first other byte */
    if (other) {
#if defined(_MSC_VER) && !defined(__clang__)
        unsigned long k;
        _BitScanForward64(&k, other);
        bits = (int)k & 56;
#else
        bits = __builtin_ctzll(other) & 56;
#endif
    }
    *n = bits / 8;
    t = bits ? t << (64 - bits) : 0; /* zeros before the digits */
    t = 10 * t + (t >> 8);           /* pairs, in every second byte */
    return (((t & 0x000000ff000000ff) * 0x000f424000000064) +
            (((t >> 16) & 0x000000ff000000ff) * 0x0000271000000001)) >> 32;
#endif
}

/* Parse more digits, which follow those of w, modulo 2^64. */
FR_INLINE const char *digits(const char *p, uint64_t *w)
{
    int n;
    do {
        const uint64_t part = eight(p, &n);
        *w = *w * whole_ten[n] + part;
        p += n;
    } while (n == 8);
    return p;
}

#if !defined(FLT_EVAL_METHOD) || FLT_EVAL_METHOD == 0
#define EXACT_BELOW ((uint64_t)1 << 53)
#else
#define EXACT_BELOW 0 /* products are rounded twice */
#endif

static const double ten[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                               1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                               1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Parse a number in the usual form at p; NULL where fr_decimal has to decide. */
FR_INLINE const char *number(const char *p, double *value)
{
    const int negative = *p == '-';
    const char *first = p += negative;
    uint64_t w = 0;
    ptrdiff_t n, fraction = 0;
    int64_t q = 0;

    if (IS(*p, DIGIT) && IS(p[1], BLANK | END)) {
        *value = negative ? -(double)(*p - '0') : (double)(*p - '0');
        return p + 1;
    }
    if (IS(*p, DIGIT) && p[1] == '.')
        w = (uint64_t)(*p++ - '0');
    else
        p = digits(p, &w);
    n = p - first;
    if (*p == '.') {
        const char *dot = ++p;
        p = digits(p, &w);
        fraction = p - dot;
        q = -fraction;
        n += fraction;
    }
    if (n == 0)
        return NULL;
    if (n > 19) {
        /* w holds 19 digits */
        for (; first < p && (*first == '0' || *first == '.'); first++)
            n -= *first == '0';
        if (n > 19)
            return NULL;
    }
    if ((*p | 0x20) == 'e') {
        const int down = p[1] == '-';
        const char *power = p + 1 + (down || p[1] == '+');
        int m;
        const int64_t e = (int64_t)eight(power, &m);
        if (m == 0 || m == 8)
            return NULL;
        q += down ? -e : e;
        p = power + m;
    }
    double x;
    if (w < EXACT_BELOW && q >= -22 && q <= 22)
        /* both are exact: Clinger, How to read floating point numbers accurately (1990) */
        x = q < 0 ? (double)(int64_t)w / ten[-q] : (double)(int64_t)w * ten[q];
    else
        x = fr_decimal_scale(w, q);
    *value = negative ? -x : x;
    return p;
}

/* Parse the whole of [p, end) as int() does, up to 4300 bytes: 1, 0 where it is no integer, or
 * -1 where it does not fit. */
static int integer(const char *p, const char *end, int64_t *value)
{
    uint64_t w = 0;
    int n = 0, negative = 0, fits = 1;
    if (p < end && (*p == '-' || *p == '+'))
        negative = *p++ == '-';
    if (p == end || end - p > 4300)
        return 0;
    for (const char *first = p; p < end; p++) {
        if (*p == '_') {
            if (p == first || p[-1] == '_' || p + 1 == end)
                return 0;
        } else if (!IS(*p, DIGIT)) {
            return 0;
        } else if (n || *p != '0') {
            fits &= ++n <= 19;
            w = 10 * w + (uint64_t)(*p - '0');
        }
    }
    if (!fits || w > (uint64_t)INT64_MAX + (unsigned)negative)
        return -1;
    *value = negative ? (int64_t)(0 - w) : (int64_t)w;
    return 1;
}

typedef struct {
    const fr_svmlight *q;
    fr_found *found;
    int64_t row, element, label, query;
    fr_tally upto;
    int64_t lowest, highest;
    const char *without_query;
} reader;

/* Record and return the position of an error. */
static const char *fail(const reader *s, int error, const char *p)
{
    s->found->error = error;
    return p;
}

static const char *after_line(const char *p, const char *end)
{
    if (p >= end)
        return p;
    p = memchr(p, '\n', (size_t)(end - p));
    return p ? p + 1 : end;
}

/* Find the end of a token, in lines whose last byte is an end. */
FR_INLINE const char *end_of(const char *p)
{
    while (!IS(*p, BLANK | END))
        p++;
    return p;
}

static const char *labels(reader *s, const char *p)
{
    const fr_svmlight *q = s->q;
    const char *end = end_of(p);
    if (!memchr(p, ':', (size_t)(end - p))) {
        for (;;) {
            const char *comma = memchr(p, ',', (size_t)(end - p)), *upto = comma ? comma : end;
            if (s->label == s->upto.labels)
                return fail(s, FR_LINE_CHANGED, p);
            if (!fr_decimal(p, upto, &q->label[s->label]))
                return fail(s, FR_LINE_LABEL, p);
            s->label++;
            p = upto;
            if (!comma)
                break;
            p++;
        }
    }
    q->label_end[s->row] = s->label;
    return p;
}

/* Parse an index that is not in the usual form, up to its colon. */
static const char *odd_index(const reader *s, const char *p, int64_t *index)
{
    const char *end = end_of(p), *colon = memchr(p, ':', (size_t)(end - p));
    if (!colon)
        return fail(s, FR_LINE_COLON, p);
    const int found = integer(p, colon, index);
    if (found == 0)
        return fail(s, FR_LINE_INDEX, p);
    if (found < 0)
        return fail(s, *p == '-' ? FR_LINE_LOW : FR_LINE_HIGH, p);
    return colon;
}

static const char *query(reader *s, const char *p)
{
    const fr_svmlight *q = s->q;
    const char *end = end_of(p);
    if (memchr(p, 0, (size_t)(end - p)))
        return fail(s, FR_LINE_QUERY, p);
    if (q->queries) {
        if (s->query == s->upto.queries)
            return fail(s, FR_LINE_CHANGED, p);
        if (integer(p + 4, end, &q->query[s->query]) != 1)
            return fail(s, FR_LINE_QUERY, p + 4);
        s->query++;
    }
    return end;
}

/* Read the lines of [p, end); its last byte is an end, and AHEAD bytes more may be read. */
FR_INLINE const char *lines(reader *s, const char *p, const char *end, int single, int wide)
{
    const fr_svmlight *q = s->q;
    const int64_t most = s->upto.elements < q->room ? s->upto.elements : q->room;
    const int64_t first = q->first, shift = q->shift;
    const int64_t last = wide || q->last < INT32_MAX ? q->last : INT32_MAX;
    void *indices = q->indices, *data = q->data;

    while (p < end) {
        while (IS(*p, BLANK))
            p++;
        if (IS(*p, END)) {
            p = *p == '\n' ? p + 1 : after_line(p, end);
            continue;
        }
        const char *line = p;
        if (s->row == s->upto.rows)
            return fail(s, FR_LINE_CHANGED, p);
        if (q->multilabel) {
            p = labels(s, p);
            if (s->found->error)
                return p;
        } else {
            const char *next = number(p, &q->label[s->row]);
            if (!next || !IS(*next, BLANK | END)) {
                next = end_of(p);
                if (!fr_decimal(p, next, &q->label[s->row]))
                    return fail(s, FR_LINE_LABEL, p);
            }
            p = next;
        }
        while (IS(*p, BLANK))
            p++;
        if (*p == 'q' && p[1] == 'i' && p[2] == 'd' && p[3] == ':') {
            p = query(s, p);
            if (s->found->error)
                return p;
        } else if (!s->without_query) {
            s->without_query = line;
        }

        int64_t k = s->element, previous = -1;
        for (;;) {
            if (*p == ' ')
                p++;
            if (!IS(*p, DIGIT)) {
                while (IS(*p, BLANK))
                    p++;
                if (IS(*p, END))
                    break;
            }
            int n;
            int64_t index = (int64_t)eight(p, &n);
            const char *colon = p + n;
            if (*colon != ':' || n == 0) {
                colon = odd_index(s, p, &index);
                if (s->found->error)
                    return colon;
            }
            if (index <= previous || index < first || index > last) {
                if (index < first)
                    return fail(s, FR_LINE_LOW, p);
                if (index > q->last)
                    return fail(s, FR_LINE_HIGH, p);
                return fail(s, index > last ? FR_LINE_WIDE : FR_LINE_ORDER, p);
            }
            if (k >= most || p >= end)
                return fail(s, FR_LINE_CHANGED, p);
            double x;
            p = number(colon + 1, &x);
            if (!p || !IS(*p, BLANK | END)) {
                p = end_of(colon + 1);
                if (!fr_decimal(colon + 1, p, &x))
                    return fail(s, FR_LINE_VALUE, colon + 1);
            }
            if (k == s->element && index < s->lowest)
                s->lowest = index;
            previous = index;
            if (wide)
                ((int64_t *)indices)[k] = index - shift;
            else
                ((int32_t *)indices)[k] = (int32_t)(index - shift);
            if (single)
                ((float *)data)[k] = (float)x;
            else
                ((double *)data)[k] = x;
            k++;
        }
        if (previous > s->highest)
            s->highest = previous;
        s->element = k;
        if (wide)
            ((int64_t *)q->indptr)[s->row] = k;
        else
            ((int32_t *)q->indptr)[s->row] = (int32_t)k;
        s->row++;
        p = *p == '\n' ? p + 1 : after_line(p, end);
    }
    return p;
}

static const char *some_lines(reader *s, const char *p, const char *end)
{
    if (s->q->wide)
        return s->q->single ? lines(s, p, end, 1, 1) : lines(s, p, end, 0, 1);
    return s->q->single ? lines(s, p, end, 1, 0) : lines(s, p, end, 0, 0);
}

/* Copy the last lines of the text, with an end and room to read ahead. */
static const char *last_lines(reader *s, const char *p, const char *end)
{
    const size_t n = (size_t)(end - p);
    char *copy = malloc(n + 1 + AHEAD);
    if (!copy)
        return fail(s, FR_LINE_MEMORY, p);
    memcpy(copy, p, n);
    memset(copy + n, '\n', 1 + AHEAD);
    const char *without_query = s->without_query;
    const char *stop = some_lines(s, copy, copy + n + 1);
    if (s->without_query != without_query)
        s->without_query = p + (s->without_query - copy);
    stop = stop > copy + n ? end : p + (stop - copy);
    free(copy);
    return stop;
}

typedef struct {
    const fr_svmlight *q;
    ptrdiff_t i0;
} reading;

static void read_block(void *context, ptrdiff_t i)
{
    const fr_svmlight *q = ((reading *)context)->q;
    i += ((reading *)context)->i0;
    const char *p = q->text + q->start[i], *end = q->text + q->start[i + 1];
    const fr_tally *at = &q->before[i];
    fr_found *found = &q->found[i];
    reader s = {q,     found,     at->rows, at->elements, at->labels, at->queries,
                at[1], INT64_MAX, -1,       NULL};
    const char *direct = end;
    found->error = FR_LINE_FINE;
    if (p < end && q->text + q->size - end <= AHEAD) {
        /* lines that end near the end of the text */
        direct = q->text + q->size - p > AHEAD + 1 ? q->text + q->size - AHEAD - 1 : p;
        while (direct > p && direct[-1] != '\n')
            direct--;
    }
    if (p < direct)
        p = some_lines(&s, p, direct);
    if (!found->error && p < end)
        p = last_lines(&s, p, end);
    if (!found->error && (s.row != at[1].rows || s.element != at[1].elements ||
                          (q->multilabel && s.label != at[1].labels) ||
                          (q->queries && s.query != at[1].queries)))
        found->error = FR_LINE_CHANGED;
    found->where = p - q->text;
    found->without_query = s.without_query ? s.without_query - q->text : -1;
    found->lowest = s.lowest;
    found->highest = s.highest;
}

int fr_svmlight_read(const fr_svmlight *q, ptrdiff_t i0, ptrdiff_t i1, int n_threads)
{
    reading context = {q, i0};
    return fr_parallel(read_block, &context, i1 - i0, n_threads);
}

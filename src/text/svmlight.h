/* Text in the svmlight format: blocks of whole lines are counted, then read into arrays. */
#ifndef FASTRIDGE_SVMLIGHT_H
#define FASTRIDGE_SVMLIGHT_H

#include <stddef.h>
#include <stdint.h>

/* Numbers in a block, or in all blocks before it. */
typedef struct {
    int64_t rows, elements, labels, queries;
} fr_tally;

/* What is wrong with a line. */
enum {
    FR_LINE_FINE,
    FR_LINE_LABEL,     /* not a number */
    FR_LINE_COLON,     /* no colon in "index:value" */
    FR_LINE_INDEX,     /* not an integer */
    FR_LINE_LOW,       /* an index below the first */
    FR_LINE_HIGH,      /* an index above the last one allowed */
    FR_LINE_WIDE,      /* an index that needs 64 bits where the output has 32 */
    FR_LINE_ORDER,     /* an index that is not above the one before */
    FR_LINE_VALUE,     /* not a number */
    FR_LINE_QUERY,     /* not an integer of 64 bits */
    FR_LINE_CHANGED,   /* not the number counted */
    FR_LINE_MEMORY,
};

typedef struct {
    int error;
    ptrdiff_t where;          /* offset of the error in the text */
    ptrdiff_t without_query;  /* offset of the first such row, or -1 */
    int64_t lowest, highest;  /* index as written; INT64_MAX and -1 where there is none */
} fr_found;

typedef struct {
    const char *text;
    ptrdiff_t size;
    const ptrdiff_t *start;   /* (n_blocks + 1,) where the lines of each block begin */
    const fr_tally *before;   /* (n_blocks + 1,) */
    int multilabel, queries;  /* whether labels are lists; whether queries are kept */
    int single, wide;         /* float32 data; 64-bit indices and indptr */
    int64_t first, last;      /* indices allowed, as they are written */
    int64_t shift;            /* subtracted from an index */
    void *data, *indices, *indptr;   /* indptr: the end of each row */
    int64_t room;             /* of data and indices */
    double *label;
    int64_t *label_end, *query;      /* where multilabel; where queries */
    fr_found *found;          /* (n_blocks,) */
} fr_svmlight;

/* Set start[i0 + 1 .. i1], of blocks of `block` bytes each, from start[i0]: a line belongs to
 * the block where it begins. */
void fr_svmlight_cut(const char *text, ptrdiff_t size, ptrdiff_t block, ptrdiff_t *start,
                     ptrdiff_t i0, ptrdiff_t i1);

/* Set before[i0 + 1 .. i1] from before[i0]. */
int fr_svmlight_count(const char *text, const ptrdiff_t *start, fr_tally *before, int multilabel,
                      ptrdiff_t i0, ptrdiff_t i1, int n_threads);

/* Read blocks i0 .. i1 - 1; errors go to `found`. */
int fr_svmlight_read(const fr_svmlight *q, ptrdiff_t i0, ptrdiff_t i1, int n_threads);

/* Return the offset of the first line that begins after byte `from`, or n. */
ptrdiff_t fr_next_line(const char *text, ptrdiff_t n, ptrdiff_t from);

/* Count the bytes c. */
int64_t fr_count_byte(const char *text, ptrdiff_t n, char c);

#endif

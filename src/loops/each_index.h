/* The template of compressed rows, TEMPLATE, for both index widths; no guard: included once for each
 * type of values. */
#define I int32_t
#define IX i32
#include TEMPLATE
#undef I
#undef IX
#define I int64_t
#define IX i64
#include TEMPLATE
#undef I
#undef IX

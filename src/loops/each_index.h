/* Include TEMPLATE for both index widths; no include guard: included once per type of values. */
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

/* The loops of softmax_lanes.h, compiled once per instruction set; FR_ISA names the tables. */

#include "vec.h"

#include "kernels.h"
#include "softmax_lanes.h"

typedef char ones;

/* VL numbers of either type */
#define LANES_double vec
#define GET_double(p) LOAD_double(p)
#define PUTS_double(p, x) STORE(p, x)
#define ALL_double(x) SPLAT(x)
#ifdef FR_PLAIN
#define LANES_float float
#define GET_float(p) (*(p))
#define PUTS_float(p, x) (*(p) = (x))
#define ALL_float(x) ((float)(x))
#else
typedef float half_vec __attribute__((vector_size(FR_VBYTES / 2)));
#define LANES_float half_vec
#define GET_float(p) ((half_vec) * (const vecf_u *)(p))
#define PUTS_float(p, x) (*(vecf_u *)(p) = (vecf_u)(x))
#define ALL_float(x) ((float)(x) - (half_vec){0})
#endif

#define T double
#include "softmax_lanes.template.c"
#undef T
#define T float
#include "softmax_lanes.template.c"
#undef T

const fr_lane_kernels FR_CAT(fr_lane_kernels, FR_ISA)[2] = {
    {lane_rows_double, lane_scatter_double, lane_update_double, lane_direction_double},
    {lane_rows_float, lane_scatter_float, lane_update_float, lane_direction_float}};

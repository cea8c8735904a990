/* The loops of softmax_lanes.h, compiled once per instruction set; FR_ISA names the tables. */

#include "lane_types.h"

#include "kernels.h"
#include "softmax_lanes.h"

#define T double
#include "softmax_lanes.template.c"
#undef T
#define T float
#include "softmax_lanes.template.c"
#undef T

const fr_lane_kernels FR_CAT(fr_lane_kernels, FR_ISA)[2] = {
    {lane_rows_double, lane_scatter_double, lane_update_double, lane_direction_double},
    {lane_rows_float, lane_scatter_float, lane_update_float, lane_direction_float}};

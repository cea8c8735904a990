/* Registers of VL floats or doubles: LANES_, GET_, PUTS_ and ALL_ for each type. */
#ifndef FASTRIDGE_LANE_TYPES_H
#define FASTRIDGE_LANE_TYPES_H

#include "vec.h"

typedef char ones;

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

#endif

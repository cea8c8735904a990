/* Differences between compilers. */
#ifndef FASTRIDGE_COMPILER_H
#define FASTRIDGE_COMPILER_H

#if defined(_MSC_VER) && !defined(__clang__)
#define FR_RESTRICT __restrict
#define FR_INLINE static __forceinline
#else
#define FR_RESTRICT restrict
#define FR_INLINE static inline __attribute__((always_inline))
#endif

/* a number or pointer that threads read and write at any time */
#if defined(_MSC_VER) && !defined(__clang__)
#define FR_ATOMIC(type) type volatile
#else
#define FR_ATOMIC(type) _Atomic(type)
#endif

/* before a loop whose iterations are independent */
#if defined(__GNUC__) && !defined(__clang__)
#define FR_NO_ALIAS _Pragma("GCC ivdep")
#else
#define FR_NO_ALIAS
#endif

#if defined(__GNUC__) || defined(__clang__)
#define FR_PREFETCH(p) __builtin_prefetch(p)
#define FR_PREFETCH_LATER(p) __builtin_prefetch(p, 0, 2) /* into the second-level cache */
#else
#define FR_PREFETCH(p) ((void)0)
#define FR_PREFETCH_LATER(p) ((void)0)
#endif

#endif

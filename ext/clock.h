/* The tick source. Ticks are converted once, by the collector: docs/spool-format.md, "Ticks". */
#ifndef PT_CLOCK_H
#define PT_CLOCK_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "spool.h"

#if defined(_WIN32)
#include <windows.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

/* Nanoseconds of the system's monotonic clock. */
static inline uint64_t pt_monotonic_ns(void)
{
#if defined(_WIN32)
    static LARGE_INTEGER frequency;
    LARGE_INTEGER count;
    if (!frequency.QuadPart)
        QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&count);
    uint64_t seconds = count.QuadPart / frequency.QuadPart, rest = count.QuadPart % frequency.QuadPart;
    return seconds * 1000000000u + rest * 1000000000u / frequency.QuadPart;
#elif defined(__APPLE__)
    return clock_gettime_nsec_np(CLOCK_UPTIME_RAW);
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

static inline uint64_t pt_unix_ns(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The tick; never 0. `clock` is a pt_clock. */
static inline uint64_t pt_now(uint32_t clock)
{
#if defined(__x86_64__) && defined(__linux__)
    if (clock == PT_CLOCK_TSC)
        return __rdtsc();
#elif defined(__aarch64__) && !defined(_WIN32)
    if (clock == PT_CLOCK_TSC) {
        uint64_t count;
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
        return count;
    }
#else
    (void)clock;
#endif
    return pt_monotonic_ns();
}

/* The counter serves where the kernel itself keeps time by it and it neither stops nor changes its rate. */
static inline uint32_t pt_choose_clock(void)
{
#if defined(__x86_64__) && defined(__linux__)
    unsigned a, b, c, d = 0;
    char name[8] = "";
    FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");
    if (file) {
        if (!fgets(name, sizeof name, file))
            name[0] = 0;
        fclose(file);
    }
    int invariant = __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
    return invariant && strcmp(name, "tsc\n") == 0 ? PT_CLOCK_TSC : PT_CLOCK_MONOTONIC;
#elif defined(__aarch64__) && !defined(_WIN32)
    return PT_CLOCK_TSC;
#else
    return PT_CLOCK_MONOTONIC;
#endif
}

#endif

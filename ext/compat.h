/* What differs between compilers and between CPython 3.11 and 3.15: every test of either is here. */
#ifndef PT_COMPAT_H
#define PT_COMPAT_H

#include <Python.h>
#include <stdint.h>

/* ---- compilers ---- */

#if defined(_MSC_VER)
#define PT_LIKELY(x) (x)
#define PT_UNLIKELY(x) (x)
#define PT_COLD __declspec(noinline)
#define PT_THREAD_LOCAL __declspec(thread)
/* /volatile:ms, the default on x64: volatile loads acquire and volatile stores release. */
#define pt_load64(p) (*(volatile const uint64_t *)(p))
#define pt_load32(p) (*(volatile const uint32_t *)(p))
#define pt_store64(p, v) (*(volatile uint64_t *)(p) = (v))
#define pt_store32(p, v) (*(volatile uint32_t *)(p) = (v))
#define pt_swap32(p, v) ((uint32_t)_InterlockedExchange((volatile long *)(p), (long)(v)))
#else
#define PT_LIKELY(x) __builtin_expect(!!(x), 1)
#define PT_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PT_COLD __attribute__((noinline, cold, unused))
#if defined(__GLIBC__)
/* A load from a fixed offset; musl has no room for it in a module loaded late. */
#define PT_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))
#else
#define PT_THREAD_LOCAL __thread
#endif
#define pt_load64(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define pt_load32(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define pt_store64(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define pt_store32(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define pt_swap32(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#endif

/* ---- CPython ---- */

#define PT_HAS_MONITORING (PY_VERSION_HEX >= 0x030c0000)

#if PY_VERSION_HEX >= 0x030d0000
#define pt_python_thread() PyThreadState_GetUnchecked()
#else
#define pt_python_thread() _PyThreadState_UncheckedGet()
#endif

/* How deep a thread is: the same at a frame's entry and its exit, whatever the limit is set to. */
static inline uint32_t pt_depth_of(const PyThreadState *thread)
{
#if PT_HAS_MONITORING
    return (uint32_t)(thread->py_recursion_limit - thread->py_recursion_remaining);
#else
    return (uint32_t)(thread->recursion_limit - thread->recursion_remaining);
#endif
}

#if PT_HAS_MONITORING
#define pt_request_extra(free_function) PyUnstable_Eval_RequestCodeExtraIndex(free_function)
#define pt_get_extra(code, index, extra) PyUnstable_Code_GetExtra((PyObject *)(code), (index), (extra))
#define pt_set_extra(code, index, extra) PyUnstable_Code_SetExtra((PyObject *)(code), (index), (extra))
#else
#define pt_request_extra(free_function) _PyEval_RequestCodeExtraIndex(free_function)
#define pt_get_extra(code, index, extra) _PyCode_GetExtra((PyObject *)(code), (index), (extra))
#define pt_set_extra(code, index, extra) _PyCode_SetExtra((PyObject *)(code), (index), (extra))
#endif

/* pt_get_extra without its call, a tenth of a record's cost: it reads the array of CPython's codeobject.c, which is the
 * same from 3.11 to 3.15. The recorder tries it before it relies on it; free-threaded builds guard the array. */
typedef struct {
    Py_ssize_t size;
    void *extras[1];
} pt_code_extra;

static int pt_extra_is_plain;

static PT_COLD void *pt_ask_extra(PyObject *code, Py_ssize_t index)
{
    void *result = NULL;
    pt_get_extra(code, index, &result);
    return result;
}

static inline void *pt_extra_of(PyObject *code, Py_ssize_t index)
{
    if (PT_LIKELY(pt_extra_is_plain)) {
        pt_code_extra *extra = (pt_code_extra *)((PyCodeObject *)code)->co_extra;
        return extra && index < extra->size ? extra->extras[index] : NULL;
    }
    return pt_ask_extra(code, index);
}

/* Find out, on a code object that has `expected` there, whether the array may be read directly. */
static inline void pt_try_plain_extra(PyObject *code, Py_ssize_t index, void *expected)
{
#if !defined(Py_GIL_DISABLED)
    void *told = NULL;
    pt_get_extra(code, index, &told);
    pt_extra_is_plain = 1;
    pt_extra_is_plain = told == expected && pt_extra_of(code, index) == expected;
#endif
}

/* How builtin functions are called; the names that methodobject.h has for it vary. */
typedef PyObject *(*pt_fast_function)(PyObject *, PyObject *const *, Py_ssize_t);
typedef PyObject *(*pt_keywords_function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

/* The code object of the frame that runs; a new reference, or NULL without an exception. */
static inline PyObject *pt_current_code(void)
{
    PyFrameObject *frame = PyEval_GetFrame();
    return frame ? (PyObject *)PyFrame_GetCode(frame) : NULL;
}

#if defined(Py_GIL_DISABLED)
#define PT_FREE_THREADED 1
#else
#define PT_FREE_THREADED 0
#endif

#endif

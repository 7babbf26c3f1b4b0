/* CPython 3.11, which has no sys.monitoring: PyEval_SetProfile, turned into the same calls. */
#ifndef PT_PROFILE311_H
#define PT_PROFILE311_H

#include "compat.h"
#include "spool.h"

/* recorder.pyx sets them */
static void (*pt_profile_enter)(PyObject *code, uint32_t kind);
static void (*pt_profile_leave)(PyObject *code, uint32_t kind, PyObject *value);
static void (*pt_profile_call)(PyObject *code, uint32_t unit, PyObject *callable);
static void (*pt_profile_call_end)(PyObject *code, uint32_t unit, uint32_t kind);

#if PT_HAS_MONITORING
static inline void pt_set_profiler(int on) { (void)on; }
static inline int pt_profiler_is_set(void) { return 0; }
#else
#include <frameobject.h>
#include <opcode.h>

static int pt_profile(PyObject *self, PyFrameObject *frame, int what, PyObject *argument)
{
    (void)self;
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *object = (PyObject *)code;
    Py_DECREF(code); /* the frame holds it */
    int unit = PyFrame_GetLasti(frame) / (int)sizeof(_Py_CODEUNIT);
    _Py_CODEUNIT word = unit >= 0 ? _PyCode_CODE(code)[unit] : 0;
    switch (what) {
    case PyTrace_CALL:
        /* At the RESUME instruction, whose argument is 0 at a function's start; at the yield if thrown into. */
        pt_profile_enter(object, _Py_OPCODE(word) == YIELD_VALUE ? PT_THROW
                                 : _Py_OPARG(word) != 0          ? PT_RESUME
                                                                 : PT_START);
        break;
    case PyTrace_RETURN:
        pt_profile_leave(object, !argument ? PT_UNWIND : _Py_OPCODE(word) == YIELD_VALUE ? PT_YIELD : PT_RETURN,
                         argument);
        break;
    case PyTrace_C_CALL:
        pt_profile_call(object, (uint32_t)unit, argument);
        break;
    case PyTrace_C_RETURN:
        pt_profile_call_end(object, (uint32_t)unit, PT_C_RETURN);
        break;
    case PyTrace_C_EXCEPTION:
        pt_profile_call_end(object, (uint32_t)unit, PT_C_RAISE);
        break;
    }
    return 0;
}

/* 1: in every thread, 2: in this one, 0: nowhere. Another profiler's threads are left alone when switching off. */
static void pt_set_profiler(int on)
{
    PyThreadState *current = PyThreadState_Get();
    if (on == 2) {
        PyEval_SetProfile(pt_profile, NULL);
        return;
    }
    for (PyThreadState *t = PyInterpreterState_ThreadHead(current->interp); t; t = PyThreadState_Next(t))
        if (on || t->c_profilefunc == pt_profile)
            if (_PyEval_SetProfile(t, on ? pt_profile : NULL, NULL) < 0)
                PyErr_Clear();
}

static int pt_profiler_is_set(void) { return PyThreadState_Get()->c_profilefunc == pt_profile; }
#endif

#endif

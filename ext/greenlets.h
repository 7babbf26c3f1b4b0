/* Greenlets: each has a stack of its own, so that what is recorded as open on the thread's stack changes with them.
 *
 * The library tells a trace function, one a thread, of each switch: ours, as soon as the library is loaded. A program
 * that sets one is served by ours: greenlet.settrace and gettrace are stood in for while recording, as processes.h does it
 * with os.fork, so that theirs is called after ours, and neither knows of the other.
 */
#ifndef PT_GREENLETS_H
#define PT_GREENLETS_H

#include <stddef.h>

#include "tasks.h"

static struct {
    PyObject *settrace, *gettrace; /* the library's functions */
    PyMethodDef *their_settrace, *their_gettrace;
    PyMethodDef our_settrace, our_gettrace;
    PyTypeObject *type;
    PyObject *dead, *parent; /* getters of the type */
} pt_greenlets;

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *theirs; /* the trace function that the program set, or NULL */
} pt_tracer;

static void pt_tracer_free(PyObject *self)
{
    Py_XDECREF(((pt_tracer *)self)->theirs);
    PyObject_Free(self);
}

static PyTypeObject pt_tracer_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "pytest_timeline._recorder.Tracer",
    .tp_basicsize = sizeof(pt_tracer),
    .tp_dealloc = pt_tracer_free,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_vectorcall_offset = offsetof(pt_tracer, call),
    .tp_call = PyVectorcall_Call,
};

/* ---- a switch ---- */

/* Whether the getter says so of the greenlet; asked of the library's own type. */
static int pt_greenlet_is(PyObject *getter, PyObject *greenlet, PyObject *answer)
{
    PyObject *value = Py_TYPE(getter)->tp_descr_get(getter, greenlet, (PyObject *)Py_TYPE(greenlet));
    int is = value == answer;
    Py_XDECREF(value);
    PyErr_Clear();
    return is;
}

static PT_COLD void pt_tell_greenlet(PyObject *greenlet, pt_known_task *known)
{
    uint32_t id = pt_greenlet_is(pt_greenlets.parent, greenlet, Py_None) ? 0 : known->id; /* a main one has no parent */
    if (!pt_current || (id && known->file != pt_current->file->serial && !pt_tell_task(known, greenlet, 0)))
        return;
    pt_put_payload(PT_SWITCH, id, NULL, 0, "", 0);
}

static PT_COLD void pt_switch(PyObject *origin, PyObject *target)
{
    pt_thread_state *t = pt_current ? pt_room() : NULL;
    if (!t || !PyObject_TypeCheck(origin, pt_greenlets.type) || !PyObject_TypeCheck(target, pt_greenlets.type))
        return;
    pt_known_task *from = pt_know_task(origin, PT_GREENLET), *to = pt_know_task(target, PT_GREENLET);
    if (!from || !to || from == to)
        return;
    t = pt_me;
    from->stack = (pt_stack){t->open, t->calls, t->steps, t->depths, t->steps_depths};
    if (pt_greenlet_is(pt_greenlets.dead, origin, Py_True))
        pt_free_stack(&from->stack);
    t->open = to->stack.open;
    t->calls = to->stack.calls;
    t->steps = to->stack.steps;
    t->depths = to->stack.depths;
    t->steps_depths = to->stack.steps_depths;
    t->first_depths = PT_FIRST_GREENLET_DEPTHS;
    to->stack = (pt_stack){NULL, NULL, NULL, 0, 0};
    pt_tell_greenlet(target, to);
}

/* (event, (origin, target)), called in the target */
static PyObject *pt_trace_greenlets(PyObject *self, PyObject *const *args, size_t count, PyObject *names)
{
    PyObject *theirs = ((pt_tracer *)self)->theirs;
    if (PyVectorcall_NARGS(count) == 2 && PyTuple_CheckExact(args[1]) && PyTuple_GET_SIZE(args[1]) == 2)
        pt_switch(PyTuple_GET_ITEM(args[1], 0), PyTuple_GET_ITEM(args[1], 1));
    if (!theirs)
        Py_RETURN_NONE;
    Py_INCREF(theirs);
    PyObject *result = PyObject_Vectorcall(theirs, args, count, names);
    Py_DECREF(theirs);
    if (!result) { /* the library now takes its trace function away: ours comes back at the next record */
        Py_CLEAR(((pt_tracer *)self)->theirs);
        if (pt_me->alive) {
            pt_me->traces_greenlets = 0;
            if (pt_me->seat && pt_me->seat->naming == PT_NAMED) {
                pt_me->seat->naming = PT_UNNAMED;
                pt_me->end = pt_me->cursor;
            }
        }
    }
    return result;
}

/* ---- settrace and gettrace ---- */

/* This thread's tracer if it is ours, new; else NULL. */
static pt_tracer *pt_own_tracer(void)
{
    PyObject *self = ((PyCFunctionObject *)pt_greenlets.gettrace)->m_self;
    PyObject *tracer = pt_greenlets.their_gettrace->ml_meth(self, NULL);
    if (tracer && Py_IS_TYPE(tracer, &pt_tracer_type))
        return (pt_tracer *)tracer;
    Py_XDECREF(tracer);
    PyErr_Clear();
    return NULL;
}

static PyObject *pt_gettrace(PyObject *self, PyObject *unused)
{
    pt_tracer *own = pt_own_tracer();
    if (!own)
        return pt_greenlets.their_gettrace->ml_meth(self, unused);
    PyObject *theirs = Py_NewRef(own->theirs ? own->theirs : Py_None);
    Py_DECREF(own);
    return theirs;
}

static PyObject *pt_settrace(PyObject *self, PyObject *args)
{
    pt_tracer *own = PyTuple_GET_SIZE(args) == 1 ? pt_own_tracer() : NULL;
    if (!own)
        return pt_greenlets.their_settrace->ml_meth(self, args);
    PyObject *before = own->theirs, *next = PyTuple_GET_ITEM(args, 0);
    own->theirs = next == Py_None ? NULL : Py_NewRef(next);
    Py_DECREF(own);
    return before ? before : Py_NewRef(Py_None);
}

static PT_COLD int pt_find_greenlets(void)
{
    PyObject *module = pt_loaded_module("greenlet._greenlet");
    PyObject *dict = module ? PyModule_GetDict(module) : NULL;
    PyObject *type = dict ? PyDict_GetItemString(dict, "greenlet") : NULL;
    PyObject *settrace = dict ? PyDict_GetItemString(dict, "settrace") : NULL;
    PyObject *gettrace = dict ? PyDict_GetItemString(dict, "gettrace") : NULL;
    if (!type || !PyType_Check(type) || !settrace || !PyCFunction_CheckExact(settrace) || !gettrace ||
        !PyCFunction_CheckExact(gettrace) || ((PyCFunctionObject *)settrace)->m_ml->ml_flags != METH_VARARGS ||
        ((PyCFunctionObject *)gettrace)->m_ml->ml_flags != METH_NOARGS || PyType_Ready(&pt_tracer_type) < 0)
        return 0;
    pt_greenlets.dead = PyDict_GetItemString(((PyTypeObject *)type)->tp_dict, "dead");
    pt_greenlets.parent = PyDict_GetItemString(((PyTypeObject *)type)->tp_dict, "parent");
    if (!pt_greenlets.dead || !pt_greenlets.parent || !Py_IS_TYPE(pt_greenlets.dead, &PyGetSetDescr_Type) ||
        !Py_IS_TYPE(pt_greenlets.parent, &PyGetSetDescr_Type))
        return 0;
    pt_greenlets.their_settrace = ((PyCFunctionObject *)settrace)->m_ml;
    pt_greenlets.their_gettrace = ((PyCFunctionObject *)gettrace)->m_ml;
    pt_greenlets.our_settrace = *pt_greenlets.their_settrace;
    pt_greenlets.our_settrace.ml_meth = pt_settrace;
    pt_greenlets.our_gettrace = *pt_greenlets.their_gettrace;
    pt_greenlets.our_gettrace.ml_meth = pt_gettrace;
    Py_INCREF(pt_greenlets.dead);
    Py_INCREF(pt_greenlets.parent);
    pt_greenlets.gettrace = Py_NewRef(gettrace);
    pt_greenlets.type = (PyTypeObject *)Py_NewRef(type);
    pt_greenlets.settrace = Py_NewRef(settrace);
    return 1;
}

/* ---- on and off ---- */

static PyObject *pt_set_tracer(PyObject *tracer)
{
    PyObject *args = PyTuple_Pack(1, tracer);
    PyObject *self = ((PyCFunctionObject *)pt_greenlets.settrace)->m_self;
    PyObject *before = args ? pt_greenlets.their_settrace->ml_meth(self, args) : NULL;
    Py_XDECREF(args);
    return before;
}

/* If the library is loaded, be told of this thread's switches. Called at a thread's first records. */
static PT_COLD void pt_trace_thread(pt_thread_state *t)
{
    if (t->traces_greenlets || (!pt_greenlets.settrace && !pt_find_greenlets()))
        return;
    t->traces_greenlets = 1;
    ((PyCFunctionObject *)pt_greenlets.settrace)->m_ml = &pt_greenlets.our_settrace;
    ((PyCFunctionObject *)pt_greenlets.gettrace)->m_ml = &pt_greenlets.our_gettrace;
    pt_tracer *own = pt_own_tracer();
    if (!own) {
        own = PyObject_New(pt_tracer, &pt_tracer_type);
        if (!own) {
            PyErr_Clear();
            return;
        }
        own->call = pt_trace_greenlets;
        own->theirs = NULL;
        PyObject *before = pt_set_tracer((PyObject *)own);
        if (before && before != Py_None)
            own->theirs = Py_NewRef(before);
        Py_XDECREF(before);
    }
    Py_DECREF(own);
    PyErr_Clear();
}

/* The library has been loaded just now: every thread looks at its next record. */
static PT_COLD void pt_trace_threads(void)
{
    for (uint32_t i = 0; i < pt_states_used; i++) {
        pt_thread_state *t = pt_states[i];
        if (t->alive && t->seat && t->seat->naming == PT_NAMED && !pt_in_sink(t)) {
            t->seat->naming = PT_UNNAMED;
            t->end = t->cursor;
        }
    }
}

/* The recording is over: this thread gets its own trace function back; other threads' tracers only pass on. */
static PT_COLD void pt_leave_greenlets(void)
{
    if (!pt_greenlets.settrace)
        return;
    pt_tracer *own = pt_own_tracer();
    if (own) {
        Py_XDECREF(pt_set_tracer(own->theirs ? own->theirs : Py_None));
        Py_DECREF(own);
    }
    ((PyCFunctionObject *)pt_greenlets.settrace)->m_ml = pt_greenlets.their_settrace;
    ((PyCFunctionObject *)pt_greenlets.gettrace)->m_ml = pt_greenlets.their_gettrace;
    for (uint32_t i = 0; i < pt_states_used; i++)
        pt_states[i]->traces_greenlets = 0;
    PyErr_Clear();
}

#endif

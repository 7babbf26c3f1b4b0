/* The libraries that run tasks: which task runs in this thread, and what it is called.
 *
 * Nothing here imports a library, or runs code of the program: what is asked are C functions of asyncio's, and attributes
 * through the slots of the libraries' own types.
 */
#ifndef PT_LOOPS_H
#define PT_LOOPS_H

#include "naming.h"
#include "spool.h"

/* ---- asyncio ---- */

static struct {
    PyObject *running_loop; /* functions of _asyncio's */
    PyObject *current_task; /* from 3.12 on */
    PyObject *current_tasks; /* a dict by loop; what 3.11 has instead */
    PyTypeObject *task;
    PyObject *name, *coroutine, *done; /* methods of the type */
    PyTypeObject *python_task; /* the same in Python, NULL before it was looked for */
    PyTypeObject *gathering;
} pt_asyncio;

static PT_COLD int pt_find_asyncio(void)
{
    PyObject *module = pt_loaded_module("_asyncio");
    if (!module)
        return 0;
    PyObject *dict = PyModule_GetDict(module);
    PyObject *task = PyDict_GetItemString(dict, "Task");
    PyObject *running_loop = PyDict_GetItemString(dict, "_get_running_loop");
    if (!task || !PyType_CheckExact(task) || !running_loop)
        return 0;
    pt_asyncio.name = PyObject_GetAttrString(task, "get_name");
    pt_asyncio.coroutine = PyObject_GetAttrString(task, "get_coro");
    pt_asyncio.done = PyObject_GetAttrString(task, "done");
    if (!pt_asyncio.name || !pt_asyncio.coroutine || !pt_asyncio.done)
        return 0;
    pt_asyncio.current_task = Py_XNewRef(PyDict_GetItemString(dict, "current_task"));
    pt_asyncio.current_tasks = Py_XNewRef(PyDict_GetItemString(dict, "_current_tasks"));
    pt_asyncio.task = (PyTypeObject *)Py_NewRef(task);
    pt_asyncio.running_loop = Py_NewRef(running_loop);
    return 1;
}

static inline int pt_has_asyncio(void) { return PT_LIKELY(pt_asyncio.running_loop != NULL) || pt_find_asyncio(); }

/* What asyncio.tasks has in Python. */
static PT_COLD void pt_find_python_asyncio(void)
{
    PyObject *module = pt_loaded_module("asyncio.tasks");
    PyObject *dict = module ? PyModule_GetDict(module) : NULL;
    PyObject *task = dict ? PyDict_GetItemString(dict, "_PyTask") : NULL;
    PyObject *gathering = dict ? PyDict_GetItemString(dict, "_GatheringFuture") : NULL;
    if (task && gathering && PyType_CheckExact(task) && PyType_CheckExact(gathering)) {
        pt_asyncio.python_task = (PyTypeObject *)Py_NewRef(task);
        pt_asyncio.gathering = (PyTypeObject *)Py_NewRef(gathering);
    }
}

/* Whether it is one of asyncio's tasks. */
static int pt_is_task(PyObject *object)
{
    if (!pt_has_asyncio())
        return 0;
    if (PyObject_TypeCheck(object, pt_asyncio.task))
        return 1;
    if (!pt_asyncio.python_task)
        pt_find_python_asyncio();
    return pt_asyncio.python_task && PyObject_TypeCheck(object, pt_asyncio.python_task);
}

typedef struct {
    PyObject *task; /* a reference */
    uint64_t loop;
    uint16_t kind;
} pt_running;

static int pt_ask_asyncio(pt_running *running)
{
    if (!pt_has_asyncio())
        return 0;
    PyObject *loop = PyObject_CallNoArgs(pt_asyncio.running_loop);
    PyObject *task = NULL;
    if (loop && loop != Py_None) {
        if (pt_asyncio.current_task)
            task = PyObject_CallOneArg(pt_asyncio.current_task, loop);
        else if (pt_asyncio.current_tasks && PyDict_CheckExact(pt_asyncio.current_tasks))
            task = Py_XNewRef(PyDict_GetItemWithError(pt_asyncio.current_tasks, loop));
        running->loop = (uint64_t)(uintptr_t)loop;
        running->kind = PT_ASYNCIO;
    }
    Py_XDECREF(loop);
    if (task == Py_None)
        Py_CLEAR(task);
    running->task = task;
    return task != NULL;
}

/* ---- trio ---- */

static PyObject *pt_trio_context; /* trio's GLOBAL_RUN_CONTEXT, a threading.local */

static int pt_ask_trio(pt_running *running)
{
    if (!pt_trio_context) {
        PyObject *module = pt_loaded_module("trio._core._run");
        PyObject *context = module ? PyDict_GetItemString(PyModule_GetDict(module), "GLOBAL_RUN_CONTEXT") : NULL;
        if (!context)
            return 0;
        pt_trio_context = Py_NewRef(context);
    }
    PyObject *dict = PyObject_GetAttrString(pt_trio_context, "__dict__"); /* this thread's */
    PyObject *task = dict && PyDict_CheckExact(dict) ? PyDict_GetItemString(dict, "task") : NULL;
    if (task) {
        running->task = Py_NewRef(task);
        running->loop = (uint64_t)(uintptr_t)PyDict_GetItemString(dict, "runner");
        running->kind = PT_TRIO;
    }
    Py_XDECREF(dict);
    PyErr_Clear();
    return task != NULL;
}

/* ---- names ---- */

/* An attribute of an instance of a class written in Python, as its own dictionary has it; new, or NULL. */
static PyObject *pt_instance_attribute(PyObject *object, const char *name)
{
    PyObject *dict = PyObject_GenericGetDict(object, NULL);
    PyObject *value = dict && PyDict_CheckExact(dict) ? Py_XNewRef(PyDict_GetItemString(dict, name)) : NULL;
    Py_XDECREF(dict);
    return value;
}

/* An attribute that the object's own class keeps in a slot; new, or NULL. */
static PyObject *pt_slot_of(PyObject *object, const char *name)
{
    PyObject *dict = Py_TYPE(object)->tp_dict; /* of a class written in Python */
    PyObject *member = dict ? PyDict_GetItemString(dict, name) : NULL;
    PyObject *value = NULL;
    if (member && Py_IS_TYPE(member, &PyMemberDescr_Type))
        value = PyMemberDescr_Type.tp_descr_get(member, object, (PyObject *)Py_TYPE(object));
    PyErr_Clear();
    return value;
}

/* The name that the task has now, a str; new, or NULL. */
static PyObject *pt_own_name(PyObject *task, uint16_t kind)
{
    PyObject *name = NULL;
    if (kind == PT_ASYNCIO && pt_asyncio.task && PyObject_TypeCheck(task, pt_asyncio.task))
        name = PyObject_CallOneArg(pt_asyncio.name, task);
    else if (kind == PT_ASYNCIO)
        name = pt_instance_attribute(task, "_name");
    else if (kind == PT_TRIO)
        name = pt_slot_of(task, "name");
    if (name && PyUnicode_CheckExact(name))
        return name;
    Py_XDECREF(name);
    PyErr_Clear();
    return NULL;
}

/* Whether get_coro() may be asked: 3.12's crashes for an eager task that is done (it has let go of its coroutine). */
static int pt_has_coroutine(PyObject *task)
{
#if PY_VERSION_HEX >= 0x030c0000 && PY_VERSION_HEX < 0x030d0000
    PyObject *done = PyObject_CallOneArg(pt_asyncio.done, task);
    Py_XDECREF(done);
    return done == Py_False;
#else
    return 1;
#endif
}

/* The task's coroutine; new, or NULL. */
static PyObject *pt_coroutine_of(PyObject *task, uint16_t kind)
{
    if (kind == PT_ASYNCIO && pt_asyncio.task && PyObject_TypeCheck(task, pt_asyncio.task))
        return pt_has_coroutine(task) ? PyObject_CallOneArg(pt_asyncio.coroutine, task) : NULL;
    if (kind == PT_ASYNCIO)
        return pt_instance_attribute(task, "_coro");
    return NULL;
}

/* The qualified name of the task's coroutine; new, or NULL where it has none or its type is not the interpreter's. */
static PyObject *pt_coroutine_name(PyObject *task, uint16_t kind)
{
    PyObject *coroutine = pt_coroutine_of(task, kind), *name = NULL;
    if (coroutine && (PyCoro_CheckExact(coroutine) || PyGen_CheckExact(coroutine)))
        name = PyObject_GetAttrString(coroutine, "__qualname__");
    Py_XDECREF(coroutine);
    if (name && PyUnicode_CheckExact(name))
        return name;
    Py_XDECREF(name);
    PyErr_Clear();
    return NULL;
}

#endif

/* The tasks of event loops: which one runs here, and which ones the spool knows.
 *
 * Nothing here imports a loop's library, keeps a task, a coroutine or a loop alive, or runs code of the program: what is
 * asked are C functions of asyncio's and attributes through the slots of the libraries' own types.
 */
#ifndef PT_TASKS_H
#define PT_TASKS_H

#include "naming.h"
#include "writer.h"

/* ---- errors ---- */

typedef struct {
    PyObject *type, *value, *traceback;
} pt_error;

/* 3.11 shows a frame that is thrown into while the exception is set; what is called then must not find it. */
static inline pt_error pt_put_error_by(void)
{
    pt_error error = {NULL, NULL, NULL};
#if !PT_HAS_MONITORING
    PyErr_Fetch(&error.type, &error.value, &error.traceback);
#endif
    return error;
}

static inline void pt_put_error_back(pt_error error)
{
#if PT_HAS_MONITORING
    (void)error;
    PyErr_Clear();
#else
    PyErr_Restore(error.type, error.value, error.traceback);
#endif
}

/* ---- which tasks are known ---- */

typedef struct {
    PyObject *task;      /* its address; never followed */
    PyObject *reference; /* weak, untracked: says whether the task at that address is still the same */
    uint32_t id;
    uint32_t file;  /* the serial of the file that has its PT_TASK */
    uint32_t steps; /* that were recorded */
    uint32_t parent;
    uint64_t loop;
    Py_hash_t name; /* the hash of its name as it was last written */
    uint16_t kind;
} pt_known_task;

static pt_known_task **pt_tasks; /* open addressing by the task's address */
static size_t pt_tasks_room, pt_tasks_used; /* `used` counts those that are gone, until the table grows */
static uint32_t pt_next_task = 1;
#if PT_FREE_THREADED
static uint32_t pt_tasks_lock;
#define PT_LOCK_TASKS while (pt_swap32(&pt_tasks_lock, 1)) pt_sleep_us(1)
#define PT_UNLOCK_TASKS pt_store32(&pt_tasks_lock, 0)
#else /* no Python code runs, and so no other thread, from a look into the table to the end of a change of it */
#define PT_LOCK_TASKS (void)0
#define PT_UNLOCK_TASKS (void)0
#endif

static inline int pt_refers_to(PyObject *reference, PyObject *object)
{
#if PY_VERSION_HEX >= 0x030d0000
    PyObject *target = NULL;
    int same = PyWeakref_GetRef(reference, &target) == 1 && target == object;
    Py_XDECREF(target);
    return same;
#else
    return PyWeakref_GET_OBJECT(reference) == object;
#endif
}

static inline int pt_is_gone(PyObject *reference)
{
#if PY_VERSION_HEX >= 0x030d0000
    PyObject *target = NULL;
    int gone = PyWeakref_GetRef(reference, &target) != 1;
    Py_XDECREF(target);
    return gone;
#else
    return PyWeakref_GET_OBJECT(reference) == Py_None;
#endif
}

static inline size_t pt_task_slot(PyObject *task, size_t room)
{
    return (size_t)(((uint64_t)(uintptr_t)task >> 4) * 0x9e3779b97f4a7c15ULL >> 20) & (room - 1);
}

static inline pt_known_task *pt_find_task(PyObject *task)
{
    if (!pt_tasks_room)
        return NULL;
    for (size_t i = pt_task_slot(task, pt_tasks_room); pt_tasks[i]; i = (i + 1) & (pt_tasks_room - 1))
        if (pt_tasks[i]->task == task && pt_refers_to(pt_tasks[i]->reference, task))
            return pt_tasks[i];
    return NULL;
}

/* Make a table of twice those that are not gone, or leave all as it is. */
static PT_COLD int pt_grow_tasks(void)
{
    size_t alive = 0, room = 256;
    for (size_t i = 0; i < pt_tasks_room; i++)
        if (pt_tasks[i] && pt_is_gone(pt_tasks[i]->reference)) {
            Py_DECREF(pt_tasks[i]->reference);
            pt_tasks[i]->reference = NULL;
        } else
            alive += pt_tasks[i] != NULL;
    while (room < 4 * alive)
        room *= 2;
    pt_known_task **table = calloc(room, sizeof *table);
    for (size_t i = 0; i < pt_tasks_room; i++) {
        pt_known_task *known = pt_tasks[i];
        if (!known)
            continue;
        if (!known->reference || !table) {
            Py_XDECREF(known->reference);
            free(known);
            continue;
        }
        size_t at = pt_task_slot(known->task, room);
        while (table[at])
            at = (at + 1) & (room - 1);
        table[at] = known;
    }
    free(pt_tasks);
    pt_tasks = table;
    pt_tasks_room = table ? room : 0;
    pt_tasks_used = table ? alive : 0;
    return table != NULL;
}

/* What is known of a task that lives, and will while the result is used. NULL when it can't be told apart. */
static pt_known_task *pt_know_task(PyObject *task, uint16_t kind)
{
    PT_LOCK_TASKS;
    pt_known_task *known = pt_find_task(task);
    PT_UNLOCK_TASKS;
    if (PT_LIKELY(known != NULL))
        return known;
    PyObject *reference = PyWeakref_NewRef(task, NULL); /* may collect garbage, whose finalizers may run anything */
    if (!reference) {
        PyErr_Clear();
        return NULL;
    }
    PyObject_GC_UnTrack(reference); /* a test that counts objects does not count this one */
    known = calloc(1, sizeof *known);
    PT_LOCK_TASKS;
    pt_known_task *other = pt_find_task(task);
    if (other || !known || (2 * pt_tasks_used >= pt_tasks_room && !pt_grow_tasks())) {
        PT_UNLOCK_TASKS;
        Py_DECREF(reference);
        free(known);
        return other;
    }
    size_t at = pt_task_slot(task, pt_tasks_room);
    while (pt_tasks[at])
        at = (at + 1) & (pt_tasks_room - 1);
    known->task = task;
    known->reference = reference;
    known->id = pt_next_task++;
    known->kind = kind;
    pt_tasks[at] = known;
    pt_tasks_used++;
    PT_UNLOCK_TASKS;
    return known;
}

/* ---- asyncio ---- */

static struct {
    PyObject *running_loop; /* functions of _asyncio's */
    PyObject *current_task; /* from 3.12 on */
    PyObject *current_tasks; /* a dict by loop; what 3.11 has instead */
    PyTypeObject *task;
    PyObject *name, *coroutine; /* methods of the type */
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
    if (!pt_asyncio.name || !pt_asyncio.coroutine)
        return 0;
    pt_asyncio.current_task = Py_XNewRef(PyDict_GetItemString(dict, "current_task"));
    pt_asyncio.current_tasks = Py_XNewRef(PyDict_GetItemString(dict, "_current_tasks"));
    pt_asyncio.task = (PyTypeObject *)Py_NewRef(task);
    pt_asyncio.running_loop = Py_NewRef(running_loop);
    return 1;
}

static inline int pt_has_asyncio(void) { return PT_LIKELY(pt_asyncio.running_loop != NULL) || pt_find_asyncio(); }

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

/* ---- names ---- */

/* An attribute of an instance of a class written in Python, as its own dictionary has it; new, or NULL. */
static PyObject *pt_instance_attribute(PyObject *object, const char *name)
{
    PyObject *dict = PyObject_GenericGetDict(object, NULL);
    PyObject *value = dict && PyDict_CheckExact(dict) ? Py_XNewRef(PyDict_GetItemString(dict, name)) : NULL;
    Py_XDECREF(dict);
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
    if (name && PyUnicode_CheckExact(name))
        return name;
    Py_XDECREF(name);
    PyErr_Clear();
    return NULL;
}

/* The qualified name of the task's coroutine; new, or NULL where it has none or its type is not the interpreter's. */
static PyObject *pt_coroutine_name(PyObject *task, uint16_t kind)
{
    PyObject *coroutine = NULL, *name = NULL;
    if (kind == PT_ASYNCIO && pt_asyncio.task && PyObject_TypeCheck(task, pt_asyncio.task))
        coroutine = PyObject_CallOneArg(pt_asyncio.coroutine, task);
    else if (kind == PT_ASYNCIO)
        coroutine = pt_instance_attribute(task, "_coro");
    if (coroutine && (PyCoro_CheckExact(coroutine) || PyGen_CheckExact(coroutine)))
        name = PyObject_GetAttrString(coroutine, "__qualname__");
    Py_XDECREF(coroutine);
    if (name && PyUnicode_CheckExact(name))
        return name;
    Py_XDECREF(name);
    PyErr_Clear();
    return NULL;
}

/* Write a PT_TASK if this file has none yet, or another name. 0 when the task may not be named in a record. */
static int pt_tell_task(pt_known_task *known, PyObject *task, int created)
{
    int told = pt_current && known->file == pt_current->file->serial && known->file;
    PyObject *own = pt_own_name(task, known->kind);
    Py_hash_t hash = own ? PyObject_Hash(own) : 0;
    if (!pt_current || (told && hash == known->name)) {
        Py_XDECREF(own);
        return told;
    }
    PyObject *coroutine = pt_coroutine_name(task, known->kind);
    PyObject *text = own && coroutine ? PyUnicode_FromFormat("%U (%U)", own, coroutine)
                     : own            ? Py_NewRef(own)
                     : coroutine      ? Py_NewRef(coroutine)
                                      : pt_type_public_name(Py_TYPE(task));
    PyObject *bytes = text ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace") : NULL;
    pt_task head = {known->loop, known->parent, known->kind, created && !told ? PT_CREATED : 0};
    if (bytes && pt_current) {
        Py_ssize_t size = PyBytes_GET_SIZE(bytes);
        if (pt_put_payload(PT_TASK, known->id, &head, sizeof head, PyBytes_AS_STRING(bytes),
                           size < (Py_ssize_t)PT_MAX_TEXT ? (size_t)size : PT_MAX_TEXT)) {
            known->file = pt_current->file->serial;
            known->name = hash;
            told = 1;
        }
    }
    Py_XDECREF(bytes);
    Py_XDECREF(text);
    Py_XDECREF(coroutine);
    Py_XDECREF(own);
    PyErr_Clear();
    return told;
}

/* ---- steps ---- */

/* The id of the task whose step runs here, 0 if none. Its name is looked at in its first steps, and then less and less
 * often: whoever gives it one does that early. */
static PT_COLD uint32_t pt_running_task(void)
{
    pt_running running = {NULL, 0, 0};
    pt_error error = pt_put_error_by();
    uint32_t id = 0;
    if (pt_ask_asyncio(&running)) {
        pt_known_task *known = pt_know_task(running.task, running.kind);
        if (known) {
            uint32_t steps = ++known->steps;
            if (!known->loop)
                known->loop = running.loop;
            if ((known->file == pt_current->file->serial && (steps & (steps - 1)) != 0) ||
                pt_tell_task(known, running.task, 0))
                id = known->id;
        }
        Py_DECREF(running.task);
    }
    pt_put_error_back(error);
    return id;
}

/* Make room in the array by depth; called where `depth` is beyond it. */
static PT_COLD int pt_deepen_steps(pt_thread_state *t, uint32_t depth)
{
    uint32_t depths = t->steps_depths ? t->steps_depths : PT_FIRST_DEPTHS;
    while (depths <= depth)
        depths *= 2;
    pt_step *steps = realloc(t->steps, depths * sizeof *steps);
    if (!steps)
        return 0;
    memset(steps + t->steps_depths, 0, (depths - t->steps_depths) * sizeof *steps);
    t->steps = steps;
    t->steps_depths = depths;
    return 1;
}

/* Whether a recorded coroutine's frame runs at this depth. */
static inline int pt_is_coroutine_at(const pt_thread_state *t, uint32_t depth)
{
    return depth < t->steps_depths && depth < t->depths && t->open[depth].frame &&
           t->open[depth].frame == t->steps[depth].frame;
}

/* Before the record that a coroutine's frame is entered. There the parent is a recorded coroutine's frame, or else this
 * one is the outermost of a step: the loop's own code called it, so the question which task runs is asked once a step. */
static PT_COLD void pt_enter_coroutine(pt_thread_state *t, uint32_t depth, uint32_t frame)
{
    uint32_t task = 0;
    if (depth >= t->steps_depths && !pt_deepen_steps(t, depth))
        return;
    if (!depth || !pt_is_coroutine_at(t, depth - 1)) {
        task = pt_running_task();
        t = task ? pt_room() : NULL;
        if (t)
            pt_put(t, pt_now(pt_tick_source), PT_WORD(PT_STEP, depth, task));
        t = pt_me;
        if (depth >= t->steps_depths)
            return;
    }
    t->steps[depth].frame = frame;
    t->steps[depth].task = task;
}

#endif

/* The tasks that were met: told apart by weak references, so that none is kept alive, and named in the spool. */
#ifndef PT_TASKS_H
#define PT_TASKS_H

#include "loops.h"
#include "writer.h"

/* ---- which tasks are known ---- */

typedef struct { /* the arrays by depth of a greenlet that does not run now */
    pt_open *open;
    pt_open_call *calls;
    pt_step *steps;
    uint32_t depths, steps_depths;
} pt_stack;

static inline void pt_free_stack(pt_stack *stack)
{
    free(stack->open);
    free(stack->calls);
    free(stack->steps);
    *stack = (pt_stack){NULL, NULL, NULL, 0, 0};
}

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
    pt_stack stack;
    uint16_t watched; /* its loop shows what makes it ready */
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

static inline size_t pt_address_slot(PyObject *object, size_t room)
{
    return (size_t)(((uint64_t)(uintptr_t)object >> 4) * 0x9e3779b97f4a7c15ULL >> 20) & (room - 1);
}

static inline pt_known_task *pt_find_task(PyObject *task)
{
    if (!pt_tasks_room)
        return NULL;
    for (size_t i = pt_address_slot(task, pt_tasks_room); pt_tasks[i]; i = (i + 1) & (pt_tasks_room - 1))
        if (pt_tasks[i]->task == task && pt_refers_to(pt_tasks[i]->reference, task))
            return pt_tasks[i];
    return NULL;
}

/* The id of a task whose finalizer runs: weak references to it may have been cleared already. 0 if it is not known. */
static PT_COLD uint32_t pt_dying_task(PyObject *task)
{
    uint32_t id = 0;
    PT_LOCK_TASKS;
    if (pt_tasks_room)
        for (size_t i = pt_address_slot(task, pt_tasks_room); pt_tasks[i]; i = (i + 1) & (pt_tasks_room - 1))
            if (pt_tasks[i]->task == task && pt_tasks[i]->id > id)
                id = pt_tasks[i]->id; /* the last that had this address */
    PT_UNLOCK_TASKS;
    return id;
}

/* Make a table with room for as many again as are not gone. Without memory for it, all are forgotten. */
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
            pt_free_stack(&known->stack);
            free(known);
            continue;
        }
        size_t at = pt_address_slot(known->task, room);
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
    size_t at = pt_address_slot(task, pt_tasks_room);
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

/* How many recorded frames of this id are open, on the stacks of all threads and greenlets. */
static PT_COLD uint32_t pt_count_open(uint32_t frame)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < pt_states_used; i++)
        for (uint32_t depth = 0; depth < pt_states[i]->depths; depth++)
            count += pt_states[i]->open[depth].frame == frame;
    for (size_t i = 0; i < pt_tasks_room; i++)
        for (uint32_t depth = 0; pt_tasks[i] && depth < pt_tasks[i]->stack.depths; depth++)
            count += pt_tasks[i]->stack.open[depth].frame == frame;
    return count;
}

/* ---- what the spool knows of them ---- */

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

#endif

/* Functions of the loops' libraries whose frames tell more than that they run: who makes which task ready, whose end has
 * which consequence, which work goes to another thread. Their arguments are read when they are entered, after the
 * record of that, so that what is told is told from inside them.
 */
#ifndef PT_WATCH_H
#define PT_WATCH_H

#include "greenlets.h"
#include "steps.h"

enum pt_action {
    PT_CALL_SOON,     /* a callback is scheduled */
    PT_RUN_HANDLE,    /* and runs */
    PT_MAKE_TASK,     /* returns a task that may be new, or newly named */
    PT_AWAIT_GROUP,   /* yields until the tasks in the argument's `_tasks` have ended */
    PT_AWAIT_SET,     /* yields until tasks in the argument have ended */
    PT_AWAIT_ONE,     /* yields until the argument has ended */
    PT_RESCHEDULE,    /* the argument, a task of trio's, is made ready */
    PT_TASK_EXITED,   /* the argument, a task of trio's, has ended */
    PT_HAND_OVER,     /* the argument goes to another thread */
    PT_HAND_OVER_ARGS, /* and so does this tuple, if it does not carry something that was handed over already */
    PT_TAKE_UP,       /* and is there */
    PT_TAKE_UP_JOB,   /* and is there, first in the argument's `_job` */
    PT_NEVER_AWAITED, /* the argument is a coroutine that goes unused */
    PT_LOADED_GREENLETS, /* when it returns, greenlet is loaded */
    PT_LOOP_TROUBLE,  /* the argument is asyncio's account of some trouble */
};

typedef struct {
    const char *name, *file; /* co_qualname, and how co_filename ends */
    enum pt_action action;
    const char *argument;
} pt_watched;

static const pt_watched pt_watch_list[] = {
    {NULL, NULL, PT_CALL_SOON, NULL}, /* 0 stands for all that are not watched */
    {"BaseEventLoop._call_soon", "asyncio/base_events.py", PT_CALL_SOON, "callback"},
    {"BaseEventLoop.call_soon_threadsafe", "asyncio/base_events.py", PT_HAND_OVER_ARGS, "args"},
    {"BaseEventLoop.call_exception_handler", "asyncio/base_events.py", PT_LOOP_TROUBLE, "context"},
    {"BaseEventLoop.create_task", "asyncio/base_events.py", PT_MAKE_TASK, NULL},
    {"Handle._run", "asyncio/events.py", PT_RUN_HANDLE, "self"},
    {"create_task", "asyncio/tasks.py", PT_MAKE_TASK, NULL},
    {"ensure_future", "asyncio/tasks.py", PT_MAKE_TASK, NULL},
    {"_ensure_future", "asyncio/tasks.py", PT_MAKE_TASK, NULL},
    {"_wait", "asyncio/tasks.py", PT_AWAIT_SET, "fs"},
    {"wait_for", "asyncio/tasks.py", PT_AWAIT_ONE, "fut"}, /* 3.11's, by a future of its own */
    {"TaskGroup.create_task", "asyncio/taskgroups.py", PT_MAKE_TASK, NULL},
    {"TaskGroup._aexit", "asyncio/taskgroups.py", PT_AWAIT_GROUP, "self"},
    {"TaskGroup.__aexit__", "asyncio/taskgroups.py", PT_AWAIT_GROUP, "self"},
    {"_chain_future.<locals>._call_set_state", "asyncio/futures.py", PT_HAND_OVER, "source"},
    {"_chain_future.<locals>._set_state", "asyncio/futures.py", PT_TAKE_UP, "other"},
    {"_WorkItem.__init__", "concurrent/futures/thread.py", PT_HAND_OVER, "self"},
    {"_WorkItem.run", "concurrent/futures/thread.py", PT_TAKE_UP, "self"},
    {"_warn_unawaited_coroutine", "warnings.py", PT_NEVER_AWAITED, "coro"},
    {"<module>", "greenlet/__init__.py", PT_LOADED_GREENLETS, NULL},
    {"Runner.reschedule", "trio/_core/_run.py", PT_RESCHEDULE, "task"},
    {"Runner.task_exited", "trio/_core/_run.py", PT_TASK_EXITED, "task"},
    {"ThreadCache.start_thread_soon", "trio/_core/_thread_cache.py", PT_HAND_OVER, "fn"},
    {"WorkerThread._handle_job", "trio/_core/_thread_cache.py", PT_TAKE_UP_JOB, "self"},
    {"to_thread_run_sync.<locals>.deliver_worker_fn_result", "trio/_threads.py", PT_HAND_OVER, "result"},
    {"to_thread_run_sync.<locals>.report_back_in_trio_thread_fn", "trio/_threads.py", PT_TAKE_UP, "result"},
};

/* The place in the list of the function with this code, 0 if it is not watched. */
static PT_COLD uint8_t pt_watched_function(const char *name, const char *file)
{
    size_t length = strlen(file);
    for (size_t i = 1; i < sizeof pt_watch_list / sizeof *pt_watch_list; i++) {
        size_t tail = strlen(pt_watch_list[i].file);
        if (strcmp(name, pt_watch_list[i].name) || length < tail)
            continue;
        const char *a = file + length - tail, *b = pt_watch_list[i].file;
        while (*b && (*a == *b || (*a == '\\' && *b == '/')))
            a++, b++;
        if (!*b)
            return (uint8_t)i;
    }
    return 0;
}

/* ---- what a frame was called with ---- */

/* Interned names. */
static struct {
    PyObject *self, *args, *bound_to;
} pt_words;

static inline int pt_have_words(void)
{
    if (PT_UNLIKELY(!pt_words.bound_to)) {
        pt_words.self = PyUnicode_InternFromString("self");
        pt_words.args = PyUnicode_InternFromString("args");
        pt_words.bound_to = PyUnicode_InternFromString("__self__");
    }
    return pt_words.self && pt_words.args && pt_words.bound_to;
}

/* The argument of the frame that runs, by an interned name; new, or NULL without an exception. */
static PyObject *pt_argument(PyObject *name)
{
    PyFrameObject *frame = name ? PyEval_GetFrame() : NULL;
    PyObject *value = NULL;
    if (frame) {
#if PT_HAS_MONITORING
        value = PyFrame_GetVar(frame, name);
#else
        PyObject *locals = PyFrame_GetLocals(frame);
        value = locals && PyDict_CheckExact(locals) ? Py_XNewRef(PyDict_GetItemWithError(locals, name)) : NULL;
        Py_XDECREF(locals);
#endif
    }
    if (!value)
        PyErr_Clear();
    return value;
}

/* The argument that the list names. */
static PyObject *pt_watched_argument(uint8_t watched)
{
    static PyObject *names[sizeof pt_watch_list / sizeof *pt_watch_list];
    if (!names[watched])
        names[watched] = PyUnicode_InternFromString(pt_watch_list[watched].argument);
    return pt_argument(names[watched]);
}

/* ---- records ---- */

static inline void pt_tell(uint32_t kind, uint32_t depth, uint32_t id)
{
    pt_thread_state *t = pt_room();
    if (t)
        pt_put(t, pt_now(pt_tick_source), PT_WORD(kind, depth, id));
}

static PT_COLD void pt_tell_note(uint32_t task, const char *what, PyObject *name)
{
    const char *text = name && PyUnicode_CheckExact(name) ? PyUnicode_AsUTF8(name) : NULL;
    char note[PT_MAX_TEXT];
    PyErr_Clear();
    int size = snprintf(note, sizeof note, text ? "%s: %s" : "%s", what, text);
    if (size > 0)
        pt_put_payload(PT_NOTE, task, NULL, 0, note, size < (int)sizeof note ? (size_t)size : sizeof note - 1);
}

/* ---- tasks made, made ready, ended ---- */

/* See to it that the task has its PT_TASK. Returns what is known of it, NULL if it may not be named. */
static pt_known_task *pt_meet_task(PyObject *task, uint16_t kind, PyObject *loop, uint32_t depth, int created)
{
    pt_known_task *known = pt_know_task(task, kind);
    if (!known)
        return NULL;
    if (known->file == pt_current->file->serial)
        return known;
    if (loop && !known->loop)
        known->loop = (uint64_t)(uintptr_t)loop;
    if (created && !known->file)
        known->parent = pt_task_around(pt_me, depth);
    return pt_tell_task(known, task, created && !known->file) ? known : NULL;
}

static int pt_is_done(PyObject *task)
{
    PyObject *done;
    if (PyObject_TypeCheck(task, pt_asyncio.task))
        done = PyObject_CallOneArg(pt_asyncio.done, task);
    else {
        PyObject *state = pt_instance_attribute(task, "_state");
        int pending = state && PyUnicode_CheckExact(state) && PyUnicode_CompareWithASCIIString(state, "PENDING") == 0;
        Py_XDECREF(state);
        return state && !pending;
    }
    int result = done == Py_True;
    Py_XDECREF(done);
    PyErr_Clear();
    return result;
}

/* Whether the task's coroutine has not begun yet. */
static int pt_is_fresh(PyObject *task)
{
    PyObject *coroutine = pt_coroutine_of(task, PT_ASYNCIO);
    PyObject *suspended = NULL, *running = NULL, *frame = NULL;
    int fresh = 1; /* of another kind than the interpreter's: there is no telling, and it is met for the first time */
    if (coroutine && PyCoro_CheckExact(coroutine)) {
        suspended = PyObject_GetAttrString(coroutine, "cr_suspended");
        running = PyObject_GetAttrString(coroutine, "cr_running");
        frame = suspended == Py_False && running == Py_False ? PyObject_GetAttrString(coroutine, "cr_frame") : NULL;
        fresh = frame && frame != Py_None;
    }
    Py_XDECREF(suspended);
    Py_XDECREF(running);
    Py_XDECREF(frame);
    Py_XDECREF(coroutine);
    PyErr_Clear();
    return fresh;
}

enum pt_callback_kind { PT_OTHER_CALLBACK, PT_STEP_CALLBACK, PT_WAKEUP_CALLBACK };

/* The task that the callback takes a step of; new. NULL if it does something else. */
static PyObject *pt_callbacks_task(PyObject *callback, enum pt_callback_kind *kind)
{
    static PyTypeObject *step; /* the type of what asyncio's tasks in C schedule for a step */
    PyTypeObject *type = Py_TYPE(callback);
    *kind = PT_OTHER_CALLBACK;
    if (PyCFunction_CheckExact(callback)) { /* task_wakeup, bound to the task */
        PyObject *self = ((PyCFunctionObject *)callback)->m_self;
        if (self && pt_has_asyncio() && PyObject_TypeCheck(self, pt_asyncio.task) &&
            strcmp(((PyCFunctionObject *)callback)->m_ml->ml_name, "task_wakeup") == 0) {
            *kind = PT_WAKEUP_CALLBACK;
            return Py_NewRef(self);
        }
        return NULL;
    }
    if (!step && (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE) || type->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) &&
        (strcmp(type->tp_name, "_asyncio.TaskStepMethWrapper") == 0 || strcmp(type->tp_name, "TaskStepMethWrapper") == 0))
        step = type;
    if (step && type == step) {
        PyObject *task = PyObject_GetAttr(callback, pt_words.bound_to);
        if (task && pt_is_task(task)) {
            *kind = PT_STEP_CALLBACK;
            return task;
        }
        Py_XDECREF(task);
        PyErr_Clear();
        return NULL;
    }
    if (type == &PyMethod_Type && PyFunction_Check(PyMethod_GET_FUNCTION(callback)) &&
        pt_is_task(PyMethod_GET_SELF(callback))) {
        PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(PyMethod_GET_FUNCTION(callback));
        if (PyUnicode_CompareWithASCIIString(code->co_qualname, "Task.__step") == 0)
            *kind = PT_STEP_CALLBACK;
        else if (PyUnicode_CompareWithASCIIString(code->co_qualname, "Task.__wakeup") == 0)
            *kind = PT_WAKEUP_CALLBACK;
        return *kind ? Py_NewRef(PyMethod_GET_SELF(callback)) : NULL;
    }
    return NULL;
}

/* The first of a callback's arguments, if it is a task that is done; borrowed. */
static PyObject *pt_ended_task(PyObject *args)
{
    PyObject *first = args && PyTuple_CheckExact(args) && PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : NULL;
    return first && pt_is_task(first) && pt_is_done(first) ? first : NULL;
}

/* How many callbacks that are told of a task's end are scheduled, or more: some are cancelled. */
static uint32_t pt_end_callbacks;

static void pt_at_call_soon(PyObject *callback, uint32_t depth)
{
    enum pt_callback_kind kind = PT_OTHER_CALLBACK;
    PyObject *task = pt_callbacks_task(callback, &kind);
    PyObject *args = kind == PT_STEP_CALLBACK ? NULL : pt_argument(pt_words.args);
    PyObject *ended = pt_ended_task(args);
    if (task) {
        pt_known_task *source = ended ? pt_meet_task(ended, PT_ASYNCIO, NULL, depth, 0) : NULL;
        pt_known_task *known = pt_find_task(task);
        if (!known || known->file != pt_current->file->serial) {
            int created = !(known && known->file) && kind == PT_STEP_CALLBACK && pt_is_fresh(task);
            PyObject *loop = pt_argument(pt_words.self);
            known = pt_meet_task(task, PT_ASYNCIO, loop, depth, created);
            Py_XDECREF(loop);
            if (created) {
                if (known)
                    known->watched = 1;
                known = NULL; /* creation implies ready */
            }
        }
        if (known) {
            known->watched = 1;
            if (source)
                pt_tell(PT_ENDED, depth, source->id);
            pt_tell(PT_READY, 0, known->id);
        }
    } else if (ended)
        pt_end_callbacks++;
    Py_XDECREF(task);
    Py_XDECREF(args);
}

static void pt_at_reschedule(PyObject *task, uint32_t depth)
{
    pt_known_task *known = pt_find_task(task);
    int created = !known || !known->file; /* it is rescheduled first when it is made */
    PyObject *runner = created ? pt_argument(pt_words.self) : NULL;
    known = pt_meet_task(task, PT_TRIO, runner, depth, created);
    Py_XDECREF(runner);
    if (known && !created)
        pt_tell(PT_READY, 0, known->id);
}

static void pt_at_task_exited(PyObject *task, uint32_t depth)
{
    pt_known_task *known = pt_meet_task(task, PT_TRIO, NULL, depth, 0);
    if (known)
        pt_tell(PT_ENDED, depth, known->id);
}

/* ---- what goes from thread to thread ---- */

typedef struct {
    PyObject *object; /* its address, from handing over to taking up, while those who do keep it alive; never followed */
    uint32_t token;
} pt_parcel;

static pt_parcel *pt_parcels; /* open addressing by the object's address */
static size_t pt_parcels_used, pt_parcels_room;

/* Where the object is, or would be. */
static size_t pt_parcel_slot(PyObject *object)
{
    size_t at = pt_address_slot(object, pt_parcels_room);
    while (pt_parcels[at].object && pt_parcels[at].object != object)
        at = (at + 1) & (pt_parcels_room - 1);
    return at;
}

static int pt_is_parcel(PyObject *object) { return pt_parcels_used && pt_parcels[pt_parcel_slot(object)].object; }

static PT_COLD int pt_grow_parcels(void)
{
    pt_parcel *old = pt_parcels;
    size_t old_room = pt_parcels_room, room = old_room ? 2 * old_room : 64;
    pt_parcel *parcels = calloc(room, sizeof *parcels);
    if (!parcels)
        return 0;
    pt_parcels = parcels;
    pt_parcels_room = room;
    for (size_t i = 0; i < old_room; i++)
        if (old[i].object)
            parcels[pt_parcel_slot(old[i].object)] = old[i];
    free(old);
    return 1;
}

static PT_COLD void pt_hand_over(PyObject *object)
{
    static uint32_t token;
    pt_link head = {0, 0};
    uint32_t own = 0;
    PT_LOCK_TASKS;
    if (2 * pt_parcels_used < pt_parcels_room || pt_grow_parcels()) {
        pt_parcel *parcel = &pt_parcels[pt_parcel_slot(object)];
        pt_parcels_used += !parcel->object;
        *parcel = (pt_parcel){object, own = ++token};
    }
    PT_UNLOCK_TASKS;
    if (own)
        pt_put_payload(PT_LINK, own, &head, sizeof head, "", 0);
}

static PT_COLD void pt_hand_over_args(PyObject *args)
{
    if (!PyTuple_CheckExact(args) || !PyTuple_GET_SIZE(args)) /* there is one empty tuple for all */
        return;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++)
        if (pt_is_parcel(PyTuple_GET_ITEM(args, i)))
            return;
    pt_hand_over(args);
}

static PT_COLD void pt_take_up(PyObject *object, uint32_t depth)
{
    pt_link head = {depth, 1};
    uint32_t token = 0;
    PT_LOCK_TASKS;
    if (pt_is_parcel(object)) {
        size_t hole = pt_parcel_slot(object), mask = pt_parcels_room - 1;
        token = pt_parcels[hole].token;
        pt_parcels[hole].object = NULL;
        pt_parcels_used--;
        for (size_t i = (hole + 1) & mask; pt_parcels[i].object; i = (i + 1) & mask) { /* put those behind where they belong */
            pt_parcel parcel = pt_parcels[i];
            pt_parcels[i].object = NULL;
            pt_parcels[pt_parcel_slot(parcel.object)] = parcel;
        }
    }
    PT_UNLOCK_TASKS;
    if (token)
        pt_put_payload(PT_LINK, token, &head, sizeof head, "", 0);
}

/* ---- callbacks of asyncio's ---- */

/* What a callback makes ready comes of a task's end, if it is told of that, or from the thread that scheduled it. */
static void pt_at_run_handle(PyObject *self, uint32_t depth)
{
    static PyObject *handle_args, *handle_callback; /* slots of asyncio.Handle */
    if (!pt_end_callbacks && !pt_parcels_used)
        return;
    if (!handle_args) {
        PyObject *module = pt_loaded_module("asyncio.events");
        PyObject *type = module ? PyDict_GetItemString(PyModule_GetDict(module), "Handle") : NULL;
        PyObject *dict = type && PyType_CheckExact(type) ? ((PyTypeObject *)type)->tp_dict : NULL;
        PyObject *args = dict ? PyDict_GetItemString(dict, "_args") : NULL;
        PyObject *callback = dict ? PyDict_GetItemString(dict, "_callback") : NULL;
        if (!args || !callback || !Py_IS_TYPE(args, &PyMemberDescr_Type) || !Py_IS_TYPE(callback, &PyMemberDescr_Type))
            return;
        handle_args = Py_NewRef(args);
        handle_callback = Py_NewRef(callback);
    }
    /* TypeError where it is no Handle */
    PyObject *args = PyMemberDescr_Type.tp_descr_get(handle_args, self, (PyObject *)Py_TYPE(self));
    PyObject *ended = args && pt_end_callbacks ? pt_ended_task(args) : NULL;
    if (args && pt_parcels_used)
        pt_take_up(args, depth);
    if (ended) {
        PyObject *callback = PyMemberDescr_Type.tp_descr_get(handle_callback, self, (PyObject *)Py_TYPE(self));
        enum pt_callback_kind kind = PT_OTHER_CALLBACK;
        PyObject *task = callback ? pt_callbacks_task(callback, &kind) : NULL;
        if (!task) {
            pt_known_task *known = pt_meet_task(ended, PT_ASYNCIO, NULL, depth, 0);
            pt_end_callbacks--;
            if (known)
                pt_tell(PT_ENDED, depth, known->id);
        }
        Py_XDECREF(task);
        Py_XDECREF(callback);
    }
    Py_XDECREF(args);
}

/* ---- trouble ---- */

static PT_COLD void pt_at_never_awaited(PyObject *coroutine)
{
    PyObject *name = PyCoro_CheckExact(coroutine) ? PyObject_GetAttrString(coroutine, "__qualname__") : NULL;
    pt_tell_note(0, "never awaited", name);
    Py_XDECREF(name);
}

/* What asyncio says when a future or task goes whose exception nobody asked for, or a task that is not done. */
static PT_COLD void pt_at_loop_trouble(PyObject *context)
{
    if (PyDict_CheckExact(context)) {
        PyObject *message = PyDict_GetItemString(context, "message");
        PyObject *exception = PyDict_GetItemString(context, "exception");
        PyObject *task = PyDict_GetItemString(context, "task");
        const char *text = message && PyUnicode_CheckExact(message) ? PyUnicode_AsUTF8(message) : NULL;
        if (!task)
            task = PyDict_GetItemString(context, "future");
        uint32_t id = task ? pt_dying_task(task) : 0;
        if (text && exception && strstr(text, "exception was never retrieved")) {
            PyObject *type = pt_type_public_name(Py_TYPE(exception));
            pt_tell_note(id, "exception never retrieved", type);
            Py_XDECREF(type);
        } else if (text && strstr(text, "was destroyed but it is pending"))
            pt_tell_note(id, "destroyed while pending", NULL);
    }
    PyErr_Clear();
}

/* ---- the hooks' calls ---- */

/* A watched function was entered, and that is recorded. */
static PT_COLD void pt_watch_entry(uint8_t watched, uint32_t depth)
{
    enum pt_action action = pt_watch_list[watched].action;
    if (action == PT_MAKE_TASK || action == PT_LOADED_GREENLETS || action == PT_AWAIT_GROUP || action == PT_AWAIT_SET || action == PT_AWAIT_ONE ||
        (action == PT_RUN_HANDLE && !pt_end_callbacks && !pt_parcels_used))
        return;
    pt_error error = pt_put_error_by();
    PyObject *argument = pt_have_words() ? pt_watched_argument(watched) : NULL, *job;
    if (argument)
        switch (action) {
        case PT_CALL_SOON:
            pt_at_call_soon(argument, depth);
            break;
        case PT_RUN_HANDLE:
            pt_at_run_handle(argument, depth);
            break;
        case PT_RESCHEDULE:
            pt_at_reschedule(argument, depth);
            break;
        case PT_TASK_EXITED:
            pt_at_task_exited(argument, depth);
            break;
        case PT_HAND_OVER:
            pt_hand_over(argument);
            break;
        case PT_HAND_OVER_ARGS:
            pt_hand_over_args(argument);
            break;
        case PT_TAKE_UP:
            pt_take_up(argument, depth);
            break;
        case PT_TAKE_UP_JOB:
            job = pt_slot_of(argument, "_job");
            if (job && PyTuple_CheckExact(job) && PyTuple_GET_SIZE(job))
                pt_take_up(PyTuple_GET_ITEM(job, 0), depth);
            Py_XDECREF(job);
            break;
        case PT_NEVER_AWAITED:
            pt_at_never_awaited(argument);
            break;
        case PT_LOOP_TROUBLE:
            pt_at_loop_trouble(argument);
            break;
        default:
            break;
        }
    Py_XDECREF(argument);
    pt_put_error_back(error);
}

/* A watched function is about to return this, maybe a new task; the record of that comes after. */
static PT_COLD void pt_watch_return(uint8_t watched, uint32_t depth, PyObject *value)
{
    if (pt_watch_list[watched].action == PT_LOADED_GREENLETS)
        pt_trace_threads();
    if (pt_watch_list[watched].action != PT_MAKE_TASK || !value || !pt_is_task(value))
        return;
    pt_known_task *known = pt_find_task(value);
    if (known && known->file) {
        pt_tell_task(known, value, 0);
        return;
    }
    pt_running running = {NULL, 0, 0};
    if (pt_ask_asyncio(&running))
        Py_DECREF(running.task);
    pt_meet_task(value, PT_ASYNCIO, (PyObject *)(uintptr_t)running.loop, depth, pt_is_fresh(value));
}

/* ---- what a step that ends waits for ---- */

#define PT_MAX_AWAITED 100

static void pt_tell_awaited(PyObject *task, uint32_t depth)
{
    if (!pt_is_task(task) || pt_is_done(task))
        return;
    pt_known_task *known = pt_meet_task(task, PT_ASYNCIO, NULL, depth, 0);
    if (known)
        pt_tell(PT_AWAITS, 0, known->id);
}

/* Those in a list or set, a copy of which is walked: what is asked of them may run other threads. */
static void pt_tell_all_awaited(PyObject *tasks, uint32_t depth)
{
    PyObject *copy = NULL;
    if (tasks && (PyList_CheckExact(tasks) || PyAnySet_CheckExact(tasks)))
        copy = PySequence_Tuple(tasks);
    for (Py_ssize_t i = 0; copy && i < PyTuple_GET_SIZE(copy) && i < PT_MAX_AWAITED; i++)
        pt_tell_awaited(PyTuple_GET_ITEM(copy, i), depth);
    Py_XDECREF(copy);
    PyErr_Clear();
}

/* A coroutine's frame yields. Where the loop's own code is Python, all that wakes a task is seen; elsewhere this tells
 * what the task waits for: by what the outermost frame of its step yields, or by what asyncio's own coroutines hold. */
static PT_COLD void pt_watch_yield(uint8_t watched, uint32_t depth, PyObject *value)
{
    pt_thread_state *t = pt_me;
    if (!value || !pt_asyncio.task)
        return;
    if (watched) {
        while (depth && !(pt_is_coroutine_at(t, depth) && t->steps[depth].task))
            depth--;
        if (!pt_is_outermost(t, depth))
            return;
        enum pt_action action = pt_watch_list[watched].action;
        PyObject *holder = pt_watched_argument(watched);
        if (holder && action == PT_AWAIT_GROUP) {
            PyObject *tasks = pt_instance_attribute(holder, "_tasks");
            pt_tell_all_awaited(tasks, depth);
            Py_XDECREF(tasks);
        } else if (holder && action == PT_AWAIT_SET)
            pt_tell_all_awaited(holder, depth);
        else if (holder && action == PT_AWAIT_ONE && !pt_is_task(value))
            pt_tell_awaited(holder, depth);
        Py_XDECREF(holder);
        PyErr_Clear();
    } else if (pt_is_task(value))
        pt_tell_awaited(value, depth);
    else if (pt_asyncio.gathering && Py_IS_TYPE(value, pt_asyncio.gathering)) {
        PyObject *children = pt_instance_attribute(value, "_children");
        pt_tell_all_awaited(children, depth);
        Py_XDECREF(children);
    }
}

#endif

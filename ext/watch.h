/* Functions of the loops' libraries whose frames tell more than that they run: who makes which task ready, whose end has
 * which consequence, which work goes to another thread. Their arguments are read when they are entered, after the
 * record of that, so that what is told is told from inside them.
 */
#ifndef PT_WATCH_H
#define PT_WATCH_H

#include "steps.h"

enum pt_watched {
    PT_NOT_WATCHED,
    PT_CALL_SOON,    /* BaseEventLoop._call_soon(self, callback, args, context) */
    PT_RUN_HANDLE,   /* Handle._run(self) */
    PT_MAKE_TASK,    /* returns a task that may be new, or newly named */
    PT_AWAIT_GROUP,  /* yields until the tasks in `self._tasks` have ended */
    PT_AWAIT_SET,    /* yields until tasks in `fs` have ended */
    PT_AWAIT_ONE,    /* yields until `fut` has ended, on 3.11 by a future of its own */
    PT_RESCHEDULE,   /* trio's Runner.reschedule(self, task, ...) */
    PT_TASK_EXITED,  /* trio's Runner.task_exited(self, task, outcome) */
    PT_HAND_OVER,    /* `self` goes to another thread */
    PT_TAKE_UP,      /* and is there */
    PT_SEND_RESULT,  /* asyncio's _chain_future: the result of `source` goes to another thread */
    PT_GET_RESULT,   /* and is there, `other` */
    PT_NEVER_AWAITED, /* warnings._warn_unawaited_coroutine(coro) */
    PT_LOOP_TROUBLE, /* BaseEventLoop.call_exception_handler(self, context) */
};

/* Python's private names are as the compiler mangles them. */
static const struct {
    const char *name, *file; /* co_qualname, and how co_filename ends */
    enum pt_watched watched;
} pt_watch_list[] = {
    {"BaseEventLoop._call_soon", "asyncio/base_events.py", PT_CALL_SOON},
    {"BaseEventLoop.call_exception_handler", "asyncio/base_events.py", PT_LOOP_TROUBLE},
    {"Handle._run", "asyncio/events.py", PT_RUN_HANDLE},
    {"BaseEventLoop.create_task", "asyncio/base_events.py", PT_MAKE_TASK},
    {"create_task", "asyncio/tasks.py", PT_MAKE_TASK},
    {"ensure_future", "asyncio/tasks.py", PT_MAKE_TASK},
    {"_ensure_future", "asyncio/tasks.py", PT_MAKE_TASK},
    {"TaskGroup.create_task", "asyncio/taskgroups.py", PT_MAKE_TASK},
    {"TaskGroup._aexit", "asyncio/taskgroups.py", PT_AWAIT_GROUP},
    {"TaskGroup.__aexit__", "asyncio/taskgroups.py", PT_AWAIT_GROUP},
    {"_wait", "asyncio/tasks.py", PT_AWAIT_SET},
    {"wait_for", "asyncio/tasks.py", PT_AWAIT_ONE},
    {"_chain_future.<locals>._call_set_state", "asyncio/futures.py", PT_SEND_RESULT},
    {"_chain_future.<locals>._set_state", "asyncio/futures.py", PT_GET_RESULT},
    {"_WorkItem.__init__", "concurrent/futures/thread.py", PT_HAND_OVER},
    {"_WorkItem.run", "concurrent/futures/thread.py", PT_TAKE_UP},
    {"_warn_unawaited_coroutine", "warnings.py", PT_NEVER_AWAITED},
    {"Runner.reschedule", "trio/_core/_run.py", PT_RESCHEDULE},
    {"Runner.task_exited", "trio/_core/_run.py", PT_TASK_EXITED},
};

static PT_COLD enum pt_watched pt_watched_function(const char *name, const char *file)
{
    size_t length = strlen(file);
    for (size_t i = 0; i < sizeof pt_watch_list / sizeof *pt_watch_list; i++) {
        size_t tail = strlen(pt_watch_list[i].file);
        if (strcmp(name, pt_watch_list[i].name) || length < tail)
            continue;
        const char *a = file + length - tail, *b = pt_watch_list[i].file;
        while (*b && (*a == *b || (*a == '\\' && *b == '/')))
            a++, b++;
        if (!*b)
            return pt_watch_list[i].watched;
    }
    return PT_NOT_WATCHED;
}

/* ---- what a frame was called with ---- */

/* The argument of the frame that runs; new, or NULL without an exception. */
static PyObject *pt_argument(const char *name)
{
    PyFrameObject *frame = PyEval_GetFrame();
    PyObject *value = NULL;
    if (frame) {
#if PT_HAS_MONITORING
        PyObject *text = PyUnicode_InternFromString(name);
        value = text ? PyFrame_GetVar(frame, text) : NULL;
        Py_XDECREF(text);
#else
        PyObject *locals = PyFrame_GetLocals(frame);
        value = locals && PyDict_CheckExact(locals) ? Py_XNewRef(PyDict_GetItemString(locals, name)) : NULL;
        Py_XDECREF(locals);
#endif
    }
    if (!value)
        PyErr_Clear();
    return value;
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
        PyObject *task = PyObject_GetAttrString(callback, "__self__");
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

/* How many callbacks are scheduled that are told of a task's end; no less than that. */
static uint32_t pt_end_callbacks;

static void pt_at_call_soon(uint32_t depth)
{
    PyObject *callback = pt_argument("callback"), *args = pt_argument("args");
    enum pt_callback_kind kind = PT_OTHER_CALLBACK;
    PyObject *task = callback ? pt_callbacks_task(callback, &kind) : NULL;
    PyObject *ended = pt_ended_task(args);
    if (task) {
        pt_known_task *source = ended ? pt_meet_task(ended, PT_ASYNCIO, NULL, depth, 0) : NULL;
        pt_known_task *known = pt_find_task(task);
        if (!known || known->file != pt_current->file->serial) {
            int created = !(known && known->file) && kind == PT_STEP_CALLBACK && pt_is_fresh(task);
            PyObject *loop = pt_argument("self");
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
    Py_XDECREF(callback);
}

/* A callback that is told of a task's end runs: what it makes ready comes of that end. */
static void pt_at_run_handle(uint32_t depth)
{
    static PyObject *handle_args, *handle_callback; /* slots of asyncio.Handle */
    if (!pt_end_callbacks)
        return;
    if (!handle_args) {
        PyObject *module = pt_loaded_module("asyncio.events");
        PyObject *type = module ? PyDict_GetItemString(PyModule_GetDict(module), "Handle") : NULL;
        PyObject *args = type && PyType_CheckExact(type) ? PyDict_GetItemString(((PyTypeObject *)type)->tp_dict, "_args") : NULL;
        PyObject *callback = args ? PyDict_GetItemString(((PyTypeObject *)type)->tp_dict, "_callback") : NULL;
        if (!callback || !Py_IS_TYPE(args, &PyMemberDescr_Type) || !Py_IS_TYPE(callback, &PyMemberDescr_Type))
            return;
        handle_args = Py_NewRef(args);
        handle_callback = Py_NewRef(callback);
    }
    PyObject *self = pt_argument("self"), *args = NULL, *callback = NULL, *task = NULL, *ended = NULL;
    enum pt_callback_kind kind = PT_OTHER_CALLBACK;
    if (self) { /* both raise TypeError where it is no Handle */
        args = PyMemberDescr_Type.tp_descr_get(handle_args, self, (PyObject *)Py_TYPE(self));
        callback = args ? PyMemberDescr_Type.tp_descr_get(handle_callback, self, (PyObject *)Py_TYPE(self)) : NULL;
    }
    ended = callback ? pt_ended_task(args) : NULL;
    if (ended && !(task = pt_callbacks_task(callback, &kind))) {
        pt_known_task *known = pt_meet_task(ended, PT_ASYNCIO, NULL, depth, 0);
        pt_end_callbacks--;
        if (known)
            pt_tell(PT_ENDED, depth, known->id);
    }
    Py_XDECREF(task);
    Py_XDECREF(callback);
    Py_XDECREF(args);
    Py_XDECREF(self);
}

static void pt_at_reschedule(uint32_t depth)
{
    PyObject *task = pt_argument("task");
    pt_known_task *known = task ? pt_find_task(task) : NULL;
    int created = !known || !known->file; /* it is rescheduled first when it is made */
    if (task) {
        PyObject *self = created ? pt_argument("self") : NULL;
        known = pt_meet_task(task, PT_TRIO, self, depth, created);
        Py_XDECREF(self);
        if (known && !created)
            pt_tell(PT_READY, 0, known->id);
    }
    Py_XDECREF(task);
}

static void pt_at_task_exited(uint32_t depth)
{
    PyObject *task = pt_argument("task");
    pt_known_task *known = task ? pt_meet_task(task, PT_TRIO, NULL, depth, 0) : NULL;
    if (known)
        pt_tell(PT_ENDED, depth, known->id);
    Py_XDECREF(task);
}

/* ---- work for other threads ---- */

typedef struct {
    void *object; /* its address, from handing over to taking up, while those who do keep it alive */
    uint32_t token;
} pt_parcel;

static pt_parcel *pt_parcels;
static size_t pt_parcels_used, pt_parcels_room;

static PT_COLD void pt_hand_over(const char *argument)
{
    static uint32_t token;
    PyObject *object = pt_argument(argument);
    pt_link head = {0, 0};
    size_t at = 0;
    if (!object)
        return;
    PT_LOCK_TASKS;
    while (at < pt_parcels_used && pt_parcels[at].object != object)
        at++;
    if (at == pt_parcels_room) {
        size_t room = pt_parcels_room ? 2 * pt_parcels_room : 64;
        pt_parcel *parcels = realloc(pt_parcels, room * sizeof *parcels);
        if (parcels) {
            pt_parcels = parcels;
            pt_parcels_room = room;
        }
    }
    uint32_t own = at < pt_parcels_room ? ++token : 0;
    if (own) {
        pt_parcels[at] = (pt_parcel){object, own};
        pt_parcels_used += at == pt_parcels_used;
    }
    PT_UNLOCK_TASKS;
    if (own)
        pt_put_payload(PT_LINK, own, &head, sizeof head, "", 0);
    Py_DECREF(object);
}

static PT_COLD void pt_take_up(const char *argument, uint32_t depth)
{
    PyObject *object = pt_argument(argument);
    pt_link head = {depth, 1};
    uint32_t token = 0;
    PT_LOCK_TASKS;
    for (size_t at = 0; at < pt_parcels_used; at++)
        if (pt_parcels[at].object == object) {
            token = pt_parcels[at].token;
            pt_parcels[at] = pt_parcels[--pt_parcels_used];
            break;
        }
    PT_UNLOCK_TASKS;
    if (token)
        pt_put_payload(PT_LINK, token, &head, sizeof head, "", 0);
    Py_XDECREF(object);
}

/* ---- trouble ---- */

static PT_COLD void pt_at_never_awaited(void)
{
    PyObject *coroutine = pt_argument("coro");
    PyObject *name = coroutine && PyCoro_CheckExact(coroutine) ? PyObject_GetAttrString(coroutine, "__qualname__") : NULL;
    pt_tell_note(0, "never awaited", name);
    Py_XDECREF(name);
    Py_XDECREF(coroutine);
}

/* What asyncio says when a future or task goes whose exception nobody asked for, or a task that is not done. */
static PT_COLD void pt_at_loop_trouble(void)
{
    PyObject *context = pt_argument("context");
    if (context && PyDict_CheckExact(context)) {
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
    Py_XDECREF(context);
    PyErr_Clear();
}

/* ---- the hooks' calls ---- */

/* A watched function was entered, and that is recorded. */
static PT_COLD void pt_watch_entry(enum pt_watched watched, uint32_t depth)
{
    pt_error error = pt_put_error_by();
    switch (watched) {
    case PT_CALL_SOON:
        pt_at_call_soon(depth);
        break;
    case PT_RUN_HANDLE:
        pt_at_run_handle(depth);
        break;
    case PT_RESCHEDULE:
        pt_at_reschedule(depth);
        break;
    case PT_TASK_EXITED:
        pt_at_task_exited(depth);
        break;
    case PT_HAND_OVER:
        pt_hand_over("self");
        break;
    case PT_TAKE_UP:
        pt_take_up("self", depth);
        break;
    case PT_SEND_RESULT:
        pt_hand_over("source");
        break;
    case PT_GET_RESULT:
        pt_take_up("other", depth);
        break;
    case PT_NEVER_AWAITED:
        pt_at_never_awaited();
        break;
    case PT_LOOP_TROUBLE:
        pt_at_loop_trouble();
        break;
    case PT_MAKE_TASK:
    case PT_AWAIT_GROUP:
    case PT_AWAIT_SET:
    case PT_AWAIT_ONE:
    case PT_NOT_WATCHED:
        break;
    }
    pt_put_error_back(error);
}

/* A function that makes tasks is about to return this one; the record of that comes after. */
static PT_COLD void pt_watch_return(enum pt_watched watched, uint32_t depth, PyObject *value)
{
    if (watched != PT_MAKE_TASK || !value || !pt_is_task(value))
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
static PT_COLD void pt_watch_yield(enum pt_watched watched, uint32_t depth, PyObject *value)
{
    pt_thread_state *t = pt_me;
    if (!value || !pt_asyncio.task)
        return;
    if (watched) {
        while (depth && !(pt_is_coroutine_at(t, depth) && t->steps[depth].task))
            depth--;
        if (!pt_is_outermost(t, depth))
            return;
        PyObject *holder = pt_argument(watched == PT_AWAIT_GROUP ? "self" : watched == PT_AWAIT_SET ? "fs" : "fut");
        if (holder && watched == PT_AWAIT_GROUP) {
            PyObject *tasks = pt_instance_attribute(holder, "_tasks");
            pt_tell_all_awaited(tasks, depth);
            Py_XDECREF(tasks);
        } else if (holder && watched == PT_AWAIT_SET)
            pt_tell_all_awaited(holder, depth);
        else if (holder && !pt_is_task(value))
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

/* Which frames are the outermost of a task's step: PT_STEP. */
#ifndef PT_STEPS_H
#define PT_STEPS_H

#include "tasks.h"

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

/* Whether a recorded coroutine's frame runs at this depth. */
static inline int pt_is_coroutine_at(const pt_thread_state *t, uint32_t depth)
{
    return depth < t->steps_depths && depth < t->depths && t->open[depth].frame &&
           t->open[depth].frame == t->steps[depth].frame;
}

/* Whether the frame at this depth is the outermost of a step of a task whose wake-ups are not seen. */
static inline int pt_is_outermost(const pt_thread_state *t, uint32_t depth)
{
    return pt_is_coroutine_at(t, depth) && t->steps[depth].task && !t->steps[depth].watched;
}

/* The task whose step this thread is in, seen from the frame at `depth`; 0 if none. */
static PT_COLD uint32_t pt_task_around(const pt_thread_state *t, uint32_t depth)
{
    while (depth--)
        if (pt_is_coroutine_at(t, depth) && t->steps[depth].task)
            return t->steps[depth].task;
    return 0;
}

/* The id of the task whose step runs here, 0 if none. Its name is looked at in its first steps, and then less and less
 * often: whoever gives it one does that early. */
static PT_COLD uint32_t pt_running_task(uint32_t depth, uint32_t kind, uint32_t *watched)
{
    pt_running running = {NULL, 0, 0};
    pt_error error = pt_put_error_by();
    uint32_t id = 0;
    if (pt_ask_asyncio(&running) || pt_ask_trio(&running)) {
        pt_known_task *known = pt_know_task(running.task, running.kind);
        if (known) {
            uint32_t steps = ++known->steps;
            int created = 0;
            if (!known->loop)
                known->loop = running.loop;
            if (!known->file && kind == PT_START) { /* within another's step: an eager one, that is being created */
                known->parent = pt_task_around(pt_me, depth);
                created = known->parent != 0;
            }
            if ((known->file == pt_current->file->serial && (steps & (steps - 1)) != 0) ||
                pt_tell_task(known, running.task, created))
                id = known->id;
            *watched = known->watched;
        }
        Py_DECREF(running.task);
    }
    pt_put_error_back(error);
    return id;
}

/* Make room in the array by depth; called where `depth` is beyond it. */
static PT_COLD int pt_deepen_steps(pt_thread_state *t, uint32_t depth)
{
    uint32_t depths = t->steps_depths ? t->steps_depths : t->first_depths ? t->first_depths : PT_FIRST_DEPTHS;
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

/* Before the record that a coroutine's frame is entered. There the parent is a recorded coroutine's frame, or else this
 * one is the outermost of a step: the loop's own code called it, so the question which task runs is asked once a step. */
static PT_COLD void pt_enter_coroutine(pt_thread_state *t, uint32_t depth, uint32_t frame, uint32_t kind)
{
    uint32_t task = 0, watched = 1;
    if (depth >= t->steps_depths && !pt_deepen_steps(t, depth))
        return;
    if (!depth || !pt_is_coroutine_at(t, depth - 1)) {
        task = pt_running_task(depth, kind, &watched);
        t = task ? pt_room() : NULL;
        if (t)
            pt_put(t, pt_now(pt_tick_source), PT_WORD(PT_STEP, depth, task));
        t = pt_me;
        if (depth >= t->steps_depths)
            return;
    }
    t->steps[depth].frame = frame;
    t->steps[depth].task = task;
    t->steps[depth].watched = watched;
}

#endif

"""The steps of tasks: what a thread's frames are of the stack that each task awaits, and what blocked its event loop.

Within a step the coroutine frames, and no others, go into the task's own nest too, by their place in the chain of
awaits: one that yields stays open there until it is left for good. A frame that goes on is looked for from the
outermost; in a step that began by a throw, and so from the inside, from the innermost. What does not match is healed,
as in any nest.
"""
from libc.stdint cimport SIZE_MAX, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

from columns cimport CALLABLE, DIED, MADE, RESUMED, THROWN, Columns, Name, NameTable, find_name, grown
from nest cimport C_CALL, FRAME, STEP, Nest, Open, clamped, cut, heal, pop, push
from spool cimport PT_RESUME, PT_START, PT_THROW, PT_TRIO, PT_UNWIND, PT_YIELD
from table cimport find
from tasks cimport (
    COROUTINES, MOST_BLOCKS, NO_STATE, READY, RUNNING, WAITING, Awaited, Block, History, Loops, Stack, Step, Task,
    balance, end_innermost, end_scopes, forget_task, forget_wait, forget_window, frames_of, free_history, here,
    leave_frames, name_step, remember, room_for, run, set_state, stop, touch, trim,
)
from waits cimport Wait, is_of_one_library, wait_of

cdef inline int begin_step(Loops *l, Stack *k, Task *task, uint32_t depth, bint thrown, uint32_t thread,
                           uint64_t native_id, NameTable *names, uint64_t tick) except -1 nogil:
    cdef History *h
    if k.open:
        set_state(l, k.steps[k.open - 1].task, READY, tick)
    k.steps = <Step *> room_for(k.steps, k.open, &k.room, sizeof(Step))
    run(l, task, thread, native_id, tick)
    k.steps[k.open] = Step(task, tick, 0, 0, depth, 0, thrown, False)
    k.open += 1
    k.stepped = task.id
    h = task.history
    if h.waits:
        end_innermost(h, clamped(&h.frames, tick), 0, 0)
    return 0


cdef inline bint goes_on(const Loops *l, const Stack *k, const Task *task) noexcept nogil:
    """Whether the task's newest step, which seemed to be over, goes on: an excluded frame that had awaited the recorded
    one calls another, and all that could have ended the step would have been seen."""
    cdef const Nest *n = k.nest
    cdef const Columns *c
    if (k.open or k.stepped != task.id or task.window != l.number or task.result.known
            or task.awaits_count or task.state not in (NO_STATE, WAITING) or not task.left):
        return False
    if task.kind != PT_TRIO and (n.open == 0 or n.stack[n.open - 1].id != l.callback):
        return False
    if task.history == NULL:
        return False
    c = &task.history.states.columns
    return c.count > task.history.states.open and c.name[c.count - 1 - task.history.states.open] == MADE | RUNNING


cdef inline void take_back(Task *task) noexcept nogil:
    """Undo the end of the task's newest step."""
    cdef Nest *n = &task.history.states
    cdef History *h = task.history
    cdef size_t row
    forget_wait(h)
    n.columns.count -= n.open
    row = n.columns.count - 1
    task.since = n.columns.start[row]
    n.stack[0] = Open(task.since, row, 0, MADE | RUNNING)
    n.open = 1
    task.state = RUNNING
    task.ended = 0
    task.thrown = task.failed = False
    task.steps -= 1


cdef inline int end_step(Loops *l, Stack *k, NameTable *names, uint64_t tick, bint ended) except -1 nogil:
    """The innermost step is over: the task has ended, or waits."""
    cdef Step *s = &k.steps[k.open - 1]
    cdef Task *task = s.task
    cdef Step *outer
    cdef History *h = task.history
    cdef size_t i
    task.left = s.over or ended
    if s.over and not ended:
        tick = s.left
    k.open -= 1
    tick = max(tick, s.since)
    if tick - s.since > s.nested:
        task.ticks += tick - s.since - s.nested
    if ended:
        stop(l, task, NO_STATE, tick)
        task.ended = max(tick, <uint64_t> 1)
    else:
        stop(l, task, READY if task.woken else WAITING, tick)
        for i in range(frames_of(h)):
            if h.awaited[i].left == 0:
                h.awaited[i].left = tick
        wait(l, h, names, tick)
    if k.open:
        outer = &k.steps[k.open - 1]
        outer.nested += tick - s.since
        set_state(l, outer.task, RUNNING, tick)
        outer.task.ran = outer.task.since
    k.busy = k.open or k.scoped or k.armed
    trim(l, tick)
    balance(l)
    return 0


cdef inline int wait(Loops *l, History *h, NameTable *names, uint64_t tick) except -1 nogil:
    """The innermost frame waits."""
    cdef size_t i = frames_of(h)
    cdef Wait *inner
    cdef Wait *outer
    cdef Wait *called
    if i == 0 or h.waits:
        return 0
    i -= 1
    inner = wait_of(&l.waits, names, h.frames.stack[i].id, &l.made)
    called = inner
    while i and called != NULL and (called.private or inner.core):
        outer = wait_of(&l.waits, names, h.frames.stack[i - 1].id, &l.made)
        if outer == NULL or not is_of_one_library(outer, inner):
            break
        if not outer.private or not inner.core:
            called = outer
        i -= 1
    push(&h.frames, 0, called.id if called != NULL else MADE | WAITING, clamped(&h.frames, tick), 0)
    h.waits = True
    return 0


# The await stack

cdef inline int enter_frame(Step *s, uint32_t kind, uint32_t depth, uint32_t id, uint64_t tick) except -1 nogil:
    """A coroutine's frame is entered in the step."""
    cdef History *h = s.task.history
    cdef size_t count = frames_of(h), least = min(<size_t> s.entered, frames_of(h)), i
    cdef size_t found = SIZE_MAX
    tick = clamped(&h.frames, tick)
    if depth == s.depth:
        least = 0
    while least and h.awaited[least - 1].left == 0 and h.awaited[least - 1].depth >= depth:
        least -= 1
        leave_frames(h, least, tick)
        count = frames_of(h)
    if kind == PT_RESUME and not s.thrown:
        for i in range(least, count):
            if h.frames.stack[i].id == id and h.awaited[i].left:
                found = i
                break
    elif kind != PT_START:
        i = count
        while i > least:
            i -= 1
            if h.frames.stack[i].id == id and h.awaited[i].left:
                leave_frames(h, i + 1, tick)
                found = i
                break
    if found == SIZE_MAX:
        leave_frames(h, least, tick)
        found = least
        while found >= h.room:
            h.awaited = <Awaited *> grown(h.awaited, max(2 * h.room, <size_t> 8) * sizeof(Awaited))
            h.room = max(2 * h.room, <size_t> 8)
        push(&h.frames, 0, id, tick, 0 if kind == PT_START else RESUMED)
        h.awaited[found].until = 0
    h.awaited[found].left = 0
    h.awaited[found].depth = depth
    s.entered = <uint32_t> (found + 1)
    return 0


cdef inline void leave_frame(Step *s, uint32_t kind, uint32_t depth, uint32_t id, uint64_t tick, bint broken,
                             uint32_t raised) noexcept nogil:
    """A coroutine's frame is left in the step."""
    cdef History *h = s.task.history
    cdef size_t count = frames_of(h)
    cdef size_t i = min(<size_t> s.entered, count)
    tick = clamped(&h.frames, tick)
    while i and not (h.awaited[i - 1].left == 0 and h.awaited[i - 1].depth <= depth):
        i -= 1
    if i == 0 or h.awaited[i - 1].depth != depth or h.frames.stack[i - 1].id != id:
        return
    if kind != PT_YIELD:
        leave_frames(h, i, tick)
        end_innermost(h, tick, THROWN if kind == PT_UNWIND else 0, raised)
    else:
        if i < count and (broken or h.awaited[i].left == 0):
            leave_frames(h, i, tick)  # what yielded there yielded a value
        h.awaited[i - 1].left = tick
    s.entered = <uint32_t> (i - 1)


cdef inline bint is_coroutine(const NameTable *names, uint32_t id) noexcept nogil:
    cdef const Name *name = find_name(names, id)
    return name != NULL and name.flags & COROUTINES and name.kind != CALLABLE


cdef inline bint is_cancellation(const NameTable *names, uint32_t raised) noexcept nogil:
    """Whether the exception of that type is asyncio's CancelledError or trio's Cancelled."""
    cdef const Name *name = find_name(names, raised) if raised else NULL
    if name == NULL:
        return False
    return (name.length >= 14 and memcmp(name.text + name.length - 14, b"CancelledError", 14) == 0
            or name.length >= 9 and memcmp(name.text + name.length - 9, b"Cancelled", 9) == 0)


# Frames on a stack that is busy

cdef inline int frame_in(Loops *l, Stack *k, NameTable *names, uint32_t kind, uint32_t depth, uint32_t id,
                         uint64_t tick, uint8_t flags, uint32_t thread, uint64_t native_id) except -1 nogil:
    cdef Step *s
    cdef Task *task
    cdef uint32_t armed = k.armed if k.armed_depth == depth else 0
    cdef bint coroutine = is_coroutine(names, id), continued
    l.ignored += k.armed != armed
    k.armed = 0
    k.broken = True
    end_scopes(k, depth)
    while k.open and k.steps[k.open - 1].depth >= depth:
        s = &k.steps[k.open - 1]
        if s.over and s.depth == depth and (armed == s.task.id or armed == 0 and coroutine and kind != PT_START):
            s.over = False
            s.thrown = True
            break
        end_step(l, k, names, tick, False)
    heal(k.nest, 4 * depth + STEP, tick)
    task = <Task *> find(&l.tasks, armed)
    if task != NULL and task.stack == NULL:
        name_step(l, task, names)
        if not task.running:
            continued = goes_on(l, k, task)
            if continued:
                take_back(task)
            begin_step(l, k, task, depth, continued or kind == PT_THROW, thread, native_id, names, tick)
        if k.open and k.steps[k.open - 1].task == task and k.steps[k.open - 1].depth == depth:
            push(k.nest, 4 * depth + STEP, task.step_name, tick, 0)
    push(k.nest, 4 * depth + FRAME, id, tick, flags)
    if k.open and coroutine:
        enter_frame(&k.steps[k.open - 1], kind, depth, id, tick)
    k.busy = k.open or k.scoped
    return 0


cdef inline int frame_out(Loops *l, Stack *k, NameTable *names, uint32_t kind, uint32_t depth, uint32_t id,
                          uint64_t tick, uint8_t flags, uint32_t raised, uint32_t thread) except -1 nogil:
    cdef Nest *n = k.nest
    cdef Step *s = NULL
    cdef size_t row
    cdef uint64_t since
    l.ignored += k.armed != 0
    k.armed = 0
    end_scopes(k, depth)
    while k.open and k.steps[k.open - 1].depth > depth:
        end_step(l, k, names, tick, False)
    if k.open:
        s = &k.steps[k.open - 1]
    heal(n, 4 * depth + C_CALL, tick)
    if n.open and n.stack[n.open - 1].key == 4 * depth + FRAME and n.stack[n.open - 1].id == id:
        row = n.stack[n.open - 1].row
        since = n.stack[n.open - 1].since
        pop(n, tick, flags, raised)
        if id == l.callback:
            k.stepped = 0
            note_block(l, n, names, row, since, tick, thread, NULL, 0)
    else:
        n.ignored += 1
    if n.open and n.stack[n.open - 1].key == 4 * depth + STEP:
        row = n.stack[n.open - 1].row
        since = n.stack[n.open - 1].since
        pop(n, tick, 0, 0)
        if s != NULL and s.depth == depth:
            note_block(l, n, names, row, since, tick, thread, s.task, s.nested)
    if s != NULL:
        if is_coroutine(names, id):
            leave_frame(s, kind, depth, id, tick, k.broken, raised)
            k.broken = kind != PT_YIELD
        elif kind != PT_YIELD:
            k.broken = True
        if s.depth == depth:
            if kind == PT_YIELD:
                end_step(l, k, names, tick, False)
            elif frames_of(s.task.history) == 0:
                s.task.thrown = kind == PT_UNWIND
                s.task.raised = raised
                s.task.failed = s.task.thrown and not is_cancellation(names, raised)
                end_step(l, k, names, tick, True)
            else:
                s.over = True
                s.left = tick
    k.busy = k.open or k.scoped
    return 0


cdef inline int switch_in(Loops *l, Task *task, uint32_t thread, uint64_t native_id, uint64_t tick) except -1 nogil:
    """The thread goes on in this greenlet."""
    if task.stack == NULL:
        task.stack = <Stack *> calloc(1, sizeof(Stack))
        if task.stack == NULL:
            with gil:
                raise MemoryError
        task.stack.greenlet = task
    run(l, task, thread, native_id, tick)
    task.stack.nest = &task.history.frames
    return 0


cdef inline int switch_out(Loops *l, Task *task, NameTable *names, uint64_t tick) except -1 nogil:
    """The thread goes on in another one, which may not come back."""
    cdef bint ended = task.stack.nest.open == 0
    if ended:
        abandon(l, task.stack, names, tick)
    task.ticks += max(tick, task.since) - task.since
    stop(l, task, NO_STATE if ended else READY if task.woken else WAITING, tick)
    if ended:
        task.ended = max(tick, <uint64_t> 1)
    trim(l, tick)
    return 0


cdef inline int abandon(Loops *l, Stack *k, NameTable *names, uint64_t tick) except -1 nogil:
    """Nothing more is heard of what runs here."""
    while k.open:
        end_step(l, k, names, tick, False)
    k.scoped = 0
    k.armed = 0
    k.busy = False
    return 0


# What blocks a loop

cdef inline int note_block(Loops *l, const Nest *n, const NameTable *names, size_t row, uint64_t since, uint64_t tick,
                           uint32_t thread, Task *task, uint64_t nested) except -1 nogil:
    """A step or callback, which is the slice of `row` with all after it, is over: was it too long?"""
    cdef const Columns *c = &n.columns
    cdef size_t at = row, function = row, i, longest
    cdef uint64_t whole
    cdef const Name *name
    if l.threshold == 0 or tick - since < l.threshold + nested or row >= c.count or l.block_count == MOST_BLOCKS:
        return 0
    whole = c.end[row] - c.start[row]
    while True:
        longest = at
        i = at + 1
        while i < c.count and c.depth[i] > c.depth[at]:
            if c.depth[i] == c.depth[at] + 1 and 2 * (c.end[i] - c.start[i]) >= whole:
                longest = i
            i += 1
        if longest == at:
            break
        if c.name[longest] & MADE and task == NULL:
            return 0  # a step, which speaks for itself
        at = longest
        name = find_name(names, c.name[at])
        if name == NULL or name.kind != CALLABLE:
            function = at
    if task != NULL:
        task.blocked = True
    l.blocks = <Block *> room_for(l.blocks, l.block_count, &l.block_room, sizeof(Block))
    l.blocks[l.block_count] = Block(thread, task.id if task != NULL else 0, since, tick, c.name[at], c.name[function])
    l.block_count += 1
    return 0


# Windows

cdef inline int prepare(Loops *l, Task *task, bint *drawn) except -1 nogil:
    """Tell whether the task belongs to the window, and see that it has something to draw if it is to be."""
    drawn[0] = False
    if task.running:
        touch(l, task)
    if task.window != l.number:
        return 0
    if task.history == NULL and task.steps == 0 and l.histories < l.most:
        remember(l, task)
    drawn[0] = task.history != NULL
    return 0


cdef inline int next_window(Loops *l, uint64_t tick) except -1 nogil:
    """The window ended at the tick; all that was drawn was cut there. Forget the tasks that ended in one before."""
    cdef size_t count = 0, i
    cdef Task *task
    cdef Task **over = <Task **> grown(NULL, (l.tasks.count + 1) * sizeof(Task *))
    for i in range(l.tasks.room):
        task = <Task *> l.tasks.entries[i].value
        if task == NULL:
            continue
        if task.ended and not task.running and task.window != l.number:
            over[count] = task
            count += 1
        elif task.ended and not task.running:
            free_history(l, task)
    for i in range(count):
        forget_task(l, over[i])
    free(over)
    forget_window(l)
    l.window = tick
    l.number += 1
    for i in range(l.tasks.room):
        task = <Task *> l.tasks.entries[i].value
        if task != NULL and task.running:
            touch(l, task)
    return 0


cdef inline int end_all(Loops *l, uint64_t tick) except -1 nogil:
    """The process is gone."""
    cdef size_t i
    cdef Task *task
    cdef Nest *nests[2]
    cdef Nest *n
    for i in range(l.tasks.room):
        task = <Task *> l.tasks.entries[i].value
        if task == NULL:
            continue
        if task.stack != NULL:
            task.stack.open = task.stack.scoped = task.stack.armed = task.stack.busy = 0
        if task.ended:
            continue
        task.running = False
        task.ended = max(tick, <uint64_t> 1)
        task.state = NO_STATE
        if task.history == NULL or task.window != l.number:
            continue
        task.history.waits = False
        nests[0] = &task.history.frames
        nests[1] = &task.history.states
        for n in nests:
            tick = clamped(n, tick)
            while n.open:
                pop(n, tick, DIED, 0)
    return 0

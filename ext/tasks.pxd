"""The tasks of one process: what is kept of each, in which state it is, what woke it, and the budget of all of them.

Memory is bounded: `most` tasks keep what is drawn of them, those that failed or blocked a loop and then those that
lived longest. Of the others remains how many they were, their steps and their time. Any task has it during a step.
All of them together have little more slices than `max_slices`. awaits.pxd has their steps.
"""
from libc.stdint cimport UINT64_MAX, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport calloc, free, qsort
from libc.string cimport memcpy, memset

from columns cimport (
    CUT_START, HEALED, MADE, STRING, WAIT, YIELDED, Columns, Name, NameTable, define_name, free_columns, grown,
)
from nest cimport Nest, clamped, cut, fit, pop, push, release, start_window
from table cimport Table, drop, find, free_table, make_room, put
from waits cimport Waits, free_waits

cdef enum:
    COROUTINES = 0x80 | 0x100 | 0x200  # co_flags: coroutine, iterable coroutine, async generator

cdef enum:                   # ids of names with MADE; also what a task's state is
    NO_STATE = 0
    RUNNING = 1
    READY = 2
    WAITING = 3
    ANY_TASK = 4             # of a step whose task's name is one too many
    FIRST_MADE = 5

cdef enum:
    MOST_MADE = 1 << 18      # names made: they live as long as the process
    MOST_ARROWS = 1 << 18    # in a window
    MOST_BLOCKS = 1 << 14
    MOST_NOTES = 1 << 10
    MOST_TOKENS = 1 << 16    # handed over and not taken up
    MOST_AWAITS = 128        # tasks that one waits for
    FEWEST = 16              # slices: no lane is folded to fewer
    LONGEST_TEXT = 500

cdef struct Place:           # where something came from
    bint known
    uint32_t task            # 0 = the thread
    uint32_t thread          # serial
    uint64_t tick
    uint32_t origin          # the task whose work the thread did, 0 = none

cdef struct Awaited:         # a frame of an await stack, beside its entry in the nest
    uint64_t left            # tick of its newest yield, 0 = it runs
    uint64_t until           # tick at which the newest of what it awaited ended
    uint32_t depth           # where it was entered in this step

cdef struct History:         # what is drawn of a task
    Nest frames              # outermost first, then its wait; of a greenlet its whole stack
    Nest states
    Awaited *awaited
    size_t room
    bint waits               # the innermost entry of `frames` is a wait

cdef struct Stack

cdef struct Task:
    uint32_t id
    uint32_t kind            # pt_task_kind
    uint64_t loop
    uint32_t parent
    uint32_t name_size
    char *name
    uint32_t step_name       # with MADE, 0 = none yet
    uint32_t function        # of a greenlet: the name of its outermost one, 0 = not known yet
    uint32_t thread          # serial of the one that ran it first, or created it
    uint64_t native_id
    uint64_t created         # tick; when it was first heard of
    uint64_t first           # tick of its first step, 0 = none yet
    uint64_t ended           # tick, 0 = it is alive
    uint32_t raised          # type of the exception that ended it
    bint thrown              # ... which there was
    bint failed              # ... and which was no cancellation
    bint blocked             # its loop
    bint running             # in a step, or a greenlet that runs
    bint woken               # made ready in its own step
    bint left                # its newest step was not seen to yield, nor was the task made ready since
    uint32_t state
    uint64_t since           # tick at which that began
    uint64_t ran             # a tick in the newest time that it ran
    Place source             # of what made it ready
    Place result             # of its work in an executor
    uint32_t *awaits         # the tasks that it waits for
    size_t awaits_count
    size_t awaits_room
    uint64_t window          # number of the newest in which it did anything
    uint64_t steps           # in that window
    uint64_t lost_steps      # ... which are not drawn
    uint64_t ticks           # ... and took
    History *history
    Stack *stack             # of a greenlet

cdef struct Step:
    Task *task
    uint64_t since           # tick
    uint64_t nested          # ticks of other steps in it
    uint64_t left            # tick, when `over`
    uint32_t depth           # of its outermost frame
    uint32_t entered         # so many frames of the await stack are not below one that runs
    bint thrown              # it goes from the inside to the outside
    bint over                # an inner frame was left: it goes on in the next one, or has ended

cdef struct Scope:           # what a frame does until it is left comes of something else
    uint32_t depth
    Place place

cdef struct Stack:           # of frames: a thread's, or a greenlet's
    Nest *nest
    Step *steps              # those that are open, outermost first
    size_t open
    size_t room
    Scope *scopes
    size_t scoped
    size_t scope_room
    uint32_t armed           # a task: the next frame that is entered is the outermost of its step
    uint32_t armed_depth
    bint busy                # any of these is there
    bint broken              # something happened since the newest yield
    uint32_t stepped         # the task of the newest step, as long as the callback that made it goes on
    uint32_t origin          # the task whose work this thread does
    Task *greenlet           # whose stack it is

cdef struct Arrow:
    Place source
    Place target

cdef struct Block:
    uint32_t thread
    uint32_t task            # 0 = a callback
    uint64_t start
    uint64_t end
    uint32_t frame           # name of what took most of it
    uint32_t function        # that it was called in, where it is no Python function

cdef struct Note:
    uint32_t task
    uint32_t thread
    uint64_t tick
    uint32_t size
    char *text

cdef struct Folded:
    uint64_t tasks
    uint64_t steps
    uint64_t ticks

cdef struct Loops:           # all of one process
    Table tasks
    Table tokens             # to Place
    Waits waits
    uint32_t made            # the next id
    uint64_t window          # tick where it starts
    uint64_t number          # of the window
    uint64_t min_ticks
    size_t max_slices
    size_t most              # histories
    size_t histories
    size_t unbalanced        # steps since all slices were counted
    uint64_t threshold       # ticks that a step may take, 0 = any
    uint32_t callback        # the code that runs an event loop's callbacks
    Arrow *arrows
    size_t arrow_count
    size_t arrow_room
    Block *blocks
    size_t block_count
    size_t block_room
    Note *notes
    size_t note_count
    size_t note_room
    Folded folded            # in this window
    uint64_t ignored         # records that made no sense


# Memory

cdef inline void free_history(Loops *l, Task *task) noexcept nogil:
    cdef History *h = task.history
    if h != NULL:
        release(&h.frames)
        release(&h.states)
        free(h.awaited)
        free(h)
        task.history = NULL
        l.histories -= 1


cdef inline void free_stack(Stack *k) noexcept nogil:
    free(k.steps)
    free(k.scopes)


cdef inline void free_task(Loops *l, Task *task) noexcept nogil:
    free_history(l, task)
    if task.stack != NULL:
        free_stack(task.stack)
        free(task.stack)
    free(task.awaits)
    free(task.name)
    free(task)


cdef inline void forget_task(Loops *l, Task *task) noexcept nogil:
    drop(&l.tasks, task.id)
    free_task(l, task)


cdef inline void free_loops(Loops *l) noexcept nogil:
    cdef uint32_t i
    for i in range(l.tasks.room):
        if l.tasks.entries[i].id:
            free_task(l, <Task *> l.tasks.entries[i].value)
    free_table(&l.tasks)
    for i in range(l.tokens.room):
        free(l.tokens.entries[i].value)
    free_table(&l.tokens)
    free_waits(&l.waits)
    forget_window(l)
    free(l.arrows)
    free(l.blocks)
    free(l.notes)


cdef inline void forget_window(Loops *l) noexcept nogil:
    """Forget what was gathered in the window beside slices."""
    cdef size_t i
    for i in range(l.note_count):
        free(l.notes[i].text)
    l.note_count = l.arrow_count = l.block_count = 0
    memset(&l.folded, 0, sizeof(Folded))


cdef inline void *room_for(void *memory, size_t count, size_t *room, size_t size) except NULL nogil:
    """Return `memory`, which holds `count` things of that size, with room for one more."""
    if count < room[0] and memory != NULL:
        return memory
    memory = grown(memory, max(2 * room[0], <size_t> 8) * size)
    room[0] = max(2 * room[0], <size_t> 8)
    return memory


# Tasks, their histories and states

cdef inline int touch(Loops *l, Task *task) except -1 nogil:
    """The task does something in this window."""
    if task.window == l.number:
        return 0
    task.window = l.number
    task.steps = task.lost_steps = task.ticks = 0
    if task.history != NULL:  # nobody wanted the windows since
        pass_by(l, &task.history.frames)
        pass_by(l, &task.history.states)
    return 0


cdef inline int pass_by(Loops *l, Nest *nest) except -1 nogil:
    cdef Columns columns
    cut(nest, l.window, nest.threshold, nest.budget, &columns)
    free_columns(&columns)
    return 0


cdef inline Task *task_of(Loops *l, uint32_t id, uint32_t thread, uint64_t native_id, uint64_t tick) except NULL nogil:
    """Return the task, made on first sight."""
    cdef Task *task = <Task *> find(&l.tasks, id)
    if task != NULL:
        return task
    make_room(&l.tasks)
    task = <Task *> calloc(1, sizeof(Task))
    if task == NULL:
        with gil:
            raise MemoryError
    task.id = id
    task.thread = thread
    task.native_id = native_id
    task.created = task.since = tick
    task.window = UINT64_MAX
    put(&l.tasks, id, task)
    touch(l, task)
    return task


cdef inline int remember(Loops *l, Task *task) except -1 nogil:
    """Keep from now on what is to be drawn of the task."""
    cdef History *h
    if task.history != NULL:
        return 0
    h = <History *> calloc(1, sizeof(History))
    if h == NULL:
        with gil:
            raise MemoryError
    task.history = h
    l.histories += 1
    h.frames.last = h.states.last = l.window
    start_window(&h.frames, l.min_ticks, l.max_slices)
    start_window(&h.states, 0, l.max_slices)
    task.lost_steps = task.steps
    if task.state:
        push(&h.states, 0, MADE | task.state, clamped(&h.states, task.since),
             CUT_START if task.since < l.window else 0)
    return 0


cdef inline int set_state(Loops *l, Task *task, uint32_t state, uint64_t tick) except -1 nogil:
    """The task is in this state from now on; NO_STATE = it is over."""
    cdef Nest *n
    touch(l, task)
    tick = max(tick, task.since)
    if task.state == state:
        return 0
    if task.history != NULL:
        n = &task.history.states
        tick = clamped(n, tick)
        if n.open and task.state != RUNNING and n.stack[0].since == tick and n.columns.start[n.stack[0].row] == tick:
            n.open = 0  # it was in that state for no time
            n.columns.count -= 1
        elif n.open:
            pop(n, tick, 0, 0)
        if state:
            push(n, 0, MADE | state, tick, 0)
    task.state = state
    task.since = tick
    return 0


cdef struct Kept:
    Task *task
    uint64_t score


cdef inline uint64_t score_of(const Task *task, uint64_t now) noexcept nogil:
    """Return how much the task is worth to be drawn."""
    if task.running:
        return UINT64_MAX
    if task.blocked or task.failed:
        return UINT64_MAX - 1
    return (task.ended if task.ended else max(now, task.created)) - task.created


cdef inline int by_score(const void *one, const void *other) noexcept nogil:
    cdef const Kept *a = <const Kept *> one
    cdef const Kept *b = <const Kept *> other
    if a.score != b.score:
        return 1 if a.score < b.score else -1
    return 1 if a.task.id > b.task.id else -1


cdef inline int trim(Loops *l, uint64_t now) except -1 nogil:
    """Fold all but the `most` worthy tasks."""
    cdef Kept *kept
    cdef Task *task
    cdef size_t i, count = 0
    if l.histories <= 2 * l.most + 64:
        return 0
    kept = <Kept *> grown(NULL, (l.histories + 1) * sizeof(Kept))
    for i in range(l.tasks.room):
        task = <Task *> l.tasks.entries[i].value
        if task != NULL and task.history != NULL:
            kept[count] = Kept(task, score_of(task, now))
            count += 1
    qsort(kept, count, sizeof(Kept), by_score)
    for i in range(l.most, count):
        fold(l, kept[i].task)
    free(kept)
    return 0


cdef inline int balance(Loops *l) except -1 nogil:
    """See now and then that all tasks together have no more slices than one track may; the longest lanes give way."""
    cdef size_t i, total, most = l.max_slices
    cdef Nest *nests[2]
    cdef Nest *n
    cdef Task *task
    l.unbalanced += 1
    if l.max_slices == 0 or l.unbalanced <= l.max_slices // 8 + 64:
        return 0
    l.unbalanced = 0
    while True:
        total = 0
        for i in range(l.tasks.room):
            task = <Task *> l.tasks.entries[i].value
            if task == NULL or task.history == NULL:
                continue
            nests[0] = &task.history.frames
            nests[1] = &task.history.states
            for n in nests:
                if n.columns.count > most:
                    n.budget = most
                    fit(n)
                total += n.columns.count
        if total <= l.max_slices or most < FEWEST:
            return 0
        most //= 2


cdef inline void fold(Loops *l, Task *task) noexcept nogil:
    """Draw nothing of the task, if that can be; count it."""
    if task.running or (task.stack != NULL and not task.ended):
        return
    if not task.ended:
        free_history(l, task)
        return
    if task.window == l.number:
        l.folded.tasks += 1
        l.folded.steps += task.steps
        l.folded.ticks += task.ticks
    forget_task(l, task)


# What came of what

cdef inline Place here(const Stack *k, uint32_t thread, uint64_t tick) noexcept nogil:
    """Return where what runs now comes from."""
    cdef const Scope *scope = &k.scopes[k.scoped - 1] if k.scoped else NULL
    cdef const Step *step = &k.steps[k.open - 1] if k.open else NULL
    if scope != NULL and (step == NULL or scope.depth >= step.depth):
        return scope.place
    if step != NULL:
        return Place(True, step.task.id, thread, tick, 0)
    return Place(True, k.greenlet.id if k.greenlet != NULL else 0, thread, tick, k.origin)


cdef inline int add_arrow(Loops *l, Place source, Place target) except -1 nogil:
    if source.known and l.arrow_count < MOST_ARROWS:
        l.arrows = <Arrow *> room_for(l.arrows, l.arrow_count, &l.arrow_room, sizeof(Arrow))
        l.arrows[l.arrow_count] = Arrow(source, target)
        l.arrow_count += 1
    return 0


cdef inline int add_note(Loops *l, uint32_t task, uint32_t thread, uint64_t tick, const char *text,
                         uint32_t size) except -1 nogil:
    cdef char *copy
    if l.note_count == MOST_NOTES:
        return 0
    size = min(size, <uint32_t> LONGEST_TEXT)
    l.notes = <Note *> room_for(l.notes, l.note_count, &l.note_room, sizeof(Note))
    copy = <char *> grown(NULL, size + 1)
    memcpy(copy, text, size)
    l.notes[l.note_count] = Note(task, thread, tick, size, copy)
    l.note_count += 1
    return 0


cdef inline int begin_scope(Stack *k, uint32_t depth, Place place) except -1 nogil:
    if place.known:
        k.scopes = <Scope *> room_for(k.scopes, k.scoped, &k.scope_room, sizeof(Scope))
        k.scopes[k.scoped] = Scope(depth, place)
        k.scoped += 1
        k.busy = True
    return 0


cdef inline void end_scopes(Stack *k, uint32_t depth) noexcept nogil:
    """A frame is entered or left at this depth."""
    while k.scoped and k.scopes[k.scoped - 1].depth >= depth:
        k.scoped -= 1


cdef inline int hand_over(Loops *l, uint32_t token, Place place) except -1 nogil:
    cdef Place *copy = <Place *> find(&l.tokens, token)
    cdef uint32_t i
    if token == 0:
        return 0
    if copy == NULL:
        if l.tokens.count >= MOST_TOKENS:  # nobody takes them up
            for i in range(l.tokens.room):
                free(l.tokens.entries[i].value)
            free_table(&l.tokens)
            memset(&l.tokens, 0, sizeof(Table))
        make_room(&l.tokens)
        copy = <Place *> grown(NULL, sizeof(Place))
        put(&l.tokens, token, copy)
    copy[0] = place
    return 0


cdef inline Place take_up(Loops *l, uint32_t token) noexcept nogil:
    cdef Place *found = <Place *> find(&l.tokens, token)
    cdef Place place = Place(False, 0, 0, 0, 0)
    if found != NULL:
        place = found[0]
        drop(&l.tokens, token)
        free(found)
    return place


cdef inline int make_ready(Loops *l, const Stack *k, Task *task, uint32_t thread, uint64_t tick) except -1 nogil:
    """What runs here wakes the task; after its step, and still in the same callback, it is the task itself."""
    touch(l, task)
    task.left = False
    if not task.source.known and (k.open or k.scoped or k.stepped != task.id):
        task.source = here(k, thread, tick)
    if task.running:
        task.woken = True
    elif not task.ended:
        set_state(l, task, READY, tick)
    return 0


# Steps

cdef inline int make_names(Loops *l, NameTable *names) except -1 nogil:
    """Define the names that every process with tasks has."""
    cdef Name name
    if l.made:
        return 0
    l.made = FIRST_MADE
    name = Name(b"running", 7, STRING, 0, 0, 0)
    define_name(names, MADE | RUNNING, &name)
    name = Name(b"ready", 5, WAIT, 0, 0, 0)
    define_name(names, MADE | READY, &name)
    name = Name(b"waiting", 7, WAIT, 0, 0, 0)
    define_name(names, MADE | WAITING, &name)
    name = Name(b"a task", 6, STRING, 0, 0, 0)
    define_name(names, MADE | ANY_TASK, &name)
    return 0


cdef inline int name_step(Loops *l, Task *task, NameTable *names) except -1 nogil:
    cdef Name name
    if task.step_name:
        return 0
    task.step_name = MADE | ANY_TASK
    if l.made < MOST_MADE and task.name_size:
        name = Name(task.name, task.name_size, STRING, 0, 0, 0)
        task.step_name = MADE | l.made
        l.made += 1
        define_name(names, task.step_name, &name)
    return 0


cdef inline int run(Loops *l, Task *task, uint32_t thread, uint64_t native_id, uint64_t tick) except -1 nogil:
    """The task runs from now on, on that thread."""
    cdef Task *awaited
    cdef size_t i
    touch(l, task)
    if task.ended:  # not it, but what an excluded frame awaited
        task.state = WAITING
        task.since = task.ended
        task.ended = 0
        task.thrown = task.failed = False
        if task.history != NULL:
            push(&task.history.states, 0, MADE | WAITING, max(task.since, l.window), 0)
    remember(l, task)
    if task.first == 0:
        task.first = tick
        task.thread = thread
        task.native_id = native_id
    task.steps += 1
    task.running = True
    task.woken = False
    set_state(l, task, RUNNING, tick)
    task.ran = task.since
    if not task.source.known:
        task.source = task.result
        for i in range(task.awaits_count):
            awaited = <Task *> find(&l.tasks, task.awaits[i])
            if awaited != NULL and awaited.ended and (not task.source.known or awaited.ran > task.source.tick):
                task.source = Place(True, awaited.id, 0, awaited.ran, 0)
    add_arrow(l, task.source, Place(True, task.id, thread, task.since, 0))
    task.source.known = task.result.known = False
    task.awaits_count = 0
    return 0


cdef inline int await_task(Task *task, uint32_t id) except -1 nogil:
    """The task waits for that one, and maybe for others."""
    if task.awaits_count < MOST_AWAITS:
        task.awaits = <uint32_t *> room_for(task.awaits, task.awaits_count, &task.awaits_room, sizeof(uint32_t))
        task.awaits[task.awaits_count] = id
        task.awaits_count += 1
    return 0


cdef inline int destroy(Loops *l, Task *task, uint64_t tick) except -1 nogil:
    """The task is over, and no frame of it was seen to end."""
    cdef History *h = task.history
    if task.running or task.ended or task.stack != NULL:
        return 0
    set_state(l, task, NO_STATE, tick)
    task.ended = max(tick, <uint64_t> 1)
    if h != NULL:
        tick = clamped(&h.frames, tick)
        if h.waits and h.frames.stack[h.frames.open - 1].since == tick:
            forget_wait(h)  # for no time
        if h.waits:
            end_innermost(h, tick, 0, 0)
        leave_frames(h, 0, tick)
    return 0


cdef inline void forget_wait(History *h) noexcept nogil:
    """Forget that it waits, if nothing came after that."""
    if h.waits and h.frames.stack[h.frames.open - 1].row == h.frames.columns.count - 1:
        h.frames.open -= 1
        h.frames.columns.count -= 1
        h.waits = False


cdef inline int stop(Loops *l, Task *task, uint32_t state, uint64_t tick) except -1 nogil:
    """The task runs no more."""
    task.running = False
    set_state(l, task, state, tick)
    if task.since > task.ran:
        task.ran = task.since - 1
    return 0


cdef inline size_t frames_of(const History *h) noexcept nogil:
    return h.frames.open - (1 if h.waits else 0)


cdef inline void end_innermost(History *h, uint64_t tick, uint8_t flags, uint32_t raised) noexcept nogil:
    """End the innermost frame, or wait."""
    cdef size_t i = h.frames.open - 1
    if i:
        h.awaited[i - 1].until = max(h.awaited[i - 1].until, tick)
    pop(&h.frames, tick, flags, raised)
    h.waits = False


cdef inline void leave_frames(History *h, size_t from_, uint64_t tick) noexcept nogil:
    """End all frames from that place on: they were left by a yield, or it is not known when."""
    cdef size_t i = frames_of(h)
    cdef uint64_t end
    while i > from_:
        i -= 1
        end = max(h.awaited[i].left if h.awaited[i].left else tick, h.awaited[i].until)
        end = max(end, h.frames.columns.start[h.frames.stack[i].row])
        end_innermost(h, end, YIELDED if h.awaited[i].left else HEALED, 0)

"""Reads the records of one spool: every thread's chunks in their order, all threads in the order of time.

Nothing in the mapped memory is trusted. Lengths and places are checked, states and ticks are loaded once.
"""
from libc.stdint cimport UINT64_MAX, int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from awaits cimport abandon, frame_in, frame_out, switch_in, switch_out
from columns cimport (
    CALLABLE, CUT_START, RESUMED, THROWN, YIELDED, Columns, Name, NameTable, define_name, find_name, grown,
)
from muted cimport Muted, add_caller
from nest cimport (
    C_CALL, FRAME, Nest, clamped, copy_nest, cut, enter, leave, pop, push, release, start_window, take_values,
)
from spool cimport (
    PT_ARGS, PT_ASYNCIO, PT_AWAITS, PT_BLOCKING, PT_CALL, PT_CALLABLE, PT_CHILD, PT_CHUNKS_OFFSET, PT_CHUNK_BYTES,
    PT_CHUNK_RECORDS, PT_CODE, PT_CREATED, PT_C_RAISE, PT_C_RETURN, PT_DEPTH, PT_ENDED, PT_FREE, PT_FULL,
    PT_GREENLET, PT_ID, PT_INHERITED, PT_KIND, PT_LINK, PT_MARK, PT_MATCHED, PT_MUTED, PT_NOTE, PT_OWNED, PT_PAYLOAD,
    PT_PROCESS, PT_RAISED, PT_READY, PT_REAPED, PT_RESULT, PT_RESUME, PT_RETURN, PT_START, PT_STEP, PT_STRING,
    PT_SWITCH, PT_TABLE_OFFSET, PT_TASK, PT_THREAD, PT_THROW, PT_UNWIND, PT_YIELD, pt_callable, pt_child, pt_chunk,
    pt_code, pt_header, pt_link, pt_load32, pt_load64, pt_muted, pt_reaped, pt_record, pt_store32, pt_task, pt_thread,
)
from table cimport find
from tasks cimport (
    LONGEST_TEXT, READY, WAITING, Loops, Place, Stack, Task, add_arrow, add_note, await_task, begin_scope, destroy,
    free_loops, free_stack, hand_over, here, make_names, make_ready, set_state, take_up, task_of,
)

cdef struct Link:            # the reader's own view of a chunk
    int next                 # of the same thread, -1 = none
    uint32_t seq
    bint known

cdef struct Thread:
    Nest nest                # of the main stack
    Stack main
    Stack *stack             # where it is: that one, or a greenlet's
    bint loops               # it has run an event loop
    uint64_t head            # tick of its next record, UINT64_MAX = none is there
    uint64_t native_id
    char *name
    uint32_t name_size
    uint32_t serial
    uint32_t raised          # type of the exception that leaves next
    int chunk                # the one being read, -1 = none; the others are linked to it
    uint32_t position        # in it
    uint32_t limit
    uint32_t idle            # windows without a chunk

cdef struct Mark:
    uint64_t tick
    uint32_t code
    uint32_t thread
    uint32_t size
    char *text

cdef struct News:            # of a process that was started or reaped
    uint64_t tick
    uint64_t started         # PT_CHILD: tick before the call
    uint32_t kind            # PT_CHILD or PT_REAPED
    uint32_t pid             # 0 = not known
    uint32_t thread          # serial of the one that tells
    int32_t status           # PT_REAPED: as wait() tells it
    bint known               # whether it did
    uint32_t size
    char *command            # PT_CHILD

cdef struct Reader:
    char *base               # of the mapped file
    pt_header *header
    uint32_t chunks          # mapped
    Link *links              # by chunk
    Thread **threads
    size_t count             # of threads
    NameTable *names
    char *command
    uint32_t command_size
    uint64_t window          # tick where it starts
    uint64_t min_ticks
    size_t max_slices
    uint64_t records         # read
    uint64_t last            # tick of the newest
    Mark mark                # the newest
    News *news               # not fetched yet
    size_t news_count
    size_t news_room
    Muted *muted             # not fetched yet
    size_t muted_count
    Nest lane                # which thread held the GIL: one slice a run
    Thread *running          # whose run is open
    uint32_t runner          # the last thread that ran in this window
    bint ran
    bint several             # more than one thread ran in this window
    uint64_t matched         # bits by place: the run's first patterns of functions whose arguments are kept
    Loops loops

cdef enum Pause:
    NOTHING_LEFT = 0
    MARKED = 1
    BLOCKED = 2              # in a C call that gives up the GIL

cdef enum:
    IDLE_WINDOWS = 64        # after so many a thread without anything is forgotten
    LARGEST_SERIAL = 1 << 20  # a larger one is damage
    UNUSED = 0x7fffffff      # an id that nothing has


cdef inline void start_reader(Reader *r, uint64_t window) noexcept nogil:
    r.window = r.lane.last = r.loops.window = window
    start_window(&r.lane, r.min_ticks, r.max_slices)


cdef inline void free_thread(Thread *t) noexcept nogil:
    release(&t.nest)
    free_stack(&t.main)
    free(t.name)
    free(t)


cdef inline void free_reader(Reader *r) noexcept nogil:
    cdef size_t i
    for i in range(r.count):
        free_thread(r.threads[i])
    free(r.threads)
    free(r.links)
    free(r.command)
    free(r.mark.text)
    forget_news(r)
    free(r.news)
    free(r.muted)
    release(&r.lane)
    free_loops(&r.loops)


cdef inline int give_memory(Reader *r, char *base, uint32_t chunks) except -1 nogil:
    """The file is mapped at `base`, with no fewer chunks than before."""
    r.links = <Link *> grown(r.links, (chunks + 1) * sizeof(Link))
    memset(r.links + r.chunks, 0, (chunks - r.chunks) * sizeof(Link))
    r.chunks = chunks
    r.base = base
    r.header = <pt_header *> base
    return 0


cdef inline pt_chunk *entry_of(Reader *r, int chunk) noexcept nogil:
    return <pt_chunk *> (r.base + PT_TABLE_OFFSET) + chunk


cdef inline pt_record *records_of(Reader *r, int chunk) noexcept nogil:
    return <pt_record *> (r.base + PT_CHUNKS_OFFSET + <size_t> chunk * PT_CHUNK_BYTES)


cdef inline Thread *thread_of(Reader *r, uint32_t serial) except NULL nogil:
    """Return the thread, made on first sight."""
    cdef size_t i
    cdef Thread *t
    for i in range(r.count):
        if r.threads[i].serial == serial:
            return r.threads[i]
    r.threads = <Thread **> grown(r.threads, (r.count + 1) * sizeof(Thread *))
    t = <Thread *> calloc(1, sizeof(Thread))
    if t == NULL:
        with gil:
            raise MemoryError
    t.serial = serial
    t.chunk = -1
    t.head = UINT64_MAX
    t.nest.last = r.window
    t.main.nest = &t.nest
    t.stack = &t.main
    start_window(&t.nest, r.min_ticks, r.max_slices)
    r.threads[r.count] = t
    r.count += 1
    return t


cdef inline int scan(Reader *r) except -1 nogil:
    """Find the chunks that threads have taken since, and every thread's next record."""
    cdef uint32_t i, state, chunks = min(pt_load32(&r.header.chunks), r.chunks)
    cdef bint found = True
    cdef pt_chunk *entry
    cdef Thread *t
    cdef int *link
    # Again until nothing is new: a thread's earlier chunk may lie where the scan has been already.
    while found:
        found = False
        for i in range(chunks):
            if r.links[i].known:
                continue
            entry = entry_of(r, <int> i)
            state = pt_load32(&entry.state)
            if state != PT_OWNED and state != PT_FULL or entry.thread > LARGEST_SERIAL:
                continue
            t = thread_of(r, entry.thread)
            t.native_id = entry.native_id
            found = r.links[i].known = True
            r.links[i].seq = entry.seq
            link = &t.chunk if t.position == 0 or t.chunk < 0 else &r.links[t.chunk].next
            while link[0] >= 0 and r.links[link[0]].seq <= r.links[i].seq:
                link = &r.links[link[0]].next
            r.links[i].next = link[0]
            link[0] = <int> i
    for i in range(r.count):
        look(r, r.threads[i])
    return 0


cdef inline void look(Reader *r, Thread *t) noexcept nogil:
    """Find the thread's next record; free the chunks that are read to their end."""
    cdef pt_chunk *entry
    cdef pt_record *records
    cdef uint32_t state
    t.head = UINT64_MAX
    while t.chunk >= 0:
        entry = entry_of(r, t.chunk)
        records = records_of(r, t.chunk)
        state = pt_load32(&entry.state)
        t.limit = min(entry.used, PT_CHUNK_RECORDS) if state == PT_FULL else PT_CHUNK_RECORDS
        if t.position < t.limit:
            t.head = pt_load64(&records[t.position].tick)
            if t.head:
                return
            t.head = UINT64_MAX
        if state != PT_FULL:
            return
        memset(records, 0, PT_CHUNK_BYTES)
        r.links[t.chunk].known = False
        t.chunk = r.links[t.chunk].next
        t.position = 0
        pt_store32(&entry.state, PT_FREE)


cdef inline Pause advance(Reader *r, uint64_t until) except? NOTHING_LEFT nogil:
    """Read on, always in the thread that is behind the others, up to where the next one stands."""
    cdef Thread *t
    cdef uint64_t first, second, head
    cdef size_t i
    cdef Pause pause
    while True:
        t = NULL
        first = second = UINT64_MAX
        for i in range(r.count):
            head = r.threads[i].head
            if head < first:
                second = first
                first = head
                t = r.threads[i]
            elif head < second:
                second = head
        if first > until:
            return NOTHING_LEFT
        if t != r.running and not r.header.free_threaded:
            end_run(r, first)
            push(&r.lane, 0, t.serial, clamped(&r.lane, max(first, t.stack.nest.last)), 0)
            r.running = t
            r.several = r.several or r.ran and r.runner != t.serial
            r.ran = True
            r.runner = t.serial
        pause = consume(r, t, min(second, until))
        r.last = max(r.last, t.stack.nest.last)
        if pause == BLOCKED:
            end_run(r, 0)
        elif pause == MARKED:
            return MARKED


cdef inline void end_run(Reader *r, uint64_t switched) noexcept nogil:
    """End the open run where another thread shows: code that calls nothing runs without a record until then. A thread
    that has nothing open is not running, and one that waits in C has said so; they end at their last record."""
    cdef Thread *t = r.running
    cdef Nest *nest
    if t != NULL:
        nest = t.stack.nest
        pop(&r.lane, clamped(&r.lane, max(switched, nest.last) if nest.open else nest.last), 0, 0)
        r.running = NULL


cdef inline bint cut_lane(Reader *r, uint64_t tick, Columns *finished) except? False nogil:
    """End the window of the lane; return whether more than one thread ran in it."""
    cdef bint several = r.several
    end_run(r, tick)
    cut(&r.lane, tick, r.min_ticks, r.max_slices, finished)
    r.several = r.ran = False
    r.window = tick
    return several


cdef inline bint snapshot_lane(const Reader *r, uint64_t tick, Columns *finished) except? False nogil:
    """Return and fill what cutting the lane would; its window goes on untouched."""
    cdef Reader copy = r[0]
    try:
        copy_nest(&r.lane, &copy.lane)
        return cut_lane(&copy, tick, finished)
    finally:
        release(&copy.lane)


cdef inline void stop(Thread *t) noexcept nogil:
    """Its process is gone, with all its tasks."""
    t.stack = &t.main
    t.main.open = t.main.scoped = 0
    t.main.armed = 0
    t.main.busy = False


cdef inline int forget_idle(Reader *r) except -1 nogil:
    """A thread that has had no chunk for long has ended; a run may start very many."""
    cdef Thread *t
    cdef size_t i, kept = 0
    for i in range(r.count):
        t = r.threads[i]
        t.idle = 0 if t.chunk >= 0 or t.nest.open or t.stack.nest.open else t.idle + 1
        if t.idle > IDLE_WINDOWS:
            go_to(r, t, 0, t.stack.nest.last)
            abandon(&r.loops, &t.main, r.names, t.nest.last)
            free_thread(t)
        else:
            r.threads[kept] = t
            kept += 1
    r.count = kept
    return 0


cdef inline Pause consume(Reader *r, Thread *t, uint64_t bound) except? NOTHING_LEFT nogil:
    """Nest the thread's records up to the tick `bound`."""
    cdef Stack *stack = t.stack
    cdef Nest *nest = stack.nest
    cdef pt_record *records
    cdef const Name *name
    cdef uint64_t tick, word
    cdef uint32_t position, limit, kind, id, key, skip, callback
    cdef uint64_t largest
    cdef Pause pause = NOTHING_LEFT
    while t.head <= bound and pause == NOTHING_LEFT:
        records = records_of(r, t.chunk)
        largest = largest_id(r)
        callback = r.loops.callback or UNUSED
        position = t.position
        limit = t.limit
        while position < limit:
            tick = pt_load64(&records[position].tick)
            if tick == 0 or tick > bound:
                break
            word = records[position].word
            kind = PT_KIND(word)
            id = PT_ID(word)
            if id > largest and kind < PT_PAYLOAD:
                id = 0
            key = 4 * PT_DEPTH(word)
            position += 1
            r.records += 1
            tick = clamped(nest, tick)
            if (stack.busy or id == callback) and PT_START <= kind <= PT_UNWIND:
                take_frame(r, t, kind, key // 4, id, tick)
            elif kind == PT_START:
                enter(nest, key + FRAME, id, tick, 0)
            elif kind == PT_RETURN:
                leave(nest, key + FRAME, id, tick, 0, 0)
            elif kind == PT_CALL:
                stack.broken = True
                enter(nest, key + C_CALL, id, tick, 0)
                name = find_name(r.names, id)
                if name != NULL and name.kind == CALLABLE and name.flags & PT_BLOCKING:
                    pause = BLOCKED
                    break
            elif kind == PT_C_RETURN:
                leave(nest, key + C_CALL, id, tick, 0, 0)
            elif kind < PT_PAYLOAD:
                take_rare(r, t, kind, key, id, PT_ID(word), tick)
            else:
                skip = (PT_DEPTH(word) + 15) // 16
                if skip > limit - position:
                    position = limit  # damaged: no telling where the next record is
                    break
                take_payload(r, t, word, <char *> &records[position], tick)
                position += skip
                callback = r.loops.callback or UNUSED
                stack = t.stack
                nest = stack.nest
                if kind == PT_MARK:
                    pause = MARKED
                    break
        t.position = position
        look(r, t)
    return pause


cdef inline int take_rare(Reader *r, Thread *t, uint32_t kind, uint32_t key, uint32_t id, uint32_t task,
                          uint64_t tick) except -1 nogil:
    """Take a record of no payload that is not one of the most frequent."""
    cdef Nest *nest = t.stack.nest
    if kind == PT_RESUME or kind == PT_THROW:
        enter(nest, key + FRAME, id, tick, RESUMED)
    elif kind == PT_YIELD:
        leave(nest, key + FRAME, id, tick, YIELDED, 0)
    elif kind == PT_UNWIND:
        leave(nest, key + FRAME, id, tick, THROWN, t.raised)
        t.raised = 0
    elif kind == PT_C_RAISE:
        leave(nest, key + C_CALL, id, tick, THROWN, t.raised)
        t.raised = 0
    elif kind == PT_RAISED:
        t.raised = id
    elif kind == PT_INHERITED:
        enter(nest, key + FRAME, id, tick, CUT_START)
    else:
        take_of_loop(r, t, kind, key // 4, task, tick)
    return 0


cdef inline int take_frame(Reader *r, Thread *t, uint32_t kind, uint32_t depth, uint32_t id,
                           uint64_t tick) except -1 nogil:
    """Nest a frame where tasks run, or one that runs an event loop's callbacks."""
    cdef uint8_t flags = 0
    cdef uint32_t raised = 0
    if kind <= PT_THROW:
        flags = 0 if kind == PT_START else RESUMED
        frame_in(&r.loops, t.stack, r.names, kind, depth, id, tick, flags, t.serial, t.native_id)
        return 0
    if kind == PT_YIELD:
        flags = YIELDED
    elif kind == PT_UNWIND:
        flags = THROWN
        raised = t.raised
        t.raised = 0
    frame_out(&r.loops, t.stack, r.names, kind, depth, id, tick, flags, raised, t.serial)
    return 0


cdef inline int take_of_loop(Reader *r, Thread *t, uint32_t kind, uint32_t depth, uint32_t id,
                             uint64_t tick) except -1 nogil:
    """Take a record of an event loop; `id` is a task."""
    cdef Stack *k = t.stack
    cdef Task *task
    if kind < PT_STEP or kind > PT_ENDED:
        return 0
    task = <Task *> find(&r.loops.tasks, id)
    if task == NULL or task.kind == PT_GREENLET and kind != PT_READY:
        r.loops.ignored += 1
    elif kind == PT_STEP:
        t.loops = True
        k.armed = id
        k.armed_depth = depth
        k.busy = True
    elif kind == PT_READY:
        make_ready(&r.loops, k, task, t.serial, tick)
    elif kind == PT_ENDED:
        # It seems to wait where what awaited its frames is excluded: an async generator's yield of a value.
        destroy(&r.loops, task, task.since if task.state == WAITING else tick)
        begin_scope(k, depth, Place(True, id, t.serial, task.ran, 0))
    elif k.open and id != k.steps[k.open - 1].task.id:
        await_task(k.steps[k.open - 1].task, id)
    return 0


cdef inline int take_task(Reader *r, Thread *t, uint32_t id, const pt_task *about, const char *name, uint32_t size,
                          uint64_t tick) except -1 nogil:
    """A task is told of."""
    cdef Task *task = <Task *> find(&r.loops.tasks, id)
    cdef uint32_t coroutine = 0
    cdef char *text
    if id == 0:
        return 0
    make_names(&r.loops, r.names)
    if task == NULL:
        task = task_of(&r.loops, id, t.serial, t.native_id, tick)
        task.kind = about.kind
        task.loop = about.loop
        task.parent = about.parent
        if about.flags & PT_CREATED:
            task.source = here(t.stack, t.serial, tick)
            set_state(&r.loops, task, READY, tick)
    size = min(size, <uint32_t> LONGEST_TEXT)
    if (task.kind == PT_ASYNCIO and size and name[size - 1] != c")"  # it is done, and has no coroutine any more
            and task.name_size and task.name[task.name_size - 1] == c")"):
        coroutine = 2
        while coroutine < task.name_size and memcmp(task.name + task.name_size - coroutine, b" (", 2):
            coroutine += 1
    text = <char *> grown(NULL, size + coroutine + 1)
    memcpy(text, name, size)
    if coroutine:
        memcpy(text + size, task.name + task.name_size - coroutine, coroutine)
    free(task.name)
    task.name = text
    task.name_size = size + coroutine
    task.step_name = 0
    return 0


cdef inline int take_link(Reader *r, Thread *t, uint32_t token, const pt_link *link, uint64_t tick) except -1 nogil:
    """Work or a result changes threads."""
    cdef Place place
    cdef Task *task
    if not link.taken:
        return hand_over(&r.loops, token, here(t.stack, t.serial, tick))
    place = take_up(&r.loops, token)
    if place.known:
        if t.loops:
            begin_scope(t.stack, link.depth, place)
            task = <Task *> find(&r.loops.tasks, place.origin)
            if task != NULL:
                task.result = place
        else:
            add_arrow(&r.loops, place, Place(True, 0, t.serial, tick, 0))
            t.stack.origin = place.task
    return 0


cdef inline int go_to(Reader *r, Thread *t, uint32_t id, uint64_t tick) except -1 nogil:
    """The thread goes on in a greenlet; 0 = in its main stack."""
    cdef Task *task = NULL
    if id:
        make_names(&r.loops, r.names)
        task = <Task *> find(&r.loops.tasks, id)
        if task == NULL:
            task = task_of(&r.loops, id, t.serial, t.native_id, tick)
            task.kind = PT_GREENLET
        if task.kind != PT_GREENLET or task.running:
            r.loops.ignored += task.kind != PT_GREENLET or t.stack.greenlet != task
            return 0
    if t.stack.greenlet != NULL:
        switch_out(&r.loops, t.stack.greenlet, r.names, tick)
    t.stack = &t.main
    if task != NULL:
        switch_in(&r.loops, task, t.serial, t.native_id, tick)
        t.stack = task.stack
    clamped(t.stack.nest, tick)
    return 0


cdef inline int take_payload(Reader *r, Thread *t, uint64_t word, char *data, uint64_t tick) except -1 nogil:
    cdef uint32_t kind = PT_KIND(word), size = PT_DEPTH(word), id = PT_ID(word)
    cdef Task *task
    if kind == PT_STRING or kind == PT_CODE or kind == PT_CALLABLE:
        take_name(r, id, kind, data, size)
    elif kind == PT_THREAD and size >= sizeof(pt_thread):
        t.native_id = (<pt_thread *> data).native_id
        t.name_size = size - <uint32_t> sizeof(pt_thread)
        t.name = <char *> grown(t.name, t.name_size + 1)
        memcpy(t.name, data + sizeof(pt_thread), t.name_size)
    elif kind == PT_TASK and size >= sizeof(pt_task):
        take_task(r, t, id, <pt_task *> data, data + sizeof(pt_task), size - <uint32_t> sizeof(pt_task), tick)
    elif kind == PT_LINK and size >= sizeof(pt_link):
        take_link(r, t, id, <pt_link *> data, tick)
    elif kind == PT_NOTE:
        add_note(&r.loops, id, t.serial, tick, data, size)
        task = <Task *> find(&r.loops.tasks, id)
        if task != NULL and size == 23 and memcmp(data, b"destroyed while pending", 23) == 0:
            destroy(&r.loops, task, tick)
    elif kind == PT_SWITCH:
        go_to(r, t, id, tick)
    elif kind == PT_ARGS or kind == PT_RESULT:
        take_values(t.stack.nest, id, kind == PT_RESULT, data, size)
        if t.stack.open and t.stack.steps[t.stack.open - 1].task.history != NULL:
            take_values(&t.stack.steps[t.stack.open - 1].task.history.frames, id, kind == PT_RESULT, data, size)
    elif kind == PT_MATCHED:
        r.matched |= <uint64_t> 1 << id if id < 64 else 0
    elif kind == PT_MUTED and size >= sizeof(pt_muted):
        add_muted(r, t, id, <pt_muted *> data, tick)
    elif kind == PT_PROCESS:
        r.command = <char *> grown(r.command, size + 1)
        r.command_size = size
        memcpy(r.command, data, size)
    elif kind == PT_MARK:
        r.mark.text = <char *> grown(r.mark.text, size + 1)
        r.mark.size = size
        memcpy(r.mark.text, data, size)
        r.mark.code = id
        r.mark.tick = tick
        r.mark.thread = t.serial
    elif kind == PT_CHILD and size >= sizeof(pt_child):
        data += sizeof(pt_child)
        size -= <uint32_t> sizeof(pt_child)
        add_news(r, News(tick, (<pt_child *> (data - sizeof(pt_child))).tick, kind, id, t.serial, 0, False, size, data))
    elif kind == PT_REAPED and size >= sizeof(pt_reaped):
        add_news(r, News(tick, 0, kind, id, t.serial, (<pt_reaped *> data).status, (<pt_reaped *> data).known, 0, data))
    return 0


cdef inline int add_muted(Reader *r, Thread *t, uint32_t id, const pt_muted *about, uint64_t tick) except -1 nogil:
    cdef Nest *nest = t.stack.nest
    cdef Muted *muted
    cdef size_t i
    r.muted = <Muted *> grown(r.muted, (r.muted_count + 1) * sizeof(Muted))
    muted = &r.muted[r.muted_count]
    muted.tick = tick
    muted.thread = t.serial
    muted.id = id
    muted.share = about.share
    muted.count = 0
    add_caller(muted, id)
    for i in range(nest.open):
        add_caller(muted, nest.stack[nest.open - 1 - i].id)
    r.muted_count += 1
    return 0


cdef inline int add_news(Reader *r, News news) except -1 nogil:
    """Keep a copy."""
    cdef char *command = <char *> grown(NULL, news.size + 1)
    if r.news_count == r.news_room:
        r.news = <News *> grown(r.news, max(2 * r.news_room, <size_t> 16) * sizeof(News))
        r.news_room = max(2 * r.news_room, <size_t> 16)
    memcpy(command, news.command, news.size)
    r.news[r.news_count] = news
    r.news[r.news_count].command = command
    r.news_count += 1
    return 0


cdef inline void forget_news(Reader *r) noexcept nogil:
    cdef size_t i
    for i in range(r.news_count):
        free(r.news[i].command)
    r.news_count = 0


cdef inline uint64_t largest_id(Reader *r) noexcept nogil:
    """Ids are given one by one: a far larger one is damage, and must not cost its size in memory."""
    return <uint64_t> r.names.first_id + 65536 + 16 * r.names.count


cdef inline int take_name(Reader *r, uint32_t id, uint32_t kind, char *data, uint32_t size) except -1 nogil:
    cdef Name name
    cdef uint32_t head = 0
    memset(&name, 0, sizeof(Name))
    if kind == PT_CODE:
        head = sizeof(pt_code)
    elif kind == PT_CALLABLE:
        head = sizeof(pt_callable)
    if size < head or id > largest_id(r):
        return 0
    if kind == PT_CODE:
        name.file = (<pt_code *> data).file
        name.line = (<pt_code *> data).line
        name.flags = (<pt_code *> data).flags
    elif kind == PT_CALLABLE:
        name.flags = (<pt_callable *> data).flags
    name.kind = kind
    name.text = data + head
    name.length = size - head
    define_name(r.names, id, &name)
    if kind == PT_CODE and name.length == 11 and memcmp(name.text, b"Handle._run", 11) == 0:
        r.loops.callback = id
    return 0

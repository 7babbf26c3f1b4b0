# A spool as Python has it: followed while it is written, and cut into windows.

cdef class Spool:
    """One process's spool file: its records in the order of time, nested into slices, window by window.

    Nothing that is read from the file is trusted: a damaged file gives wrong slices, not wrong memory accesses.
    """

    cdef readonly str path
    cdef readonly Names names
    cdef Reader reader
    cdef object map
    cdef Py_buffer view
    cdef pt_header final  # what the header was when the file was closed
    cdef uint64_t until
    cdef bint private

    def __cinit__(self):
        memset(&self.reader, 0, sizeof(Reader))

    def __init__(self, str path, *, uint64_t window=0, uint64_t min_ticks=0, size_t max_slices=0, bint private=False,
                 size_t max_tasks=500, uint64_t block_ticks=0):
        """Map the file `path`; its first window starts at the tick `window`.

        Leaves shorter than `min_ticks` are folded, and so many of them that a track of one window has no more than
        `max_slices` (0 = no limit). A `private` one changes nothing in the file and sees only what is in it by now,
        so that somebody else may be its reader. `max_tasks` is how many tasks of a window are drawn at least; more than
        twice as many are not kept. What takes `block_ticks` or more blocks its event loop (0 = nothing does).

        Raises BlockingIOError when its writer has not made it ready yet, ValueError when it is no spool of this
        version, OSError.
        """
        self.path = path
        self.private = private
        self.remap()
        cdef uint64_t magic = pt_load64(&self.reader.header.magic)  # once: its writer may write it now
        if magic == 0:
            raise BlockingIOError(f"{path} is not ready")
        if magic != PT_MAGIC:
            raise ValueError(f"{path} is not a spool")
        if self.reader.header.version != PT_VERSION:
            raise ValueError(f"{path} has version {self.reader.header.version}, not {PT_VERSION}")
        self.names = Names()
        self.reader.names = &self.names.table
        self.reader.loops.most = max_tasks
        self.limit(min_ticks, max_slices, block_ticks)
        start_reader(&self.reader, window)

    def __dealloc__(self):
        if self.reader.base != NULL:
            PyBuffer_Release(&self.view)
        free_reader(&self.reader)

    def adopt(self, Names names):
        """Take the ids below `first_id` from the forking parent's `names`; before the first drain."""
        self.names = Names(names, self.first_id)
        self.reader.names = &self.names.table

    def limit(self, uint64_t min_ticks, size_t max_slices, uint64_t block_ticks=0):
        """Set what the constructor was given anew, from the next window on."""
        self.reader.min_ticks = self.reader.loops.min_ticks = min_ticks
        self.reader.max_slices = self.reader.loops.max_slices = max_slices
        self.reader.loops.threshold = block_ticks

    cdef remap(self):
        """Map all that the file has."""
        cdef uint32_t chunks = 0
        if self.private and self.reader.base != NULL:
            return  # what was freed in the private copy would come back
        with open(self.path, "rb" if self.private else "r+b") as file:
            size = os.fstat(file.fileno()).st_size
            if size < PT_CHUNKS_OFFSET:
                raise BlockingIOError(f"{self.path} is not ready")
            chunks = min((size - PT_CHUNKS_OFFSET) // PT_CHUNK_BYTES, PT_MAX_CHUNKS)
            if self.reader.base != NULL and chunks <= self.reader.chunks:
                return
            access = mmap.ACCESS_COPY if self.private else mmap.ACCESS_WRITE
            map = mmap.mmap(file.fileno(), PT_CHUNKS_OFFSET + chunks * PT_CHUNK_BYTES, access=access)
        self.close()
        self.map = map
        PyObject_GetBuffer(map, &self.view, PyBUF_WRITABLE)
        give_memory(&self.reader, <char *> self.view.buf, chunks)

    def close(self):
        """Let go of the file; what was read may still be cut, and the header's fields stay."""
        if self.reader.base != NULL:
            self.final = self.reader.header[0]
            self.reader.header = &self.final
            self.reader.base = NULL
            PyBuffer_Release(&self.view)
            self.map.close()

    @property
    def file_chunks(self):
        return pt_load32(&self.reader.header.chunks)

    def beat(self, uint64_t monotonic_ns, uint32_t room):
        """Tell the writer that its reader is alive, and how many chunks its file may have."""
        pt_store32(&self.reader.header.room, room)
        pt_store64(&self.reader.header.heartbeat_ns, monotonic_ns)

    def stop(self):
        """Tell the writer to record no more."""
        pt_store32(&self.reader.header.stop, 1)

    @property
    def records(self):
        """How many have been read."""
        return self.reader.records

    @property
    def last(self):
        """The tick of the newest record read; 0 = none."""
        return self.reader.last

    @property
    def pending(self):
        """Whether there was a record to read after the newest drain."""
        cdef size_t i
        for i in range(self.reader.count):
            if self.reader.threads[i].head != UINT64_MAX:
                return True
        return False

    @property
    def ignored(self):
        """How many exits matched no entry."""
        cdef size_t i
        cdef uint64_t total = 0
        for i in range(self.reader.count):
            total += self.reader.threads[i].nest.ignored
        return total + self.reader.loops.ignored

    @property
    def command(self):
        """The words of the command line, separated by NUL; b"" = not known."""
        return self.reader.command[:self.reader.command_size] if self.reader.command != NULL else b""

    @property
    def pid(self):
        return self.reader.header.pid

    @property
    def parent_pid(self):
        return self.reader.header.parent_pid

    @property
    def start_tick(self):
        return self.reader.header.start_tick

    @property
    def start_monotonic_ns(self):
        return self.reader.header.start_monotonic_ns

    @property
    def start_unix_ns(self):
        return self.reader.header.start_unix_ns

    @property
    def clock(self):
        return self.reader.header.clock

    @property
    def python(self):
        return self.reader.header.python

    @property
    def first_id(self):
        return self.reader.header.first_id

    @property
    def parent(self):
        """File name of the spool of the process that forked this one, or ""."""
        cdef bytes name = self.reader.header.parent[:sizeof(self.reader.header.parent)]
        return name.split(b"\0")[0].decode("utf-8", "replace")

    @property
    def matched(self):
        """A bit for each of the run's first 64 patterns of functions whose arguments are kept: whether it means any."""
        return self.reader.matched

    @property
    def clock_error_ns(self):
        """How far the ticks may be off: those of a process on another host were translated; 0 = this host's."""
        return self.reader.header.clock_error_ns

    @property
    def dropped(self):
        return pt_load64(&self.reader.header.dropped)

    @property
    def stalled_ns(self):
        return pt_load64(&self.reader.header.stalled_ns)

    @property
    def error(self):
        """The errno of the writer's last failure to grow, 0 = none."""
        return self.reader.header.error

    def drain(self, uint64_t until):
        """Read the records up to the tick `until`, all threads in the order of time, but stop after a mark.

        Return None when nothing is left, else the mark: (thread serial, tick, code, payload).
        """
        cdef Reader *r = &self.reader
        cdef Pause pause
        if r.base == NULL:
            return None
        until = min(until, UINT64_MAX - 1)
        if until != self.until:  # else it goes on after a mark: all chunks with older records are known
            self.until = until
            if min(pt_load32(&r.header.chunks), PT_MAX_CHUNKS) > r.chunks:
                try:
                    self.remap()
                except OSError:  # the file is gone, or we are out of descriptors: read on in what is mapped
                    pass
            with nogil:
                scan(r)
        with nogil:
            pause = advance(r, until)
        return (r.mark.thread, r.mark.tick, r.mark.code, r.mark.text[:r.mark.size]) if pause == MARKED else None

    def speaker(self, uint32_t serial):
        """Return (native id, name, task) of the thread that wrote the mark which the newest drain stopped after.

        The task is the name of the one whose step was open then, "" = none.
        """
        cdef Thread *t = thread_of(&self.reader, serial)
        task = task_name(t.stack.steps[t.stack.open - 1].task, self.reader.names) if t.stack.open else ""
        return t.native_id, thread_name(t), task

    def news(self):
        """Return what was read since the last call of processes that this one started or reaped, in order of time.

        ("child", tick, thread serial, pid, tick before the call, command line) or
        ("reaped", tick, thread serial, pid, status or None). A pid of 0 is not known; the thread's next "reaped" of
        pid 0 is of the same process.
        """
        cdef Reader *r = &self.reader
        cdef News *n
        cdef size_t i
        cdef list told = []
        for i in range(r.news_count):
            n = &r.news[i]
            if n.kind == PT_CHILD:
                told.append(("child", n.tick, n.thread, n.pid, n.started, n.command[:n.size]))
            else:
                told.append(("reaped", n.tick, n.thread, n.pid, n.status if n.known else None))
        forget_news(r)
        return told

    def muted(self):
        """Return what was read since the last call of functions that are recorded no more; see the stub."""
        cdef Reader *r = &self.reader
        cdef Muted *m
        cdef size_t i
        cdef list told = []
        for i in range(r.muted_count):
            m = &r.muted[i]
            told.append((m.tick, m.thread, m.id, m.share / 1e6, [m.callers[j] for j in range(m.count)]))
        r.muted_count = 0
        return told

    def cut(self, uint64_t tick):
        """End the window at `tick` and start the next.

        Return ([(serial, native id, thread name, slices)], GIL lane, tasks): each track that has anything; the lane is
        (slices, names) with thread serials as ids, or None when only one thread ran; tasks as the stub has them.
        """
        window = self.window(tick, True)
        next_window(&self.reader.loops, tick)
        forget_idle(&self.reader)
        return window

    def snapshot(self, uint64_t tick):
        """Return what `cut` would, and leave the window as it is."""
        return self.window(tick, False)

    cdef tuple window(self, uint64_t tick, bint ends):
        cdef Reader *r = &self.reader
        cdef Columns columns
        cdef Thread *t
        cdef size_t i
        cdef list tracks = []
        lane = None
        several = cut_lane(r, tick, &columns) if ends else snapshot_lane(r, tick, &columns)
        slices = taken(&columns)
        if several:
            names = Names()
            for i in range(r.count):
                names.add(r.threads[i].serial, thread_name(r.threads[i]))
            lane = slices, names
        for i in range(r.count):
            t = r.threads[i]
            if ends:
                cut(&t.nest, tick, r.min_ticks, r.max_slices, &columns)
            else:
                snapshot(&t.nest, tick, &columns)
            slices = taken(&columns)
            if len(slices) or slices.columns.outer_folded:
                tracks.append((t.serial, t.native_id, thread_name(t), slices))
        return tracks, lane, self.tasks(tick, ends)

    cdef tuple tasks(self, uint64_t tick, bint ends):
        cdef Loops *loops = &self.reader.loops
        cdef Reader *r = &self.reader
        cdef FoldedTasks folded = loops.folded
        cdef Columns columns
        cdef Task *task
        cdef Arrow *a
        cdef Block *b
        cdef Note *n
        cdef size_t i
        cdef int nest
        cdef bint drawn
        cdef list tasks = [], arrows = [], blocks = [], notes = []
        for i in range(loops.tasks.room):
            task = <Task *> loops.tasks.entries[i].value
            if task == NULL:
                continue
            prepare(loops, task, &drawn)
            if not drawn:
                if task.window == loops.number:
                    folded.tasks += 1
                    folded.steps += task.steps
                    folded.ticks += task.ticks
                continue
            nests = []
            for nest in range(2):
                if ends:
                    cut(&task.history.states if nest else &task.history.frames, tick, 0 if nest else loops.min_ticks,
                        loops.max_slices, &columns)
                else:
                    snapshot(&task.history.states if nest else &task.history.frames, tick, &columns)
                nests.append(taken(&columns))
            if task.function == 0 and task.kind == PT_GREENLET:
                task.function = outermost_function(<Slices> nests[0], r.names)
            tasks.append((
                task.id, task_name(task, r.names), task.thread,
                task.native_id, task.created, task.ended, bool(task.thrown), task.raised, bool(task.failed),
                bool(task.blocked), task.steps, task.lost_steps, task.ticks, nests[0], nests[1],
            ))
        for i in range(loops.arrow_count):
            a = &loops.arrows[i]
            arrows.append((a.source.task, a.source.thread, a.source.tick, a.target.task, a.target.thread,
                           a.target.tick))
        for i in range(loops.block_count):
            b = &loops.blocks[i]
            blocks.append((b.thread, b.task, b.start, b.end, b.frame, b.function))
        for i in range(loops.note_count):
            n = &loops.notes[i]
            notes.append((n.task, n.thread, n.tick, n.text[:n.size].decode("utf-8", "replace")))
        if not (tasks or arrows or blocks or notes or folded.tasks):
            return None
        return tasks, arrows, blocks, notes, (folded.tasks, folded.steps, folded.ticks)

    def stacks(self):
        """Return [(serial, native id, thread name, [(name id, tick of its entry)])]: what each thread has open.

        The outermost comes first. Threads that have nothing open are left out.
        """
        cdef Thread *t
        cdef Nest *nest
        cdef size_t i, j
        cdef list stacks = []
        for i in range(self.reader.count):
            t = self.reader.threads[i]
            nest = t.stack.nest
            if nest.open:
                opened = [(nest.stack[j].id, nest.stack[j].since) for j in range(nest.open)]
                stacks.append((t.serial, t.native_id, thread_name(t), opened))
        return stacks

    def die(self, uint64_t tick=0):
        """The process is gone, since `tick` or its last record: what is open ends there.

        Nothing happens as long as there are records to read.
        """
        cdef size_t i
        for i in range(self.reader.count):
            if self.reader.threads[i].head != UINT64_MAX:
                return
        tick = max(tick, self.reader.last)
        for i in range(self.reader.count):
            stop(self.reader.threads[i])
            die(&self.reader.threads[i].nest, tick)
        end_all(&self.reader.loops, tick)


cdef str task_name(const Task *task, const NameTable *names):
    """A greenlet is called after its outermost function: when it is met, that is not known."""
    cdef str name = task.name[:task.name_size].decode("utf-8", "replace") if task.name_size else ""
    cdef const Name *function = find_name(names, task.function) if task.function else NULL
    if function == NULL:
        return name
    return f"{name.rpartition('.')[2]} ({function.text[:function.length].decode('utf-8', 'replace')})"


cdef uint32_t outermost_function(Slices slices, const NameTable *names):
    """The name of the first slice, which is the outermost; 0 if it is no Python function."""
    cdef const Name *name = find_name(names, slices.columns.name[0]) if slices.columns.count else NULL
    return slices.columns.name[0] if name != NULL and name.kind == CODE else 0


cdef str thread_name(Thread *t):
    if t.name_size:
        return t.name[:t.name_size].decode("utf-8", "replace")
    return f"Thread {t.native_id}"

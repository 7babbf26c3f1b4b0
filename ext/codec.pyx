# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Spool bytes to columns to encoded bytes, without the GIL: reading and nesting, and one encoder per format."""
import mmap
import os
from operator import itemgetter

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.object cimport PyObject
from libc.stdint cimport SIZE_MAX, UINT64_MAX, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cimport chrome
cimport html
cimport perfetto
from awaits cimport end_all, next_window, prepare
from buffer cimport Buffer
from columns cimport (
    CODE, CUT_END, CUT_START, STRING, WAIT, Columns, Name, NameTable, define_name, find_name, free_columns, free_names,
    grown, index_of, reserve,
)
from flows cimport find_rows
from nest cimport Nest, cut, die, snapshot
from reader cimport (
    MARKED, News, Pause, Reader, Thread, advance, cut_lane, forget_idle, forget_news, free_reader, give_memory, scan,
    snapshot_lane, start_reader, stop,
)
from tasks cimport Arrow, Block, Folded as FoldedTasks, Loops, Note, Task
from spool cimport (
    PT_CHILD, PT_CHUNK_BYTES, PT_CHUNKS_OFFSET, PT_GREENLET, PT_MAGIC, PT_MAX_CHUNKS, PT_VERSION, pt_header, pt_load32,
    pt_load64, pt_monotonic_ns, pt_now, pt_store32, pt_store64,
)
from walk cimport Before, FlowEnd, Folded, Walk, Window, folded_into

flow_row, flow_tick = itemgetter(0), itemgetter(1)


cdef class Names:
    """What the ids of one process stand for.

    A forked child's table falls back to its parent's for the ids below `first_id`.
    """

    cdef NameTable table
    cdef readonly Names parent
    cdef object __weakref__

    def __cinit__(self, Names parent=None, uint32_t first_id=0):
        memset(&self.table, 0, sizeof(NameTable))
        self.parent = parent
        self.table.first_id = first_id
        if parent is not None:
            self.table.parent = &parent.table

    def __dealloc__(self):
        free_names(&self.table)

    @property
    def first_id(self):
        return self.table.first_id

    def add(self, uint32_t id, text, uint32_t kind=STRING, uint32_t file=0, uint32_t line=0, uint32_t flags=0):
        """Define `id` from Python: for tracks that are not read from a spool, and for tests."""
        cdef bytes encoded = text.encode("utf-8", "surrogateescape")
        cdef Name name
        name.text = encoded
        name.length = <uint32_t> len(encoded)
        name.kind = kind
        name.file = file
        name.line = line
        name.flags = flags
        define_name(&self.table, id, &name)

    def __getitem__(self, uint32_t id):
        """Return (text, kind, file text, line, flags) of `id`; KeyError when nobody said what it is."""
        cdef const Name *name = find_name(&self.table, id)
        cdef const Name *file
        if name == NULL:
            raise KeyError(id)
        file = find_name(&self.table, name.file) if name.kind in (CODE, WAIT) else NULL
        return (
            name.text[:name.length].decode("utf-8", "replace"), name.kind,
            file.text[:file.length].decode("utf-8", "replace") if file != NULL else "", name.line, name.flags,
        )


cdef class Slices:
    """The slices of one track in one window, in columns; see columns.pxd. `len()` is their number."""

    cdef Columns columns

    def __cinit__(self):
        memset(&self.columns, 0, sizeof(Columns))

    def __dealloc__(self):
        free_columns(&self.columns)

    def __len__(self):
        return self.columns.count

    def open(self):
        """Return [(name id, tick of its begin)] of the slices that go on after the window, outermost first."""
        cdef size_t row
        cdef list opened = []
        for row in range(self.columns.count):
            if self.columns.flags[row] & CUT_END:
                opened.append((self.columns.name[row], self.columns.start[row]))
        return opened

    def add(self, uint64_t start, uint64_t end, uint32_t name, uint32_t depth, uint8_t flags=0, uint32_t raised=0,
            uint64_t folded=0, uint64_t folded_ticks=0):
        """Append a slice from Python: for tracks that are not read from a spool, and for tests."""
        cdef Columns *c = &self.columns
        cdef size_t row = c.count
        reserve(c, row + 1)
        c.start[row] = start
        c.end[row] = end
        c.name[row] = name
        c.depth[row] = depth
        c.flags[row] = flags
        c.raised[row] = raised
        c.folded[row] = folded
        c.folded_ticks[row] = folded_ticks
        c.count = row + 1

    @property
    def start(self):
        """The tick at which the first slice starts; 0 = there is none."""
        return self.columns.start[0] if self.columns.count else 0

    @property
    def folded(self):
        """How many slices were folded, into their parents or for want of one."""
        cdef size_t i
        cdef uint64_t total = self.columns.outer_folded
        for i in range(self.columns.count):
            total += self.columns.folded[i]
        return total

    @property
    def folded_totals(self):
        """(number, ticks) of all that was folded; the ticks are those of the outermost ones."""
        cdef size_t i
        cdef uint64_t ticks = self.columns.outer_folded_ticks
        for i in range(self.columns.count):
            ticks += self.columns.folded_ticks[i]
        return self.folded, ticks

    @property
    def outer_folded(self):
        """(number, ticks) of the folded slices that had no parent."""
        return self.columns.outer_folded, self.columns.outer_folded_ticks

    def rows(self):
        """Return the slices as tuples (start, end, name, depth, flags, raised, folded, folded_ticks); for tests."""
        cdef Columns *c = &self.columns
        cdef size_t i
        return [(c.start[i], c.end[i], c.name[i], c.depth[i], c.flags[i], c.raised[i], c.folded[i], c.folded_ticks[i])
                for i in range(c.count)]


cdef Slices taken(Columns *columns):
    """Return slices that own `columns` from now on."""
    cdef Slices slices = Slices()
    slices.columns = columns[0]
    memset(columns, 0, sizeof(Columns))
    return slices


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
        if pt_load64(&self.reader.header.magic) != PT_MAGIC:
            if self.reader.header.magic:
                raise ValueError(f"{path} is not a spool")
            raise BlockingIOError(f"{path} is not ready")
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

    def beat(self, uint64_t monotonic_ns):
        """Tell the writer that its reader is alive."""
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


def now(uint32_t clock):
    """Return the tick of `clock`, a pt_clock."""
    return pt_now(clock)


def monotonic_ns():
    """Return the time of the clock by which spools tell it."""
    return pt_monotonic_ns()


def anchor(uint32_t clock):
    """Return one moment on both clocks: (tick, monotonic ns)."""
    cdef uint64_t before, ns, after, tick = 0, at = 0, best = UINT64_MAX
    for _ in range(32):
        before = pt_now(clock)
        ns = pt_monotonic_ns()
        after = pt_now(clock)
        if after - before < best:
            best = after - before
            tick = before + best // 2
            at = ns
    return tick, at


cdef class Source:
    """What an encoder reads: a window of a track, its names, and what it went on from."""

    cdef Window window
    cdef Walk walk
    cdef Buffer out
    cdef Names names         # kept alive
    cdef Before *before
    cdef FlowEnd *flows

    def __cinit__(self, Slices slices not None, Names names not None, uint64_t origin, double ns_per_tick, list before,
                  uint64_t now, list flows, write):
        cdef size_t i
        self.names = names
        self.before = <Before *> grown(NULL, (len(before or ()) + 1) * sizeof(Before))
        self.window.columns = &slices.columns
        self.window.names = &names.table
        self.window.unknown.text = "?"
        self.window.unknown.length = 1
        self.window.origin = origin
        self.window.ns_per_tick = ns_per_tick
        self.window.before = self.before
        self.walk.now = now
        self.out.write = <PyObject *> write  # whoever made this holds it
        if before is not None:
            self.window.joined = True
            self.window.continued = len(before)
            for i in range(self.window.continued):
                _, self.before[i].start, self.before[i].count, self.before[i].ticks = before[i]
        self.flows = <FlowEnd *> grown(NULL, (len(flows or ()) + 1) * sizeof(FlowEnd))
        self.window.flows = self.flows
        i = 0
        for row, id, enters, _ in flows or ():
            if row >= self.window.continued:  # else it was begun in an earlier window, where nobody knew of this
                self.flows[i].row, self.flows[i].id, self.flows[i].enters = row, id, enters
                i += 1
        self.flows[i].row = SIZE_MAX

    def __dealloc__(self):
        free(self.before)
        free(self.flows)
        free(self.out.bytes)

    cdef tuple result(self):
        """Return (how far time got in ns, what goes on in the next window)."""
        cdef list after = []
        cdef size_t i, row
        cdef Folded folded
        for i in range(self.walk.top):
            row = self.walk.stack[i].row
            folded = folded_into(&self.window, row)
            after.append((self.window.columns.name[row], self.walk.stack[i].start, folded.count, folded.ticks))
        return self.walk.now, after


def perfetto_slices(Slices slices, Names names, uint64_t origin, double ns_per_tick, uint64_t track, uint32_t sequence,
                    write, list before=None, uint64_t now=0, list flows=None):
    """Write the slices as packets of one sequence; see the stub."""
    cdef Source source = Source(slices, names, origin, ns_per_tick, before, now, flows, write)
    with nogil:
        perfetto.encode(&source.out, &source.window, &source.walk, track, sequence)
    return source.result()


def chrome_slices(Slices slices, Names names, uint64_t origin, double ns_per_tick, bytes lane not None, write,
                  list before=None, uint64_t now=0, list flows=None):
    """Write the slices as JSON objects; see the stub."""
    cdef Source source = Source(slices, names, origin, ns_per_tick, before, now, flows, write)
    cdef const char *text = lane
    cdef size_t length = len(lane)
    with nogil:
        chrome.encode(&source.out, &source.window, &source.walk, text, length)
    return source.result()


def html_slices(Slices slices, Names names, uint64_t origin, double ns_per_tick, const uint32_t[::1] index not None):
    """Return the slices as columns of varints; see the stub."""
    cdef Source source = Source(slices, names, origin, ns_per_tick, None, 0, None, None)
    cdef html.Page page
    cdef size_t column
    memset(&page, 0, sizeof(page))
    page.index = &index[0] if len(index) else NULL
    page.ids = len(index)
    try:
        with nogil:
            html.encode(&page, &source.window, &source.walk)
        columns = [page.columns[column].bytes[:page.columns[column].size] for column in range(html.COLUMNS)]
    finally:
        html.free_page(&page)
    return columns, page.slices, page.levels, page.first, page.last, page.busy


def uses(Slices slices not None):
    """Return {id: (count, exclusive ticks)} of the names that are used; see the stub."""
    cdef Columns *c = &slices.columns
    cdef html.Use *found
    cdef size_t row
    cdef size_t ids = 0
    for row in range(c.count):
        ids = max(ids, max(index_of(c.name[row]), index_of(c.raised[row])))
    found = <html.Use *> calloc(ids + 1, sizeof(html.Use))
    if found == NULL:
        raise MemoryError
    try:
        with nogil:
            html.add_uses(c, found)
        return {row >> 1 | (row & 1) << 31: (found[row].count, found[row].ticks)
                for row in range(ids + 1) if found[row].count}
    finally:
        free(found)


def continued(Slices slices not None, list before not None):
    """Return how many of the slices that were open after the window before, outermost first, go on in this one."""
    cdef Columns *c = &slices.columns
    cdef size_t row = 0
    while (row < c.count and row < <size_t> len(before) and c.flags[row] & CUT_START and c.depth[row] == row
           and before[row][0] == c.name[row]):
        row += 1
    return row


def flow_rows(Slices slices not None, list flows not None):
    """Return [(row, id, enters, tick at which the slice starts)], in order of row; see the stub."""
    cdef list ordered = sorted(flows, key=flow_tick)
    cdef Columns *c = &slices.columns
    cdef size_t count = len(ordered)
    cdef FlowEnd *ends = <FlowEnd *> grown(NULL, (count + 1) * sizeof(FlowEnd))
    cdef size_t i
    cdef list found = []
    try:
        for i in range(count):
            ends[i].id, ends[i].tick, ends[i].enters = ordered[i]
        with nogil:
            find_rows(c, ends, count)
        for i in range(count):
            if ends[i].row != SIZE_MAX:
                found.append((ends[i].row, ends[i].id, ends[i].enters, c.start[ends[i].row]))
    finally:
        free(ends)
    found.sort(key=flow_row)
    return found

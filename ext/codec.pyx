# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Spool bytes to columns to encoded bytes, without the GIL: reading and nesting, and one encoder per format."""
import mmap
import os

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport UINT64_MAX, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

cimport chrome
cimport perfetto
from buffer cimport Buffer
from columns cimport (
    BLOCKS, CALLABLE, CODE, CUT_START, FIRST_BLOCK, RESUMED, STRING, THROWN, YIELDED, Columns, Name, NameTable, find_name,
    free_columns, grown, name_slot, reserve,
)
from nest cimport Nest, clamped, cut, die, enter, leave, pop, push, release, start_window
from spool cimport (
    PT_BLOCKING, PT_C_RAISE, PT_C_RETURN, PT_CALL, PT_CALLABLE, PT_CHUNK_BYTES, PT_CHUNK_RECORDS, PT_CHUNKS_OFFSET,
    PT_CODE, PT_DEPTH, PT_FREE, PT_FULL, PT_ID, PT_KIND, PT_MAGIC, PT_MARK, PT_MAX_CHUNKS, PT_OWNED, PT_PAYLOAD,
    PT_PROCESS, PT_RAISED, PT_RESUME, PT_RETURN, PT_START, PT_STRING, PT_TABLE_OFFSET, PT_THREAD, PT_THROW, PT_UNWIND,
    PT_VERSION, PT_YIELD, pt_callable, pt_chunk, pt_code, pt_header, pt_load32, pt_load64, pt_monotonic_ns, pt_now,
    pt_record, pt_store32, pt_store64, pt_thread,
)
from walk cimport Before, Folded, Walk, Window, folded_into



cdef class Names:
    """What the ids of one process stand for.

    A forked child's table falls back to its parent's for the ids below `first_id`.
    """

    cdef NameTable table
    cdef readonly Names parent
    cdef readonly size_t count

    def __cinit__(self, Names parent=None, uint32_t first_id=0):
        memset(&self.table, 0, sizeof(NameTable))
        self.parent = parent
        self.table.first_id = first_id
        if parent is not None:
            self.table.parent = &parent.table

    def __dealloc__(self):
        cdef size_t i, size = 1 << FIRST_BLOCK
        cdef int block
        for block in range(BLOCKS):
            if self.table.blocks[block] != NULL:
                for i in range(size):
                    free(<void *> self.table.blocks[block][i].text)
                free(self.table.blocks[block])
            size *= 2

    @property
    def first_id(self):
        return self.table.first_id

    cdef int define(self, uint32_t id, Name *name) except -1 nogil:
        """Store a copy of `name` for `id`, not below `first_id`; the first definition of an id stays."""
        cdef Name *slot
        cdef char *text
        cdef int block
        cdef size_t size
        if id < self.table.first_id:
            return 0
        slot = name_slot(&self.table, id, &block, &size)
        if slot == NULL:
            slot = <Name *> calloc(size, sizeof(Name))
            if slot == NULL:
                with gil:
                    raise MemoryError
            self.table.blocks[block] = slot
            slot = name_slot(&self.table, id, &block, &size)
        if slot.text != NULL:
            return 0
        text = <char *> malloc(name.length + 1)
        if text == NULL:
            with gil:
                raise MemoryError
        memcpy(text, name.text, name.length)
        slot.length = name.length
        slot.kind = name.kind
        slot.file = name.file
        slot.line = name.line
        slot.flags = name.flags
        slot.text = text
        self.count += 1
        return 0

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
        self.define(id, &name)

    def __getitem__(self, uint32_t id):
        """Return (text, kind, file text, line, flags) of `id`; KeyError when nobody said what it is."""
        cdef const Name *name = find_name(&self.table, id)
        cdef const Name *file
        if name == NULL:
            raise KeyError(id)
        file = find_name(&self.table, name.file) if name.kind == CODE else NULL
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
    def folded(self):
        """How many slices were folded, into their parents or for want of one."""
        cdef size_t i
        cdef uint64_t total = self.columns.outer_folded
        for i in range(self.columns.count):
            total += self.columns.folded[i]
        return total

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


cdef struct Link:            # the reader's own view of a chunk
    int next                 # of the same thread
    uint32_t seq
    bint known

cdef struct Thread:
    Nest nest
    uint64_t head            # tick of its next record, UINT64_MAX = none is there
    uint64_t native_id
    char *name
    uint32_t name_length
    uint32_t serial
    uint32_t raised          # type of the exception that leaves next
    int chunk                # the one being read, then its links'; -1 = none
    uint32_t position        # in it
    uint32_t limit
    uint32_t absent          # cuts without a chunk

cdef enum Pause:
    NOTHING_LEFT = 0
    MARKED = 1
    BLOCKED = 2

cdef enum:
    FORGET_AFTER = 64        # cuts


cdef class Spool:
    """One process's spool file: its records in the order of time, nested into slices, window by window.

    Nothing that is read from the file is trusted: a damaged file gives wrong slices, not wrong memory accesses.
    """

    cdef readonly str path
    cdef readonly Names names
    cdef readonly bytes command      # the words of the command line, separated by NUL
    cdef readonly uint64_t records   # read so far
    cdef readonly uint64_t last      # tick of the newest record read
    cdef public uint64_t min_ticks   # shorter leaves are folded; from the next window on
    cdef public size_t max_slices    # per track and window, 0 = no limit; from the next window on
    cdef object map
    cdef Py_buffer view
    cdef char *base
    cdef pt_header *header
    cdef pt_header final             # what the header was when the file was closed
    cdef uint32_t chunks             # mapped
    cdef Link *links
    cdef Thread **threads
    cdef size_t count
    cdef uint64_t window             # where it starts
    cdef uint64_t until
    cdef Nest lane                   # who held the GIL
    cdef Thread *running             # in the lane's open slice
    cdef bint several                # more than one thread ran in this window
    cdef uint32_t runner             # serial of the last that ran in it
    cdef bint ran
    cdef uint64_t mark_tick
    cdef uint32_t mark_code
    cdef uint32_t mark_thread
    cdef uint32_t mark_size
    cdef char *mark

    def __init__(self, str path, *, uint64_t window=0, uint64_t min_ticks=0, size_t max_slices=0):
        """Map the file `path`; its first window starts at the tick `window`.

        Raises BlockingIOError when its writer has not made it ready yet, ValueError when it is no spool of this
        version, OSError.
        """
        self.path = path
        self.window = window
        self.min_ticks = min_ticks
        self.max_slices = max_slices
        self.remap()
        if pt_load64(&self.header.magic) != PT_MAGIC:
            if self.header.magic:
                raise ValueError(f"{path} is not a spool")
            raise BlockingIOError(f"{path} is not ready")
        if self.header.version != PT_VERSION:
            raise ValueError(f"{path} has version {self.header.version}, not {PT_VERSION}")
        self.names = Names(None, 0)
        self.command = b""
        self.lane.last = window
        start_window(&self.lane, min_ticks, max_slices)

    def __dealloc__(self):
        cdef size_t i
        if self.base != NULL:
            PyBuffer_Release(&self.view)
        for i in range(self.count):
            free_thread(self.threads[i])
        free(self.threads)
        free(self.links)
        free(self.mark)
        release(&self.lane)

    def adopt(self, Names names):
        """Take the ids below `first_id` from the forking parent's `names`; before the first drain."""
        self.names = Names(names, self.first_id)

    def remap(self):
        """Map all that the file has."""
        cdef uint32_t chunks = 0
        with open(self.path, "r+b") as file:
            size = os.fstat(file.fileno()).st_size
            if size < PT_CHUNKS_OFFSET:
                raise BlockingIOError(f"{self.path} is not ready")
            chunks = min((size - PT_CHUNKS_OFFSET) // PT_CHUNK_BYTES, PT_MAX_CHUNKS)
            map = mmap.mmap(file.fileno(), PT_CHUNKS_OFFSET + chunks * PT_CHUNK_BYTES)
        self.links = <Link *> grown(self.links, (chunks + 1) * sizeof(Link))
        if chunks > self.chunks:
            memset(self.links + self.chunks, 0, (chunks - self.chunks) * sizeof(Link))
        elif chunks < self.chunks:
            return  # a stranger truncated it
        self.unmap()
        self.map = map
        PyObject_GetBuffer(map, &self.view, PyBUF_WRITABLE)
        self.base = <char *> self.view.buf
        self.header = <pt_header *> self.base
        self.chunks = chunks

    def unmap(self):
        if self.base != NULL:
            self.final = self.header[0]
            self.header = &self.final
            self.base = NULL
            PyBuffer_Release(&self.view)
            self.map.close()

    def close(self):
        """Let go of the file; attributes stay, and what was read may still be cut."""
        self.unmap()

    def beat(self, uint64_t monotonic_ns):
        """Tell the writer that its reader is alive."""
        pt_store64(&self.header.heartbeat_ns, monotonic_ns)

    def stop(self):
        """Tell the writer to record no more."""
        pt_store32(&self.header.stop, 1)

    @property
    def pid(self):
        return self.header.pid

    @property
    def parent_pid(self):
        return self.header.parent_pid

    @property
    def start_tick(self):
        return self.header.start_tick

    @property
    def start_monotonic_ns(self):
        return self.header.start_monotonic_ns

    @property
    def start_unix_ns(self):
        return self.header.start_unix_ns

    @property
    def clock(self):
        return self.header.clock

    @property
    def python(self):
        return self.header.python

    @property
    def first_id(self):
        return self.header.first_id

    @property
    def parent(self):
        """File name of the spool of the process that forked this one, or ""."""
        return (<bytes> self.header.parent[:sizeof(self.header.parent)]).split(b"\0")[0].decode("utf-8", "replace")

    @property
    def dropped(self):
        return pt_load64(&self.header.dropped)

    @property
    def stalled_ns(self):
        return pt_load64(&self.header.stalled_ns)

    @property
    def error(self):
        return self.header.error

    @property
    def ignored(self):
        """How many exits matched no entry."""
        cdef size_t i
        cdef uint64_t total = 0
        for i in range(self.count):
            total += self.threads[i].nest.ignored
        return total

    def drain(self, uint64_t until):
        """Read the records up to the tick `until`, all threads in the order of time, but stop after a mark.

        Return None when nothing is left, else the mark: (thread serial, tick, code, payload).
        """
        cdef int pause
        if self.base == NULL:
            return None
        if until == UINT64_MAX:
            until -= 1
        if until != self.until:  # else going on after a mark: all chunks with older records are known
            self.until = until
            if min(pt_load32(&self.header.chunks), PT_MAX_CHUNKS) > self.chunks:
                try:
                    self.remap()
                except OSError:  # gone or out of descriptors; read on in what is mapped
                    pass
            with nogil:
                self.scan()
        with nogil:
            pause = self.advance(until)
        if pause == MARKED:
            return self.mark_thread, self.mark_tick, self.mark_code, self.mark[:self.mark_size]
        return None

    def cut(self, uint64_t tick):
        """End the window at `tick` and start the next.

        Return ([(serial, native id, thread name, slices)], GIL lane): each track that has anything; the lane is
        (slices, names) with thread serials as ids, or None.
        """
        cdef Columns columns
        cdef Thread *t
        cdef size_t i, kept = 0
        cdef Names names
        cdef list tracks = []
        self.end_run()
        cut(&self.lane, tick, self.min_ticks, self.max_slices, &columns)
        slices = taken(&columns)
        lane = None
        if self.several:
            names = Names(None, 0)
            for i in range(self.count):
                names.add(self.threads[i].serial, thread_name(self.threads[i]))
            lane = slices, names
        self.several = self.ran = False
        self.window = tick
        for i in range(self.count):
            t = self.threads[i]
            cut(&t.nest, tick, self.min_ticks, self.max_slices, &columns)
            slices = taken(&columns)
            if len(slices) or slices.columns.outer_folded:
                tracks.append((t.serial, t.native_id, thread_name(t), slices))
            t.absent = 0 if t.chunk >= 0 or t.nest.open else t.absent + 1
            if t.absent > FORGET_AFTER:
                free_thread(t)
            else:
                self.threads[kept] = t
                kept += 1
        self.count = kept
        return tracks, lane

    def die(self):
        """The process is gone: what is open ends at its last record."""
        cdef size_t i
        for i in range(self.count):
            die(&self.threads[i].nest, self.last)

    cdef int scan(self) except -1 nogil:
        """Find the chunks that threads have taken since, and look for every thread's next record."""
        cdef pt_chunk *table = <pt_chunk *> (self.base + PT_TABLE_OFFSET)
        cdef uint32_t i, state, chunks = min(pt_load32(&self.header.chunks), self.chunks)
        cdef bint found = True
        cdef Thread *t
        cdef int *link
        # Again until nothing is new: a thread's next chunk may lie where the scan has been.
        while found:
            found = False
            for i in range(chunks):
                if self.links[i].known:
                    continue
                state = pt_load32(&table[i].state)
                if state != PT_OWNED and state != PT_FULL:
                    continue
                found = self.links[i].known = True
                self.links[i].seq = table[i].seq
                t = self.thread(table[i].thread)
                t.native_id = table[i].native_id
                # The one being read keeps its place at the front.
                link = &t.chunk if t.position == 0 or t.chunk < 0 else &self.links[t.chunk].next
                while link[0] >= 0 and self.links[link[0]].seq <= self.links[i].seq:
                    link = &self.links[link[0]].next
                self.links[i].next = link[0]
                link[0] = <int> i
        for i in range(self.count):
            self.look(self.threads[i])
        return 0

    cdef Thread *thread(self, uint32_t serial) except NULL nogil:
        """Return the thread, made on first sight."""
        cdef size_t i
        cdef Thread *t
        for i in range(self.count):
            if self.threads[i].serial == serial:
                return self.threads[i]
        self.threads = <Thread **> grown(self.threads, (self.count + 1) * sizeof(Thread *))
        t = <Thread *> calloc(1, sizeof(Thread))
        if t == NULL:
            with gil:
                raise MemoryError
        t.serial = serial
        t.chunk = -1
        t.head = UINT64_MAX
        t.nest.last = self.window
        start_window(&t.nest, self.min_ticks, self.max_slices)
        self.threads[self.count] = t
        self.count += 1
        return t

    cdef void look(self, Thread *t) noexcept nogil:
        """Set the thread's head; free the chunks that are read to their end."""
        cdef pt_chunk *chunk
        cdef pt_record *records
        cdef uint32_t state
        t.head = UINT64_MAX
        while t.chunk >= 0:
            chunk = <pt_chunk *> (self.base + PT_TABLE_OFFSET) + t.chunk
            records = self.records_of(t.chunk)
            state = pt_load32(&chunk.state)
            t.limit = min(chunk.used, PT_CHUNK_RECORDS) if state == PT_FULL else PT_CHUNK_RECORDS
            if t.position < t.limit:
                t.head = pt_load64(&records[t.position].tick)
                if t.head:
                    return
                t.head = UINT64_MAX
            if state != PT_FULL:
                return
            memset(records, 0, PT_CHUNK_BYTES)
            self.links[t.chunk].known = False
            t.chunk, t.position = self.links[t.chunk].next, 0
            pt_store32(&chunk.state, PT_FREE)

    cdef inline pt_record *records_of(self, int chunk) noexcept nogil:
        return <pt_record *> (self.base + PT_CHUNKS_OFFSET + <size_t> chunk * PT_CHUNK_BYTES)

    cdef int advance(self, uint64_t until) except -1 nogil:
        """Read on, always in the thread that is behind the others, up to where the next one stands."""
        cdef Thread *t
        cdef uint64_t first, second, head, tick, records
        cdef size_t i
        cdef int pause
        while True:
            t = NULL
            first = second = UINT64_MAX
            for i in range(self.count):
                head = self.threads[i].head
                if head < first:
                    second = first
                    first = head
                    t = self.threads[i]
                elif head < second:
                    second = head
            if first > until:
                return NOTHING_LEFT
            if t != self.running and not self.header.free_threaded:
                self.end_run()
                self.running = t
                push(&self.lane, 0, t.serial, clamped(&self.lane, max(first, t.nest.last)), 0)
                self.several = self.several or self.ran and self.runner != t.serial
                self.ran = True
                self.runner = t.serial
            pause = self.consume(t, min(second, until))
            self.last = max(self.last, t.nest.last)
            if pause == BLOCKED:
                self.end_run()
            elif pause == MARKED:
                return MARKED

    cdef void end_run(self) noexcept nogil:
        if self.running != NULL:
            pop(&self.lane, clamped(&self.lane, self.running.nest.last), 0, 0)
            self.running = NULL

    cdef int consume(self, Thread *t, uint64_t bound) except -1 nogil:
        """Nest the thread's records up to the tick `bound`."""
        cdef Nest *nest = &t.nest
        cdef pt_record *records
        cdef const Name *name
        cdef uint64_t tick, word
        cdef uint32_t position, limit, kind, id, key, skip
        cdef int pause = NOTHING_LEFT
        while t.head <= bound and not pause:
            records = self.records_of(t.chunk)
            position = t.position
            limit = t.limit
            while position < limit:
                tick = pt_load64(&records[position].tick)
                if tick == 0 or tick > bound:
                    break
                word = records[position].word
                kind = PT_KIND(word)
                id = PT_ID(word)
                key = 2 * PT_DEPTH(word)
                position += 1
                self.records += 1
                tick = clamped(nest, tick)
                if kind == PT_START:
                    enter(nest, key, id, tick, 0)
                elif kind == PT_RETURN:
                    leave(nest, key, id, tick, 0, 0)
                elif kind == PT_CALL:
                    enter(nest, key + 1, id, tick, 0)
                    name = find_name(&self.names.table, id)
                    if name != NULL and name.kind == CALLABLE and name.flags & PT_BLOCKING:
                        pause = BLOCKED
                        break
                elif kind == PT_C_RETURN:
                    leave(nest, key + 1, id, tick, 0, 0)
                elif kind == PT_RESUME or kind == PT_THROW:
                    enter(nest, key, id, tick, RESUMED)
                elif kind == PT_YIELD:
                    leave(nest, key, id, tick, YIELDED, 0)
                elif kind == PT_UNWIND:
                    leave(nest, key, id, tick, THROWN, t.raised)
                    t.raised = 0
                elif kind == PT_C_RAISE:
                    leave(nest, key + 1, id, tick, THROWN, t.raised)
                    t.raised = 0
                elif kind == PT_RAISED:
                    t.raised = id
                elif kind >= PT_PAYLOAD:
                    skip = (PT_DEPTH(word) + 15) // 16
                    if skip > limit - position:
                        position = limit  # damaged: no telling where the next record is
                    else:
                        self.payload(t, kind, id, <char *> &records[position], PT_DEPTH(word), tick)
                        position += skip
                        if kind == PT_MARK:
                            pause = MARKED
                            break
            t.position = position
            self.look(t)
        return pause

    cdef int payload(self, Thread *t, uint32_t kind, uint32_t id, char *data, uint32_t size,
                     uint64_t tick) except -1 nogil:
        cdef Name name
        cdef uint32_t head = 0
        memset(&name, 0, sizeof(Name))
        if kind == PT_STRING or kind == PT_CODE or kind == PT_CALLABLE:
            if kind == PT_CODE:
                head = sizeof(pt_code)
            elif kind == PT_CALLABLE:
                head = sizeof(pt_callable)
            # Ids are given one by one: a far larger one is damage, and must not cost its size in memory.
            if size < head or id > <uint64_t> self.names.table.first_id + 65536 + 16 * self.names.count:
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
            self.names.define(id, &name)
        elif kind == PT_THREAD and size >= sizeof(pt_thread):
            head = sizeof(pt_thread)
            t.native_id = (<pt_thread *> data).native_id
            t.name = <char *> grown(t.name, size - head + 1)
            t.name_length = size - head
            memcpy(t.name, data + head, size - head)
        elif kind == PT_PROCESS:
            with gil:
                self.command = data[:size]
        elif kind == PT_MARK:
            self.mark = <char *> grown(self.mark, size + 1)
            memcpy(self.mark, data, size)
            self.mark_size = size
            self.mark_code = id
            self.mark_tick = tick
            self.mark_thread = t.serial
        return 0


cdef str thread_name(Thread *t):
    if t.name_length:
        return t.name[:t.name_length].decode("utf-8", "replace")
    return f"Thread {t.native_id}"


cdef void free_thread(Thread *t) noexcept:
    release(&t.nest)
    free(t.name)
    free(t)


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

    def __cinit__(self, Slices slices not None, Names names not None, uint64_t origin, double ns_per_tick, list before,
                  uint64_t now):
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
        if before is not None:
            self.window.joined = True
            self.window.continued = len(before)
            for i in range(len(before)):
                _, self.before[i].start, self.before[i].count, self.before[i].ticks = before[i]

    def __dealloc__(self):
        free(self.before)
        free(self.out.bytes)

    cdef tuple result(self):
        """Return (the bytes, how far time got in ns, what goes on in the next window)."""
        cdef list after = []
        cdef size_t i, row
        cdef Folded folded
        for i in range(self.walk.top):
            row = self.walk.stack[i].row
            folded = folded_into(&self.window, row)
            after.append((self.window.columns.name[row], self.walk.stack[i].start, folded.count, folded.ticks))
        return PyBytes_FromStringAndSize(<char *> self.out.bytes, self.out.size), self.walk.now, after


def perfetto_slices(Slices slices, Names names, uint64_t origin, double ns_per_tick, uint64_t track, uint32_t sequence,
                    list before=None, uint64_t now=0):
    """Encode the slices as packets of one sequence; see the stub."""
    cdef Source source = Source(slices, names, origin, ns_per_tick, before, now)
    with nogil:
        perfetto.encode(&source.out, &source.window, &source.walk, track, sequence)
    return source.result()


def chrome_slices(Slices slices, Names names, uint64_t origin, double ns_per_tick, bytes lane not None,
                  list before=None, uint64_t now=0):
    """Encode the slices as JSON objects; see the stub."""
    cdef Source source = Source(slices, names, origin, ns_per_tick, before, now)
    cdef const char *text = lane
    cdef size_t length = len(lane)
    with nogil:
        chrome.encode(&source.out, &source.window, &source.walk, text, length)
    return source.result()


def continued(Slices slices not None, list before not None):
    """Return how many of the slices that were open after the window before, outermost first, go on in this one."""
    cdef Columns *c = &slices.columns
    cdef size_t row = 0
    while (row < c.count and row < <size_t> len(before) and c.flags[row] & CUT_START and c.depth[row] == row
           and before[row][0] == c.name[row]):
        row += 1
    return row

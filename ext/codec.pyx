# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Spool bytes to columns to encoded bytes, without the GIL: reading and nesting, and one encoder per format."""
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

cimport chrome
cimport perfetto
from buffer cimport Buffer
from columns cimport CALLABLE, CODE, CUT_START, STRING, Columns, Name
from walk cimport Before, Folded, NameTable, Walk, Window, folded_into


cdef class Names:
    """What the ids of one process stand for.

    A forked child's table falls back to its parent's for the ids below `first_id`.
    """

    cdef Name *table
    cdef uint32_t size
    cdef readonly Names parent
    cdef readonly uint32_t first_id

    def __cinit__(self, Names parent=None, uint32_t first_id=0):
        self.table = NULL
        self.size = 0
        self.parent = parent
        self.first_id = first_id

    def __dealloc__(self):
        cdef uint32_t i
        for i in range(self.size):
            free(<void *> self.table[i].text)
        free(self.table)

    cdef int define(self, uint32_t id, Name *name) except -1 nogil:
        """Store a copy of `name` for `id`; the first definition of an id stays, so pointers stay valid."""
        cdef uint32_t size
        cdef Name *table
        cdef char *text
        if id >= self.size:
            size = max(id + 1, self.size * 2, <uint32_t> 256)
            table = <Name *> realloc(self.table, size * sizeof(Name))
            if table == NULL:
                with gil:
                    raise MemoryError
            memset(table + self.size, 0, (size - self.size) * sizeof(Name))
            self.table = table
            self.size = size
        if self.table[id].text != NULL:
            return 0
        text = <char *> malloc(name.length + 1)
        if text == NULL:
            with gil:
                raise MemoryError
        memcpy(text, name.text, name.length)
        self.table[id] = name[0]
        self.table[id].text = text
        return 0

    cdef const Name *find(self, uint32_t id) noexcept nogil:
        """Return what `id` stands for, NULL when nobody said.

        The pointer is valid until the next `define`: fetch it again after one.
        """
        if id < self.first_id and self.parent is not None:
            return self.parent.find(id)
        if id < self.size and self.table[id].text != NULL:
            return &self.table[id]
        return NULL

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
        cdef const Name *name = self.find(id)
        cdef const Name *file
        if name == NULL:
            raise KeyError(id)
        file = self.find(name.file) if name.kind == CODE else NULL
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
        free(self.columns.start)
        free(self.columns.end)
        free(self.columns.name)
        free(self.columns.depth)
        free(self.columns.raised)
        free(self.columns.folded)
        free(self.columns.folded_ticks)
        free(self.columns.flags)

    def __len__(self):
        return self.columns.count

    cdef int reserve(self, size_t capacity) except -1 nogil:
        """Make room for `capacity` rows in all."""
        cdef Columns *c = &self.columns
        if capacity <= c.capacity:
            return 0
        capacity = max(capacity, c.capacity * 2, <size_t> 64)
        c.start = <uint64_t *> grown(c.start, capacity * sizeof(uint64_t))
        c.end = <uint64_t *> grown(c.end, capacity * sizeof(uint64_t))
        c.name = <uint32_t *> grown(c.name, capacity * sizeof(uint32_t))
        c.depth = <uint32_t *> grown(c.depth, capacity * sizeof(uint32_t))
        c.raised = <uint32_t *> grown(c.raised, capacity * sizeof(uint32_t))
        c.folded = <uint32_t *> grown(c.folded, capacity * sizeof(uint32_t))
        c.folded_ticks = <uint64_t *> grown(c.folded_ticks, capacity * sizeof(uint64_t))
        c.flags = <uint8_t *> grown(c.flags, capacity * sizeof(uint8_t))
        c.capacity = capacity
        return 0

    def add(self, uint64_t start, uint64_t end, uint32_t name, uint32_t depth, uint8_t flags=0, uint32_t raised=0,
            uint32_t folded=0, uint64_t folded_ticks=0):
        """Append a slice from Python: for tracks that are not read from a spool, and for tests."""
        cdef Columns *c = &self.columns
        cdef size_t row = c.count
        self.reserve(row + 1)
        c.start[row] = start
        c.end[row] = end
        c.name[row] = name
        c.depth[row] = depth
        c.flags[row] = flags
        c.raised[row] = raised
        c.folded[row] = folded
        c.folded_ticks[row] = folded_ticks
        c.count = row + 1

    def rows(self):
        """Return the slices as tuples (start, end, name, depth, flags, raised, folded, folded_ticks); for tests."""
        cdef Columns *c = &self.columns
        cdef size_t i
        return [(c.start[i], c.end[i], c.name[i], c.depth[i], c.flags[i], c.raised[i], c.folded[i], c.folded_ticks[i])
                for i in range(c.count)]


cdef void *grown(void *memory, size_t size) except NULL nogil:
    cdef void *result = realloc(memory, size)
    if result == NULL:
        with gil:
            raise MemoryError
    return result


cdef class Source:
    """What an encoder reads: a window of a track, its names, and what it went on from."""

    cdef Window window
    cdef Walk walk
    cdef Buffer out
    cdef NameTable *names
    cdef Before *before

    def __cinit__(self, Slices slices not None, Names names not None, uint64_t origin, double ns_per_tick, list before,
                  uint64_t now, write not None):
        cdef Names family = names
        cdef size_t i, count = 0
        while family is not None:
            count += 1
            family = family.parent
        self.names = <NameTable *> grown(NULL, count * sizeof(NameTable))
        self.before = <Before *> grown(NULL, (len(before or ()) + 1) * sizeof(Before))
        family = names
        for i in range(count):
            self.names[i].table = family.table
            self.names[i].size = family.size
            self.names[i].first_id = family.first_id
            self.names[i].parent = &self.names[i + 1] if i + 1 < count else NULL
            family = family.parent
        self.window.columns = &slices.columns
        self.window.names = self.names
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
            for i in range(len(before)):
                _, self.before[i].start, self.before[i].count, self.before[i].ticks = before[i]

    def __dealloc__(self):
        free(self.names)
        free(self.before)
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
                    write, list before=None, uint64_t now=0):
    """Write the slices as packets of one sequence; see the stub."""
    cdef Source source = Source(slices, names, origin, ns_per_tick, before, now, write)
    with nogil:
        perfetto.encode(&source.out, &source.window, &source.walk, track, sequence)
    return source.result()


def chrome_slices(Slices slices, Names names, uint64_t origin, double ns_per_tick, bytes lane not None, write,
                  list before=None, uint64_t now=0):
    """Write the slices as JSON objects; see the stub."""
    cdef Source source = Source(slices, names, origin, ns_per_tick, before, now, write)
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

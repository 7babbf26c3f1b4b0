# Names and slices as Python has them: columns that are given away whole, and what was asked of them.

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
    cdef dict uses               # what uses() found; it is asked for several times

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

    cdef list rows_at(self, uint64_t tick):
        cdef Columns *c = &self.columns
        cdef size_t row = begun(c, tick)
        cdef uint32_t above = UINT32_MAX
        cdef list rows = []
        while row and above:
            row -= 1
            if c.depth[row] < above:
                above = c.depth[row]
                if c.end[row] >= tick:
                    rows.append(row)
        rows.reverse()
        return rows

    def at(self, uint64_t tick):
        """Return [(name id, start, flags)] of what began before `tick` and ended then or later, outermost first."""
        cdef Columns *c = &self.columns
        cdef size_t row
        return [(c.name[row], c.start[row], c.flags[row]) for row in self.rows_at(tick)]

    def spent(self, uint64_t begin, uint64_t end):
        """Return {name id: ticks from `begin` to `end`} of what took them, each slice without its children."""
        cdef Columns *c = &self.columns
        cdef size_t row
        cdef uint64_t ticks
        cdef list path = []
        cdef dict found = {}
        for row in [*self.rows_at(begin + 1), *range(begun(c, begin + 1), begun(c, end))]:
            ticks = min(c.end[row], end) - max(c.start[row], begin)
            found[c.name[row]] = found.get(c.name[row], 0) + ticks
            del path[c.depth[row]:]
            if path:
                found[path[len(path) - 1]] -= ticks
            path.append(c.name[row])
        return found

    def thrown(self, uint64_t tick):
        """Return {name id: end of the last such slice to begin}: what was left by an exception by then."""
        cdef Columns *c = &self.columns
        cdef size_t row
        cdef dict found = {}
        for row in range(c.count):
            if c.flags[row] & THROWN and c.end[row] <= tick:
                found[c.name[row]] = c.end[row]
        return found

    def select(self, ids, uint64_t min_ticks, size_t most):
        """Find the slices with these name ids that last `min_ticks` or more; see the stub."""
        cdef Columns *c = &self.columns
        cdef Found found
        cdef size_t i, row
        cdef size_t room = 1 + max([index_of(id) for id in ids], default=0)
        cdef uint8_t *wanted = <uint8_t *> calloc(room, 1)
        memset(&found, 0, sizeof(Found))
        try:
            if wanted == NULL:
                raise MemoryError
            for id in ids:
                wanted[index_of(id)] = 1
            with nogil:
                select(c, wanted, room, min_ticks, most, &found)
            rows = []
            for i in range(found.kept):
                row = found.rows[i]
                parent = c.name[found.parents[i]] if found.parents[i] != SIZE_MAX else None
                rows.append((c.start[row], c.end[row], c.name[row], c.depth[row], c.flags[row], c.raised[row], parent))
            return found.count, found.ticks, rows
        finally:
            free(wanted)
            free(found.rows)
            free(found.parents)

    def add(self, uint64_t start, uint64_t end, uint32_t name, uint32_t depth, uint8_t flags=0, uint32_t raised=0,
            uint64_t folded=0, uint64_t folded_ticks=0):
        """Append a slice from Python: for tracks that are not read from a spool, and for tests."""
        cdef Columns *c = &self.columns
        cdef size_t row = c.count
        self.uses = None
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
    def end(self):
        """The tick at which the last slice ends; 0 = there is none."""
        cdef size_t row = self.columns.count
        while row:
            row -= 1
            if self.columns.depth[row] == 0:
                return self.columns.end[row]
        return 0

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

    @property
    def values_bytes(self):
        """How much memory the slices' arguments and results take."""
        return self.columns.values.bytes

    @property
    def values_lost(self):
        """Of how many slices the arguments are not kept: they were folded, or there were too many."""
        return self.columns.values.lost

    def values(self):
        """Return {row: ({parameter: repr}, result's repr or None)} of the slices that tell; for tests."""
        cdef size_t i
        return {self.columns.values.entries[i].row: values_of(&self.columns, self.columns.values.entries[i].row)
                for i in range(self.columns.values.count)}

    def rows(self):
        """Return the slices as tuples (start, end, name, depth, flags, raised, folded, folded_ticks); for tests."""
        cdef Columns *c = &self.columns
        cdef size_t i
        return [(c.start[i], c.end[i], c.name[i], c.depth[i], c.flags[i], c.raised[i], c.folded[i], c.folded_ticks[i])
                for i in range(c.count)]


cdef tuple values_of(const Columns *columns, size_t row):
    """Return ({parameter: repr}, result's repr or None) of a slice that tells."""
    cdef const Values *values = find_values(&columns.values, row)
    cdef Pair pair
    cdef size_t at = 0
    cdef dict arguments = {}
    result = None
    while next_pair(values, &at, &pair):
        arguments[pair.name[:pair.name_size].decode("utf-8", "replace")] = (
            pair.text[:pair.text_size].decode("utf-8", "replace"))
    if values.result != NULL:
        result = values.result[:values.result_size].decode("utf-8", "replace")
    return arguments, result


cdef Slices taken(Columns *columns):
    """Return slices that own `columns` from now on."""
    cdef Slices slices = Slices()
    slices.columns = columns[0]
    memset(columns, 0, sizeof(Columns))
    return slices

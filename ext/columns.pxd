"""Slices of one track in columns, and the names they refer to: what the nester fills and the encoders read."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy

from spool cimport pt_load32, pt_store32
from values cimport ValueTable, copy_values, free_values

cdef enum SliceFlag:
    RESUMED = 1      # entered by a resume or a throw, not by a call
    YIELDED = 2      # left by a yield
    THROWN = 4       # left by an exception; `raised` has its type where it is known
    CUT_START = 8    # began before this window; `start` is the window's
    CUT_END = 16     # goes on after this window; `end` is the window's
    HEALED = 32      # its exit was not recorded; `end` is the latest it can have been
    DIED = 64        # open when its process died

cdef struct Columns:
    size_t count
    size_t capacity
    uint64_t *start          # tick
    uint64_t *end            # tick, >= start, <= the parent's
    uint32_t *name           # id in the process's names
    uint32_t *depth          # nesting level in the track, 0 = outermost
    uint32_t *raised         # id of the exception type's name, 0 = none or not known
    uint64_t *folded         # slices folded into this one, at any depth
    uint64_t *folded_ticks   # the summed duration of the outermost of them
    uint8_t *flags           # SliceFlag
    # Rows are in order of start; a row's parent is the nearest earlier row with depth one less.
    uint64_t outer_folded        # slices folded that had no parent, with all below them
    uint64_t outer_folded_ticks
    ValueTable values        # of the few slices that tell what they were called with

cdef enum NameKind:
    STRING = 16              # the values are spool.h's pt_kind
    CODE = 17
    CALLABLE = 18
    WAIT = 256               # made by the reader: what a suspended task waits for, named "await NAME"

cdef struct Name:
    const char *text         # UTF-8, not terminated; NULL = unknown id
    uint32_t length
    uint32_t kind            # NameKind; in a table, 0 = not defined; stored last
    uint32_t file            # CODE, WAIT: id of a STRING
    uint32_t line            # CODE, WAIT
    uint32_t flags           # CODE: co_flags; CALLABLE: PT_BLOCKING

cdef enum:
    FIRST_BLOCK = 8          # the first block of names has two to the power of this, each further one twice as many
    BLOCKS = 26

cdef extern from *:
    """
    #define MADE 0x80000000u
    """
    const uint32_t MADE      # ids with this bit are not the recorder's: the reader made them, for each process its own

cdef struct NameTable:
    Name *blocks[2 * BLOCKS]  # an entry never moves: one thread may look names up while another defines more
    #                           the second half is of the ids with MADE
    uint32_t first_id
    size_t count
    const NameTable *parent  # has the ids below `first_id`


cdef inline Name *name_slot(const NameTable *table, uint32_t id, int *block, size_t *size) noexcept nogil:
    """Return the place of an id that is not below `first_id`, NULL when its block (of so many names) is missing."""
    cdef uint64_t place = <uint64_t> (id & ~MADE if id & MADE else id - table.first_id) + (1 << FIRST_BLOCK)
    block[0] = 0
    while place >> (FIRST_BLOCK + 1 + block[0]):
        block[0] += 1
    size[0] = <size_t> 1 << (FIRST_BLOCK + block[0])
    if id & MADE:
        block[0] += BLOCKS
    return table.blocks[block[0]] + (place - size[0]) if table.blocks[block[0]] != NULL else NULL


cdef inline const Name *find_name(const NameTable *table, uint32_t id) noexcept nogil:
    """Return what `id` stands for, NULL when nobody said. The pointer is valid as long as the table."""
    cdef const Name *slot
    cdef int block
    cdef size_t size
    while id < table.first_id:  # no recorder comes as far as MADE
        if table.parent == NULL:
            return NULL
        table = table.parent
    slot = name_slot(table, id, &block, &size)
    return slot if slot != NULL and pt_load32(&slot.kind) else NULL


cdef inline int define_name(NameTable *table, uint32_t id, const Name *name) except -1 nogil:
    """Store a copy of `name` for `id`; ids below `first_id` are the parent's, and a first definition stays."""
    cdef Name *slot
    cdef char *text
    cdef int block
    cdef size_t size
    if id < table.first_id:
        return 0
    slot = name_slot(table, id, &block, &size)
    if slot == NULL:
        table.blocks[block] = <Name *> calloc(size, sizeof(Name))
        slot = name_slot(table, id, &block, &size)
    text = <char *> malloc(name.length + 1)
    if slot == NULL or text == NULL:
        free(text)
        with gil:
            raise MemoryError
    if slot.text != NULL:
        free(text)
        return 0
    memcpy(text, name.text, name.length)
    slot.text = text
    slot.length = name.length
    slot.file = name.file
    slot.line = name.line
    slot.flags = name.flags
    pt_store32(&slot.kind, name.kind)
    table.count += 1
    return 0


cdef inline uint32_t index_of(uint32_t id) noexcept nogil:
    """Return where an array has what belongs to an id, so that those with MADE need no more room than the others."""
    return id << 1 | id >> 31


cdef inline void free_names(NameTable *table) noexcept nogil:
    cdef size_t i
    cdef int block
    for block in range(2 * BLOCKS):
        if table.blocks[block] != NULL:
            for i in range(<size_t> 1 << (FIRST_BLOCK + block % BLOCKS)):
                free(<void *> table.blocks[block][i].text)
            free(table.blocks[block])


cdef inline void *grown(void *memory, size_t size) except NULL nogil:
    cdef void *result = realloc(memory, size)
    if result == NULL:
        with gil:
            raise MemoryError
    return result


cdef inline int reserve(Columns *c, size_t capacity) except -1 nogil:
    """Make room for `capacity` rows in all."""
    if capacity <= c.capacity:
        return 0
    capacity = max(capacity, c.capacity * 2, <size_t> 16)
    c.start = <uint64_t *> grown(c.start, capacity * sizeof(uint64_t))
    c.end = <uint64_t *> grown(c.end, capacity * sizeof(uint64_t))
    c.name = <uint32_t *> grown(c.name, capacity * sizeof(uint32_t))
    c.depth = <uint32_t *> grown(c.depth, capacity * sizeof(uint32_t))
    c.raised = <uint32_t *> grown(c.raised, capacity * sizeof(uint32_t))
    c.folded = <uint64_t *> grown(c.folded, capacity * sizeof(uint64_t))
    c.folded_ticks = <uint64_t *> grown(c.folded_ticks, capacity * sizeof(uint64_t))
    c.flags = <uint8_t *> grown(c.flags, capacity * sizeof(uint8_t))
    c.capacity = capacity
    return 0


cdef inline int copy_columns(const Columns *c, Columns *copy) except -1 nogil:
    """Append all of `c` to `copy`, which is empty."""
    reserve(copy, c.count)
    memcpy(copy.start, c.start, c.count * sizeof(uint64_t))
    memcpy(copy.end, c.end, c.count * sizeof(uint64_t))
    memcpy(copy.name, c.name, c.count * sizeof(uint32_t))
    memcpy(copy.depth, c.depth, c.count * sizeof(uint32_t))
    memcpy(copy.raised, c.raised, c.count * sizeof(uint32_t))
    memcpy(copy.folded, c.folded, c.count * sizeof(uint64_t))
    memcpy(copy.folded_ticks, c.folded_ticks, c.count * sizeof(uint64_t))
    memcpy(copy.flags, c.flags, c.count * sizeof(uint8_t))
    copy.count = c.count
    copy.outer_folded = c.outer_folded
    copy.outer_folded_ticks = c.outer_folded_ticks
    return copy_values(&c.values, &copy.values)


cdef inline void free_columns(Columns *c) noexcept nogil:
    free(c.start)
    free(c.end)
    free(c.name)
    free(c.depth)
    free(c.raised)
    free(c.folded)
    free(c.folded_ticks)
    free(c.flags)
    free_values(&c.values)

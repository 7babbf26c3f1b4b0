"""Slices of one track in columns, and the names they refer to: what the nester fills and the encoders read."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t

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
    uint32_t *folded         # slices folded into this one, at any depth
    uint64_t *folded_ticks   # the summed duration of the outermost of them
    uint8_t *flags           # SliceFlag
    # Rows are in order of start; a row's parent is the nearest earlier row with depth one less.

cdef enum NameKind:
    STRING = 16              # the values are spool.h's pt_kind
    CODE = 17
    CALLABLE = 18

cdef struct Name:
    const char *text         # UTF-8, not terminated; NULL = unknown id
    uint32_t length
    uint32_t kind            # NameKind
    uint32_t file            # CODE: id of a STRING
    uint32_t line            # CODE
    uint32_t flags           # CODE: co_flags; CALLABLE: PT_BLOCKING

# Part of _optim.pyx: what callers bring, as a pointer and a shape; refused by name, never copied.


cdef struct View:
    char *data
    Py_ssize_t n
    int real, ndim
    bint writable
    void *array  # the ndarray it is of, which its holder keeps; NULL for other exporters
    Py_ssize_t[32] shape


# DLPack 1.0: the header of an exporter's tensor, of either kind of capsule
cdef struct DLTensor:
    void *data
    int32_t device_type, device_id, ndim
    uint8_t code, bits
    uint16_t lanes
    int64_t *shape
    int64_t *strides
    uint64_t byte_offset

cdef struct DLManaged:
    DLTensor tensor
    void *context
    void (*deleter)(DLManaged *) noexcept

cdef struct DLManagedVersioned:
    uint32_t major, minor
    void *context
    void (*deleter)(DLManagedVersioned *) noexcept
    uint64_t flags
    DLTensor tensor


cdef class _Exported:
    """The tensor of a capsule, taken out of it so that nobody else frees it."""

    cdef DLManaged *plain
    cdef DLManagedVersioned *versioned

    def __dealloc__(self):
        if self.plain != NULL and self.plain.deleter != NULL:
            self.plain.deleter(self.plain)
        if self.versioned != NULL and self.versioned.deleter != NULL:
            self.versioned.deleter(self.versioned)


cdef str _kind(object a):
    kind = type(a)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


cdef tuple _shape_of(const View *v):
    return tuple([v.shape[i] for i in range(v.ndim)])


cdef int _refuse(str name, object found, str expected) except -1:
    raise ValueError(f"{name}: expected {expected}; got {found}")


cdef str _dlpack_name(int code, int bits):
    """Name a type of DLPack as NumPy and torch do."""
    names = {0: "int", 1: "uint", 2: "float", 4: "bfloat", 5: "complex", 6: "bool"}
    return f"{names[code]}{bits}" if code in names else f"DLPack type {code} of {bits} bits"


cdef inline bint _is_array(object a):
    """An ndarray that is fit to use, which costs next to nothing to see."""
    return (
        cnp.PyArray_CheckExact(a)
        and (cnp.PyArray_TYPE(a) == cnp.NPY_FLOAT or cnp.PyArray_TYPE(a) == cnp.NPY_DOUBLE)
        and cnp.PyArray_CHKFLAGS(a, cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_ALIGNED)
        and cnp.PyArray_ISNOTSWAPPED(a)
    )


cdef int _view_array(str name, cnp.ndarray a, View *v) except -1:
    if not _is_array(a):
        if isinstance(a, np.ma.MaskedArray):
            _refuse(name, "a masked array", "an array without a mask")
        if a.dtype != np.float32 and a.dtype != np.float64 or not cnp.PyArray_ISNOTSWAPPED(a):
            _refuse(name, f"{a.dtype.str!r}" if not a.dtype.isnative else a.dtype,
                    "float32 or float64 of native byte order")
        if not cnp.PyArray_CHKFLAGS(a, cnp.NPY_ARRAY_C_CONTIGUOUS):
            _refuse(name, f"strides {(<object> a).strides} for shape {(<object> a).shape}",
                    "a C-contiguous array")
        if not cnp.PyArray_CHKFLAGS(a, cnp.NPY_ARRAY_ALIGNED):
            _refuse(name, f"an address that is not a multiple of {a.itemsize}", "an aligned array")
    cdef int i
    v.array = <void *> a
    v.data = <char *> cnp.PyArray_DATA(a)
    v.n = cnp.PyArray_SIZE(a)
    v.real = FR_FLOAT if cnp.PyArray_TYPE(a) == cnp.NPY_FLOAT else FR_DOUBLE
    v.ndim = cnp.PyArray_NDIM(a)
    v.writable = cnp.PyArray_CHKFLAGS(a, cnp.NPY_ARRAY_WRITEABLE)
    if v.ndim > 32:
        _refuse(name, f"{v.ndim} dimensions", "32 dimensions at most")
    for i in range(v.ndim):
        v.shape[i] = cnp.PyArray_DIM(a, i)
    return 0


cdef object _view_buffer(str name, object a, View *v):
    held = memoryview(a)
    cdef Py_buffer *b = PyMemoryView_GET_BUFFER(held)
    cdef int i
    kind = held.format.lstrip("@=" + ("<" if LITTLE else ">"))
    if kind not in ("f", "d"):
        _refuse(name, f"format {held.format!r}", "float32 ('f') or float64 ('d') elements")
    if b.itemsize != (4 if kind == "f" else 8):
        _refuse(name, f"{b.itemsize} bytes per element", f"the size of format {kind!r}")
    if not PyBuffer_IsContiguous(b, b"C"):
        _refuse(name, f"strides {held.strides} for shape {held.shape}", "a C-contiguous buffer")
    if b.ndim > 32:
        _refuse(name, f"{b.ndim} dimensions", "32 dimensions at most")
    v.array = NULL
    v.data = <char *> b.buf
    v.n = b.len // b.itemsize
    v.real = FR_FLOAT if kind == "f" else FR_DOUBLE
    v.ndim = b.ndim
    v.writable = not b.readonly
    for i in range(v.ndim):
        v.shape[i] = b.shape[i]
    if <size_t> v.data % <size_t> b.itemsize:
        _refuse(name, f"an address that is not a multiple of {b.itemsize}", "an aligned buffer")
    return held


cdef int _no_dlpack(str name, object a, object error) except -1:
    if getattr(a, "is_sparse", False) or "sparse" in str(getattr(a, "layout", "")):
        raise ValueError(
            f"{name}: expected a dense tensor, or for some rows of a parameter (row indices, rows),"
            " which are g.indices()[0] and g.values() of g = gradient.coalesce(); got a sparse"
            f" {_kind(a)}"
        ) from error
    raise ValueError(
        f"{name}: expected a tensor that shares its memory through DLPack; got a {_kind(a)} that "
        f"does not: {error}"
    ) from error


cdef object _view_dlpack(str name, object a, View *v):
    cdef DLTensor *t = NULL
    cdef _Exported held
    cdef Py_ssize_t run = 1
    cdef int i
    try:
        if getattr(a, "requires_grad", False):
            # the same memory, without the record of how it came to be
            a = a.detach()
        device = a.__dlpack_device__()
    except Exception as error:
        _no_dlpack(name, a, error)
    if device[0] != 1:
        _refuse(name, f"a {_kind(a)} on DLPack device {tuple(map(int, device))}",
                "memory of the CPU (DLPack device 1)")
    try:
        try:
            capsule = a.__dlpack__(max_version=(1, 0))
        except TypeError:
            capsule = a.__dlpack__()
    except Exception as error:
        _no_dlpack(name, a, error)
    held = _Exported()
    if PyCapsule_IsValid(capsule, "dltensor_versioned"):
        managed = <DLManagedVersioned *> PyCapsule_GetPointer(capsule, "dltensor_versioned")
        if managed.major != 1:
            _refuse(name, f"DLPack {managed.major}.{managed.minor}", "DLPack 1")
        PyCapsule_SetName(capsule, "used_dltensor_versioned")
        held.versioned = managed
        t = &managed.tensor
        v.writable = not managed.flags & 1
    elif PyCapsule_IsValid(capsule, "dltensor"):
        held.plain = <DLManaged *> PyCapsule_GetPointer(capsule, "dltensor")
        PyCapsule_SetName(capsule, "used_dltensor")
        t = &held.plain.tensor
        v.writable = True
    else:
        _refuse(name, f"{capsule!r}", "a capsule of DLPack that nobody has used yet")
    v.array = NULL
    if t.code != 2 or t.lanes != 1 or t.bits not in (32, 64):
        _refuse(name, _dlpack_name(t.code, t.bits), "float32 or float64")
    if t.ndim > 32:
        _refuse(name, f"{t.ndim} dimensions", "32 dimensions at most")
    v.n = 1
    if t.ndim < 0:
        _refuse(name, f"{t.ndim} dimensions", "at least 0")
    for i in range(t.ndim):
        v.shape[i] = t.shape[i]
        v.n *= v.shape[i]
    for i in range(t.ndim - 1, -1, -1):
        if t.strides != NULL and v.n > 0 and v.shape[i] != 1 and t.strides[i] != run:
            _refuse(name, f"strides {[t.strides[k] for k in range(t.ndim)]} for shape "
                          f"{[t.shape[k] for k in range(t.ndim)]}", "a C-contiguous tensor")
        run *= v.shape[i]
    v.ndim = t.ndim
    v.real = FR_FLOAT if t.bits == 32 else FR_DOUBLE
    v.data = <char *> t.data + t.byte_offset
    if <size_t> v.data % (t.bits // 8):
        _refuse(name, f"an address that is not a multiple of {t.bits // 8}", "an aligned tensor")
    return held


cdef object _view(str name, object a, View *v):
    """Fill v; the object returned keeps the memory while it lives."""
    if cnp.PyArray_Check(a):
        _view_array(name, a, v)
        return a
    if PyObject_CheckBuffer(a):
        return _view_buffer(name, a, v)
    if hasattr(a, "__dlpack__"):
        return _view_dlpack(name, a, v)
    raise TypeError(
        f"{name}: expected a NumPy array, or another float32 or float64 buffer (of the buffer "
        f"protocol or DLPack); got {'None' if a is None else 'a ' + _kind(a)}"
    )


cdef int _must_write(str name, const View *v) except -1:
    if not v.writable:
        _refuse(name, "a read-only buffer", "one that can be written in place")
    return 0


cdef bint _same_shape(const View *a, const View *b) noexcept:
    if a.ndim != b.ndim:
        return False
    for i in range(a.ndim):
        if a.shape[i] != b.shape[i]:
            return False
    return True


cdef int _must_match(str name, const View *v, str other, const View *w) except -1:
    if v.real != w.real:
        _refuse(name, "float32" if v.real == FR_FLOAT else "float64",
                f"{'float32' if w.real == FR_FLOAT else 'float64'} as {other}")
    if not _same_shape(v, w):
        _refuse(name, f"shape {_shape_of(v)}", f"shape {_shape_of(w)} as {other}")
    return 0


cdef inline Py_ssize_t _bytes(Py_ssize_t n, int real) noexcept:
    return n * (4 if real == FR_FLOAT else 8)


cdef inline bint _meet(const View *a, const View *b) noexcept:
    return (
        a.n > 0 and b.n > 0
        and a.data < b.data + _bytes(b.n, b.real) and b.data < a.data + _bytes(a.n, a.real)
    )


cdef inline bint _moved(void *array, const void *data, Py_ssize_t n, int real) noexcept:
    """Whether an ndarray holds another memory than was seen; nothing of Python runs in here."""
    cdef Py_ssize_t size = 1
    cdef int k
    if array == NULL:
        return False
    for k in range(cnp.PyArray_NDIM(<cnp.ndarray> array)):
        size *= cnp.PyArray_DIM(<cnp.ndarray> array, k)
    return (
        cnp.PyArray_DATA(<cnp.ndarray> array) != data
        or size * cnp.PyArray_ITEMSIZE(<cnp.ndarray> array) < _bytes(n, real)
    )


cdef int _refuse_moved(str name) except -1:
    raise ValueError(
        f"{name}: expected memory that stays where it is during a call; got an array that was "
        "resized"
    )

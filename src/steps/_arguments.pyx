"""Arguments of optimizer steps: buffers of any kind, and numbers; refused by name, never copied."""

import sys

import numpy as np

cimport numpy as cnp
from cpython.buffer cimport PyBuffer_IsContiguous, PyObject_CheckBuffer
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid, PyCapsule_SetName
from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from c_steps cimport (
    FR_ADAM, FR_DOUBLE, FR_FLOAT, FR_MOMENTUM, FR_SGD, fr_check_rows, fr_row_gradient, fr_step
)

cnp.import_array()

cdef extern from "Python.h":
    Py_buffer *PyMemoryView_GET_BUFFER(object view)
    PyObject *PyList_GET_ITEM(object list, Py_ssize_t i)
    PyObject *PyTuple_GET_ITEM(object tuple, Py_ssize_t i)

cdef bint LITTLE = sys.byteorder == "little"


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
    """The tensor of a capsule, with its ownership taken over."""

    cdef DLManaged *plain
    cdef DLManagedVersioned *versioned

    def __dealloc__(self):
        if self.plain != NULL and self.plain.deleter != NULL:
            self.plain.deleter(self.plain)
        if self.versioned != NULL and self.versioned.deleter != NULL:
            self.versioned.deleter(self.versioned)


cdef str kind_of(object a):
    kind = type(a)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


cdef tuple shape_of(const View *v):
    return tuple([v.shape[i] for i in range(v.ndim)])


cdef int refuse(str name, object found, str expected) except -1:
    raise ValueError(f"{name}: expected {expected}; got {found}")


cdef str _dlpack_name(int code, int bits):
    """Name a type of DLPack as NumPy and torch do."""
    names = {0: "int", 1: "uint", 2: "float", 4: "bfloat", 5: "complex", 6: "bool"}
    return f"{names[code]}{bits}" if code in names else f"DLPack type {code} of {bits} bits"


cdef int _view_array(str name, cnp.ndarray a, View *v) except -1:
    if isinstance(a, np.ma.MaskedArray):
        refuse(name, "a masked array", "an array without a mask")
    if a.dtype != np.float32 and a.dtype != np.float64 or not cnp.PyArray_ISNOTSWAPPED(a):
        refuse(name, f"{a.dtype.str!r}" if not a.dtype.isnative else a.dtype,
               "float32 or float64 of native byte order")
    if not cnp.PyArray_CHKFLAGS(a, cnp.NPY_ARRAY_C_CONTIGUOUS):
        refuse(name, f"strides {(<object> a).strides} for shape {(<object> a).shape}",
               "a C-contiguous array")
    if not cnp.PyArray_CHKFLAGS(a, cnp.NPY_ARRAY_ALIGNED):
        refuse(name, f"an address that is not a multiple of {a.itemsize}", "an aligned array")
    if cnp.PyArray_NDIM(a) > 32:
        refuse(name, f"{cnp.PyArray_NDIM(a)} dimensions", "32 dimensions at most")
    fill_view(a, v)
    return 0


cdef object _view_buffer(str name, object a, View *v):
    held = memoryview(a)
    cdef Py_buffer *b = PyMemoryView_GET_BUFFER(held)
    cdef int i
    kind = held.format.lstrip("@=" + ("<" if LITTLE else ">"))
    if kind not in ("f", "d"):
        refuse(name, f"format {held.format!r}", "float32 ('f') or float64 ('d') elements")
    if b.itemsize != (4 if kind == "f" else 8):
        refuse(name, f"{b.itemsize} bytes per element", f"the size of format {kind!r}")
    if not PyBuffer_IsContiguous(b, b"C"):
        refuse(name, f"strides {held.strides} for shape {held.shape}", "a C-contiguous buffer")
    if b.ndim > 32:
        refuse(name, f"{b.ndim} dimensions", "32 dimensions at most")
    v.array = NULL
    v.data = <char *> b.buf
    v.n = b.len // b.itemsize
    v.real = FR_FLOAT if kind == "f" else FR_DOUBLE
    v.ndim = b.ndim
    v.writable = not b.readonly
    for i in range(v.ndim):
        v.shape[i] = b.shape[i]
    if <size_t> v.data % <size_t> b.itemsize:
        refuse(name, f"an address that is not a multiple of {b.itemsize}", "an aligned buffer")
    return held


cdef int _no_dlpack(str name, object a, object error) except -1:
    if getattr(a, "is_sparse", False) or "sparse" in str(getattr(a, "layout", "")):
        raise ValueError(
            f"{name}: expected a dense tensor, or for some rows of a parameter (row indices, rows),"
            " which are g.indices()[0] and g.values() of g = gradient.coalesce(); got a sparse"
            f" {kind_of(a)}"
        ) from error
    raise ValueError(
        f"{name}: expected a tensor that shares its memory through DLPack; got a {kind_of(a)} that "
        f"does not: {error}"
    ) from error


cdef object _view_dlpack(str name, object a, View *v):
    cdef DLTensor *t = NULL
    cdef _Exported held
    cdef Py_ssize_t run = 1
    cdef int i
    try:
        if getattr(a, "requires_grad", False):
            # the same memory, without autograd history
            a = a.detach()
        device = a.__dlpack_device__()
    except Exception as error:
        _no_dlpack(name, a, error)
    if device[0] != 1:
        refuse(name, f"a {kind_of(a)} on DLPack device {tuple(map(int, device))}",
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
            refuse(name, f"DLPack {managed.major}.{managed.minor}", "DLPack 1")
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
        refuse(name, f"{capsule!r}", "a capsule of DLPack that nobody has used yet")
    v.array = NULL
    if t.code != 2 or t.lanes != 1 or t.bits not in (32, 64):
        refuse(name, _dlpack_name(t.code, t.bits), "float32 or float64")
    if t.ndim > 32:
        refuse(name, f"{t.ndim} dimensions", "32 dimensions at most")
    v.n = 1
    if t.ndim < 0:
        refuse(name, f"{t.ndim} dimensions", "at least 0")
    for i in range(t.ndim):
        v.shape[i] = t.shape[i]
        v.n *= v.shape[i]
    for i in range(t.ndim - 1, -1, -1):
        if t.strides != NULL and v.n > 0 and v.shape[i] != 1 and t.strides[i] != run:
            refuse(name, f"strides {[t.strides[k] for k in range(t.ndim)]} for shape "
                   f"{[t.shape[k] for k in range(t.ndim)]}", "a C-contiguous tensor")
        run *= v.shape[i]
    v.ndim = t.ndim
    v.real = FR_FLOAT if t.bits == 32 else FR_DOUBLE
    v.data = <char *> t.data + t.byte_offset
    if <size_t> v.data % (t.bits // 8):
        refuse(name, f"an address that is not a multiple of {t.bits // 8}", "an aligned tensor")
    return held


cdef object view_any(str name, object a, View *v):
    """Fill a view from an object for which `is_array` is false."""
    if cnp.PyArray_Check(a):
        _view_array(name, a, v)
        return a
    if PyObject_CheckBuffer(a):
        return _view_buffer(name, a, v)
    if hasattr(a, "__dlpack__"):
        return _view_dlpack(name, a, v)
    raise TypeError(
        f"{name}: expected a NumPy array, or another float32 or float64 buffer (of the buffer "
        f"protocol or DLPack); got {'None' if a is None else 'a ' + kind_of(a)}"
    )


cdef int must_write(str name, const View *v) except -1:
    if not v.writable:
        refuse(name, "a read-only buffer", "one that can be written in place")
    return 0


cdef bint _same_shape(const View *a, const View *b) noexcept:
    if a.ndim != b.ndim:
        return False
    for i in range(a.ndim):
        if a.shape[i] != b.shape[i]:
            return False
    return True


cdef int must_match(str name, const View *v, str other, const View *w) except -1:
    if v.real != w.real:
        refuse(name, "float32" if v.real == FR_FLOAT else "float64",
               f"{'float32' if w.real == FR_FLOAT else 'float64'} as {other}")
    if not _same_shape(v, w):
        refuse(name, f"shape {shape_of(v)}", f"shape {shape_of(w)} as {other}")
    return 0


cdef int refuse_moved(str name) except -1:
    raise ValueError(
        f"{name}: expected memory that stays where it is during a call; got an array that was "
        "resized"
    )


cdef Py_ssize_t find_not_finite(const void *x, Py_ssize_t n, int real,
                                double scale) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        if real == FR_FLOAT:
            if not isfinite((<const float *> x)[i] * <float> scale):
                return i
        elif not isfinite((<const double *> x)[i] * scale):
            return i
    return -1


cdef double to_number(str name, object value) except? -1.5:
    if isinstance(value, (bool, np.bool_)) or not (
        hasattr(type(value), "__float__") or hasattr(type(value), "__index__")
    ) or getattr(value, "ndim", 0):
        raise TypeError(f"{name}: expected a number; got {value!r}")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(
            f"{name}: expected a number in the range of float64; got {error}"
        ) from None


cdef double refuse_negative(str name, object value) except? -1.5:
    raise ValueError(f"{name}: expected a finite number of at least 0; got {value!r}")


cdef double as_fraction(str name, object value) except? -1.5:
    cdef double x = as_number(name, value)
    if not 0.0 <= x < 1.0:
        raise ValueError(f"{name}: expected a number of at least 0 and below 1; got {value!r}")
    return x


cdef double as_finite(str name, object value) except? -1.5:
    cdef double x = as_number(name, value)
    if not isfinite(x):
        raise ValueError(f"{name}: expected a finite number; got {value!r}")
    return x


cdef bint to_flag(str name, object value) except -1:
    if isinstance(value, (np.bool_, int)) and value in (0, 1):
        return bool(value)
    raise TypeError(f"{name}: expected True or False; got {value!r}")


cdef int64_t to_step(str name, object value) except -1:
    """Return the number of a step, counted from 1."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name}: expected an integer; got {value!r}")
    count = value.__index__()
    if count < 1:
        raise ValueError(f"{name}: expected a step number of at least 1; got {value!r}")
    if count >= 1 << 63:
        raise ValueError(f"{name}: expected a step number below 2**63; got {value!r}")
    return count


cdef int set_decay(fr_step *s, double lr, object weight_decay, object mode, object lr0,
                   str lr0_name) except -1:
    cdef double decay = as_non_negative("weight_decay", weight_decay), base
    s.couple = s.drop = 0.0
    if mode == "l2":
        s.couple = decay
    elif mode == "decoupled":
        s.drop = lr * decay
    elif mode == "independent":
        base = lr if lr0 is None else as_non_negative(lr0_name, lr0)
        if base > 0.0:
            s.drop = lr / base * decay
        elif lr > 0.0 or lr0 is not None:
            raise ValueError(
                f"{lr0_name}: expected a positive number for independent decay; got {lr0!r}"
            )
    else:
        raise ValueError(
            f"decay_mode: expected 'l2', 'decoupled' or 'independent'; got {mode!r}"
        )
    return 0


cdef int set_momentum(fr_step *s, object momentum, object dampening, object nesterov) except -1:
    s.kind = FR_MOMENTUM
    s.momentum = as_non_negative("momentum", momentum)
    s.damp = 1.0 - as_finite("dampening", dampening)
    s.nesterov = as_flag("nesterov", nesterov)
    if s.nesterov and (s.momentum == 0.0 or s.damp != 1.0):
        raise ValueError(
            "nesterov: expected a positive momentum and no dampening; got momentum "
            f"{momentum!r} and dampening {dampening!r}"
        )
    return 0


cdef int set_adam(fr_step *s, object beta1, object beta2, object eps) except -1:
    s.kind = FR_ADAM
    s.beta1 = as_fraction("beta1", beta1)
    s.beta2 = as_fraction("beta2", beta2)
    s.eps = as_non_negative("eps", eps)
    return 0


cdef object take_indices(str name, object index, Py_ssize_t n_rows, fr_row_gradient *r):
    """Return a checked private copy of row indices."""
    cdef Py_ssize_t place
    a = np.asarray(index)
    if a.ndim != 1 or (a.size and a.dtype.kind not in "iu"):
        refuse(name, f"{a.ndim} dimensions of {a.dtype}", "a vector of integers")
    if a.dtype not in (np.int32, np.int64) or not a.dtype.isnative:
        if a.dtype == np.uint64 and a.size and a.max() > 2**63 - 1:
            refuse(name, int(a.max()), f"0 to {n_rows - 1}")
        a = a.astype(np.int64)
    else:
        a = np.array(a, order="C")
    r.n = a.shape[0]
    r.wide = a.dtype == np.int64
    r.index = cnp.PyArray_DATA(a)
    place = fr_check_rows(r, n_rows)
    if place >= 0:
        refuse(name, f"{a[place]} at position {place}", f"0 to {n_rows - 1}")
    return a


cdef int set_group(dict g, bint adam, fr_step *s, double *lr) except -1:
    """Check the numbers of a group, and set those of its step."""
    lr[0] = as_non_negative("lr", g["lr"])
    if adam:
        betas = g["betas"]
        if type(betas) not in (tuple, list) or len(betas) != 2:
            raise ValueError(f"betas: expected two numbers; got {betas!r}")
        set_adam(s, betas[0], betas[1], g["eps"])
        s.amsgrad = as_flag("amsgrad", g["amsgrad"])
    elif g["momentum"] != 0 or g["nesterov"]:
        set_momentum(s, g["momentum"], g["dampening"], g["nesterov"])
    else:
        s.kind = FR_SGD
    s.lr = lr[0]
    set_decay(s, lr[0], g["weight_decay"], g["decay_mode"], g["initial_lr"], "initial_lr")
    if as_flag("maximize", g["maximize"]):
        s.scale = -s.scale
    return 0


cdef tuple match_groups(list param_groups, tuple known, const Py_ssize_t *group_of,
                        Py_ssize_t n_groups):
    """Return the groups, if they have the parameters `known`, in their order, each in its group."""
    cdef Py_ssize_t i = 0, k, n
    cdef tuple groups = tuple(param_groups)
    cdef list params
    if len(groups) != n_groups:
        raise ValueError(
            f"param_groups: expected the {n_groups} groups that the optimizer has; got "
            f"{len(groups)}: call add_param_group, or make a new optimizer"
        )
    for k in range(n_groups):
        group = groups[k]
        if type(group) is not dict:
            raise TypeError(f"param_groups[{k}]: expected a dict; got {kind_of(group)}")
        given = (<dict> group).get("params")
        n = len(<list> given) if type(given) is list else -1
        if n >= 0:
            params = given
            while n > 0 and i < len(known) and (
                PyList_GET_ITEM(params, len(params) - n) == PyTuple_GET_ITEM(known, i)
                and group_of[i] == k
            ):
                i += 1
                n -= 1
        if n or (i < len(known) and group_of[i] <= k):
            raise ValueError(
                f"param_groups[{k}]: expected the parameters that the optimizer has in this "
                "group; got others: call add_param_group, or make a new optimizer"
            )
    return groups

/* The messages that a stream is full of, read in C: changes of rows, and the ends of their transactions.

   Only what is well-formed is read here. For anything else, and for all other kinds of messages, `read` gives back
   None, and cdc/pgoutput.py says what it is, or what is wrong with it. So both give the same, by construction.
   No byte is looked at before it is known to be there: `left` is asked first, always. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

typedef struct {
    PyTypeObject *insert, *update, *delete, *begin, *commit;
    PyObject *unchanged, *absent, *key, *full;
} State;

/* Where reading is, and where the message ends. */
typedef struct {
    const unsigned char *at, *end;
} Cursor;

static inline size_t left(const Cursor *cursor) { return (size_t)(cursor->end - cursor->at); }

static inline uint32_t four(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t eight(const unsigned char *at) { return (uint64_t)four(at) << 32 | four(at + 4); }

/* A tuple of a NamedTuple's class; takes over the values, of which one may be NULL: then NULL. */
static PyObject *made(PyTypeObject *type, Py_ssize_t count, PyObject **values)
{
    PyObject *tuple = NULL;
    int is_whole = 1;
    for (Py_ssize_t i = 0; i < count; i++)
        is_whole &= values[i] != NULL;
    if (is_whole)
        tuple = type->tp_alloc(type, count);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (tuple)
            PyTuple_SET_ITEM(tuple, i, values[i]);
        else
            Py_XDECREF(values[i]);
    }
    return tuple;
}

/* One value; NULL where there is none, with an exception only where memory has run out. */
static PyObject *value(const State *state, Cursor *cursor)
{
    if (left(cursor) < 1)
        return NULL;
    switch (*cursor->at++) {
    case 't': {
        if (left(cursor) < 4)
            return NULL;
        uint32_t size = four(cursor->at);
        cursor->at += 4;
        if (left(cursor) < size)
            return NULL;
        const char *text = (const char *)cursor->at;
        cursor->at += size;
        return PyBytes_FromStringAndSize(text, (Py_ssize_t)size);
    }
    case 'n':
        return Py_NewRef(Py_None);
    case 'u':
        return Py_NewRef(state->unchanged);
    default:
        return NULL;
    }
}

/* A row's values in a list; NULL as for `value`. */
static PyObject *row(const State *state, Cursor *cursor)
{
    if (left(cursor) < 2)
        return NULL;
    Py_ssize_t count = (Py_ssize_t)cursor->at[0] << 8 | cursor->at[1];
    cursor->at += 2;
    if (left(cursor) < (size_t)count) /* Each value takes a byte at least; nothing is allocated for a lie. */
        return NULL;
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
        PyObject *one = value(state, cursor);
        if (one == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, i, one);
    }
    return list;
}

/* Whether the next byte is this one; it is behind us then. */
static int comes(Cursor *cursor, unsigned char kind)
{
    if (left(cursor) < 1 || *cursor->at != kind)
        return 0;
    cursor->at++;
    return 1;
}

/* What kind of old row comes next, if one does. */
static PyObject *old_is(const State *state, Cursor *cursor)
{
    if (comes(cursor, 'K'))
        return state->key;
    return comes(cursor, 'O') ? state->full : NULL;
}

static PyObject *insert(const State *state, Cursor *cursor, uint32_t relation)
{
    if (!comes(cursor, 'N'))
        return NULL;
    PyObject *new = row(state, cursor);
    if (new == NULL)
        return NULL;
    return made(state->insert, 2, (PyObject *[]){PyLong_FromUnsignedLong(relation), new});
}

static PyObject *update(const State *state, Cursor *cursor, uint32_t relation)
{
    PyObject *kind = old_is(state, cursor);
    PyObject *old = kind ? row(state, cursor) : PyList_New(0);
    if (old == NULL)
        return NULL;
    PyObject *new = comes(cursor, 'N') ? row(state, cursor) : NULL;
    if (new == NULL) {
        Py_DECREF(old);
        return NULL;
    }
    kind = Py_NewRef(kind ? kind : state->absent);
    return made(state->update, 4, (PyObject *[]){PyLong_FromUnsignedLong(relation), kind, old, new});
}

static PyObject *delete(const State *state, Cursor *cursor, uint32_t relation)
{
    PyObject *kind = old_is(state, cursor);
    PyObject *old = kind ? row(state, cursor) : NULL;
    if (old == NULL)
        return NULL;
    return made(state->delete, 3, (PyObject *[]){PyLong_FromUnsignedLong(relation), Py_NewRef(kind), old});
}

static PyObject *begin(const State *state, Cursor *cursor)
{
    const unsigned char *at = cursor->at;
    if (left(cursor) < 20)
        return NULL;
    cursor->at += 20;
    PyObject *lsn = PyLong_FromUnsignedLongLong(eight(at)), *time = PyLong_FromLongLong((int64_t)eight(at + 8));
    return made(state->begin, 3, (PyObject *[]){lsn, time, PyLong_FromUnsignedLong(four(at + 16))});
}

static PyObject *commit(const State *state, Cursor *cursor)
{
    const unsigned char *at = cursor->at;
    if (left(cursor) < 25)
        return NULL;
    cursor->at += 25;
    PyObject *lsn = PyLong_FromUnsignedLongLong(eight(at + 1)), *end = PyLong_FromUnsignedLongLong(eight(at + 9));
    return made(state->commit, 3, (PyObject *[]){lsn, end, PyLong_FromLongLong((int64_t)eight(at + 17))});
}

/* The message, or NULL as for `value`; the cursor is where it ended. */
static PyObject *message(const State *state, Cursor *cursor)
{
    if (left(cursor) < 1)
        return NULL;
    unsigned char kind = *cursor->at++;
    if (kind == 'B')
        return begin(state, cursor);
    if (kind == 'C')
        return commit(state, cursor);
    if ((kind != 'I' && kind != 'U' && kind != 'D') || left(cursor) < 4)
        return NULL;
    uint32_t relation = four(cursor->at);
    cursor->at += 4;
    return kind == 'I' ? insert(state, cursor, relation)
         : kind == 'U' ? update(state, cursor, relation)
                       : delete(state, cursor, relation);
}

static PyObject *read_message(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    const State *state = PyModule_GetState(module);
    if (state->insert == NULL)
        return PyErr_Format(PyExc_RuntimeError, "set_up has not been called");
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "read takes the data, and where in it the message begins");
    Py_ssize_t at = PyLong_AsSsize_t(arguments[1]);
    if (at == -1 && PyErr_Occurred())
        return NULL;
    Py_buffer buffer;
    if (PyObject_GetBuffer(arguments[0], &buffer, PyBUF_SIMPLE) < 0)
        return NULL;
    const unsigned char *start = buffer.buf;
    Cursor cursor = {start, start + buffer.len};
    if (at < 0 || at > buffer.len)
        at = buffer.len;
    cursor.at += at;
    PyObject *found = message(state, &cursor);
    if (found != NULL && left(&cursor) > 0)
        Py_CLEAR(found);
    PyBuffer_Release(&buffer);
    if (found == NULL && !PyErr_Occurred())
        Py_RETURN_NONE;
    return found;
}

static PyObject *set_up(PyObject *module, PyObject *arguments)
{
    State *state = PyModule_GetState(module);
    PyTypeObject *types[5];
    PyObject *values[4];
    if (!PyArg_ParseTuple(arguments, "O!O!O!O!O!OOOO", &PyType_Type, &types[0], &PyType_Type, &types[1], &PyType_Type,
                          &types[2], &PyType_Type, &types[3], &PyType_Type, &types[4], &values[0], &values[1],
                          &values[2], &values[3]))
        return NULL;
    for (int i = 0; i < 5; i++) /* Their values are put where a tuple has them. */
        if (!PyType_IsSubtype(types[i], &PyTuple_Type) || types[i]->tp_itemsize != PyTuple_Type.tp_itemsize
            || types[i]->tp_basicsize != PyTuple_Type.tp_basicsize)
            return PyErr_Format(PyExc_TypeError, "no class of plain tuples: %R", types[i]);
    PyTypeObject **type_places[5] = {&state->insert, &state->update, &state->delete, &state->begin, &state->commit};
    PyObject **value_places[4] = {&state->unchanged, &state->absent, &state->key, &state->full};
    for (int i = 0; i < 5; i++)
        Py_XSETREF(*type_places[i], (PyTypeObject *)Py_NewRef((PyObject *)types[i]));
    for (int i = 0; i < 4; i++)
        Py_XSETREF(*value_places[i], Py_NewRef(values[i]));
    Py_RETURN_NONE;
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->insert);
    Py_VISIT(state->update);
    Py_VISIT(state->delete);
    Py_VISIT(state->begin);
    Py_VISIT(state->commit);
    Py_VISIT(state->unchanged);
    Py_VISIT(state->absent);
    Py_VISIT(state->key);
    Py_VISIT(state->full);
    return 0;
}

static int clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
    Py_CLEAR(state->insert);
    Py_CLEAR(state->update);
    Py_CLEAR(state->delete);
    Py_CLEAR(state->begin);
    Py_CLEAR(state->commit);
    Py_CLEAR(state->unchanged);
    Py_CLEAR(state->absent);
    Py_CLEAR(state->key);
    Py_CLEAR(state->full);
    return 0;
}

static PyMethodDef methods[] = {
    {"set_up", set_up, METH_VARARGS, "The classes of messages and the values that are no bytes; once, before `read`."},
    {"read", (PyCFunction)(void (*)(void))read_message, METH_FASTCALL,
     "The change, Begin or Commit that `data` is from byte `at` on; None if it is another message, or malformed."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "cdc._tuples",
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
};

PyMODINIT_FUNC PyInit__tuples(void) { return PyModuleDef_Init(&definition); }

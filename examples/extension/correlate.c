/* An extension of Python in C that convolves by fastconv: correlate(image, kernel, out, threads), of float32 buffers with two
 * axes. It knows nothing of NumPy, and runs without the interpreter's lock.
 *
 *     cc -shared -fPIC $(python -c "import fastconv, sysconfig as s; print('-I' + fastconv.get_include(), '-I' +
 *         s.get_path('include'))") correlate.c -o correlate.so
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <fastconv.h>

static const fastconv_api* fc;

/* The memory of an argument, dense and of float32; 0 with an exception if it is something else. */
static int floats(PyObject* object, Py_buffer* view, int writable) {
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0)) < 0) return 0;
    if (view->ndim == 2 && view->format && strcmp(view->format, "f") == 0) return 1;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_TypeError, "expected float32 buffers with two axes");
    return 0;
}

static PyObject* correlate(PyObject* module, PyObject* arguments) {
    PyObject *image, *kernel, *out, *result = NULL;
    Py_buffer x, w, y;
    int threads = 0;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OOO|i", &image, &kernel, &out, &threads) || !floats(image, &x, 0)) return NULL;
    if (!floats(kernel, &w, 0)) goto release_x;
    if (!floats(out, &y, 1)) goto release_w;

    fastconv_convolution c = fastconv_defaults();
    c.in_channels = c.out_channels = 1;
    c.threads = threads;
    for (int i = 0; i < 2; ++i) {
        c.input[i] = x.shape[i];
        c.kernel[i] = w.shape[i];
    }
    fastconv_error error;
    fastconv_plan* plan = fc->plan(&c, w.buf, NULL, &error);
    if (!plan) {
        PyErr_SetString(PyExc_ValueError, error.text);
        goto release_y;
    }
    int64_t shape[4];
    fc->output_shape(plan, shape);
    if (shape[2] == y.shape[0] && shape[3] == y.shape[1]) {
        int failed;
        Py_BEGIN_ALLOW_THREADS
        failed = fc->run(plan, x.buf, y.buf, &error);
        Py_END_ALLOW_THREADS
        if (failed)
            PyErr_SetString(PyExc_MemoryError, error.text);
        else
            result = Py_NewRef(Py_None);
    } else {
        PyErr_Format(PyExc_ValueError, "out: shape (%zd, %zd), expected (%lld, %lld)", y.shape[0], y.shape[1],
                     (long long)shape[2], (long long)shape[3]);
    }
    fc->destroy(plan);
release_y:
    PyBuffer_Release(&y);
release_w:
    PyBuffer_Release(&w);
release_x:
    PyBuffer_Release(&x);
    return result;
}

static PyMethodDef methods[] = {{"correlate", correlate, METH_VARARGS, "correlate(image, kernel, out, threads=0)"},
                                {NULL, NULL, 0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "correlate", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_correlate(void) {
    fc = fastconv_import();
    return fc ? PyModule_Create(&definition) : NULL;
}

// The extension module. Files of this folder are the only ones that know Python.
#include "arguments.hpp"

PYBIND11_MODULE(_fastconv, m, pybind11::mod_gil_not_used()) {
    m.doc() = "fastconv's kernels. Arguments are positional; fastconv's functions name and document them.";
    fastconv::register_problem(m);
    fastconv::register_conv(m);
    fastconv::register_conv_type(m);
    fastconv::register_pool(m);
    fastconv::register_pool_gradient(m);
    fastconv::register_indexed(m);
    fastconv::register_lp_pool(m);
    fastconv::register_columns(m);
    fastconv::register_border(m);
    fastconv::register_shuffle(m);
    fastconv::register_weights(m);
    fastconv::register_elementwise(m);
    fastconv::register_elementwise_gradient(m);
    fastconv::register_filter(m);
    fastconv::register_gradient(m);
    fastconv::register_quantized(m);
    fastconv::register_runtime(m);
    fastconv::register_capsules(m);
}

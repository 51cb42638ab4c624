// The interface for C, as Python hands it out: one capsule with the table, and for Cython one for each function, named after
// its type.
#include "../c_api.hpp"
#include "arguments.hpp"

namespace fastconv {

void register_capsules(py::module_& m) {
    const fastconv_api& api = c_api();
    m.attr("_C_API") = py::capsule(&api, "fastconv._fastconv._C_API");
    // As Cython writes the types of c_api.pxd.
    py::dict functions;
    const auto add = [&](const char* name, auto* function, const char* type) {
        functions[name] = py::capsule(reinterpret_cast<const void*>(function), type);
    };
    add("plan", api.plan, "fastconv_plan *(fastconv_convolution const *, void const *, void const *, fastconv_error *)");
    add("output_shape", api.output_shape, "void (fastconv_plan const *, int64_t *)");
    add("run", api.run, "int (fastconv_plan const *, void const *, void *, fastconv_error *)");
    add("destroy", api.destroy, "void (fastconv_plan *)");
    m.attr("_cython_functions") = functions;
}

}  // namespace fastconv

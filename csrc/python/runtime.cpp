// Threads, instruction sets, and what the build and the machine are.
#include <fstream>

#include "../cache.hpp"
#include "../isa.hpp"
#include "../limits.hpp"
#include "../parallel.hpp"
#include "arguments.hpp"

namespace fastconv {
namespace {

int threads_of(py::handle n) {
    const int64_t threads = integer(n, "n");
    if (threads < 1 || threads > most_threads)
        value_error("n", n, "a number of threads from 1 to " + std::to_string(most_threads));
    return int(threads);
}

py::list names(const std::vector<const KernelTable*>& tables) {
    py::list list;
    for (const auto* t : tables) list.append(t->name);
    return list;
}

uint32_t word(const py::dict& d, const char* key) { return d[key].cast<uint32_t>(); }

std::string processor_model() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);)
        for (const char* key : {"model name", "Model"})
            if (line.rfind(key, 0) == 0 && line.find(':') != std::string::npos) return line.substr(line.find(':') + 2);
    return py::module_::import("platform").attr("machine")().cast<std::string>();
}

py::dict cpu_info() {
    py::dict d;
    d["model"] = processor_model();
    d["cores"] = usable_cores();
    d["l1d"] = cache_sizes().l1d;
    d["l2"] = cache_sizes().l2;
    d["l3"] = cache_sizes().l3;
    return d;
}

py::dict build_info() {
    py::dict d;
    d["version"] = FASTCONV_VERSION;
#if defined(__clang__)
    d["compiler"] = "Clang " __clang_version__;
#else
    d["compiler"] = "GCC " __VERSION__;
#endif
    d["instruction_sets"] = names(built_isas());
    d["flags"] = FASTCONV_KERNEL_FLAGS;
    return d;
}

void check_seconds(double seconds) {
    if (!(seconds > 0) || seconds > 60) throw py::value_error("seconds=" + std::to_string(seconds) + ": expected 0 to 60");
}

py::dict peak(double seconds, py::handle threads) {
    const int n = threads_of(threads);
    check_seconds(seconds);
    double f32, f64;
    {
        const py::gil_scoped_release release;
        f32 = measure_peak<float>(seconds / 2, n);
        f64 = measure_peak<double>(seconds / 2, n);
    }
    py::dict d;
    d["float32"] = f32 / 1e9;
    d["float64"] = f64 / 1e9;
    return d;
}

double bandwidth(int64_t bytes, double seconds, py::handle threads) {
    const int n = threads_of(threads);
    check_seconds(seconds);
    if (bytes <= 0) throw py::value_error("bytes=" + std::to_string(bytes) + ": expected a positive number");
    const py::gil_scoped_release release;
    return measure_bandwidth(bytes, seconds, n) / 1e9;
}

}  // namespace

void register_runtime(py::module_& m) {
    m.def("set_num_threads", [](py::handle n) { set_num_threads(threads_of(n)); });
    m.def("get_num_threads", &get_num_threads);
    m.def("push_threads", [](py::handle n) { push_thread_limit(threads_of(n)); });
    m.def("pop_threads", &pop_thread_limit);
    m.def("memory", [](int64_t bytes) { return new_array({bytes}, py::dtype::of<uint8_t>()); });
    m.def("instruction_set", [] { return current_isa().name; });
    m.def("instruction_sets", [] { return names(usable_isas()); });
    m.def("set_instruction_set", [](py::handle name) { set_current_isa(std::string(text(name, "name"))); });
    m.def("x86_level", [](const py::dict& cpuid, uint64_t xcr0) {
        return x86_level(
            {word(cpuid, "1.ecx"), word(cpuid, "1.edx"), word(cpuid, "7.ebx"), word(cpuid, "80000001.ecx"), xcr0});
    });
    m.def("build_info", &build_info);
    m.def("cpu_info", &cpu_info);
    m.def("measure_peak", &peak);
    m.def("measure_bandwidth", &bandwidth);

    // At import, so that a wrong environment variable or processor is an error here and not in the first call.
    current_isa();
    get_num_threads();
}

}  // namespace fastconv

// A convolution with its weights packed, which remembers the plans of its last inputs. Nothing a caller can see changes
// once it is made, and many threads may use it at once.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "../plan.hpp"
#include "../recent.hpp"
#include "convolution.hpp"

namespace fastconv {

class PreparedConv {
   public:
    PreparedConv(py::handle rank, py::handle weight, py::handle bias, py::handle stride, py::handle padding,
                 py::handle dilation, py::handle groups, py::handle padding_mode, py::handle layout, py::handle activation,
                 py::handle algorithm);

    py::array call(py::handle input, py::handle out, py::handle residual);
    py::object explain(py::handle input_shape);
    py::object profile(py::handle input);  // of one call: (name, nanoseconds of all threads, work, unit) of each stage
    py::object output_shape(py::handle input_shape) const;

    // What it was made of, read back.
    py::array weight() const;
    py::object bias() const { return bias_ ? py::object(*bias_) : py::none(); }
    py::object rank() const { return py::int_(problem().rank); }
    py::object weight_shape() const { return to_tuple(problem().weight_shape()); }
    py::object kernel_size() const { return used(problem().kernel); }
    py::object in_channels() const { return py::int_(problem().ic); }
    py::object out_channels() const { return py::int_(problem().oc); }
    py::object stride() const { return used(problem().stride); }
    py::object padding() const;
    py::object dilation() const { return used(problem().dilation); }
    py::object groups() const { return py::int_(problem().groups); }
    py::object padding_mode() const { return py::str(to_string(problem().boundary)); }
    py::object layout() const { return py::str(problem().layout == Layout::channels_first ? "NCHW" : "NHWC"); }
    py::object activation() const { return activation_; }
    py::object algorithm() const { return py::str(convolution_.algorithm); }
    py::object dtype() const { return dtype_; }

   private:
    // What the plan for an input depends on.
    struct Key {
        Shape input;
        const KernelTable* isa;
        int threads;
        uint64_t choices;
        bool operator==(const Key&) const = default;
    };
    struct Prepared {
        Problem problem;
        Shape output;
        Choice choice;
        std::shared_ptr<const PackedWeights> weights;
        ConvPlan plan;
    };

    const Problem& problem() const { return convolution_.problem; }
    py::tuple used(const Axes& a) const { return to_tuple(Shape(a.end() - problem().rank, a.end())); }

    std::optional<py::array> residual_of(py::handle residual, const Shape& output) const;
    std::shared_ptr<const Prepared> prepared_for(const Shape& input);
    std::shared_ptr<const Prepared> prepare(const Key&);
    std::shared_ptr<const PackedWeights> packed_for(const ConvPlan&);

    Convolution convolution_;
    py::object dtype_;
    std::optional<py::array> weight_;           // until they are packed so that they can be read back from there
    std::shared_ptr<const Prepared> unpacked_;  // which is here then
    std::optional<py::array> bias_, bias_native_;
    py::object activation_;
    bool finite_;  // all weights
    std::vector<std::shared_ptr<const PackedWeights>>
        packed_;  // used within prepare() alone, which one thread enters at a time
    Recent<Key, Prepared> prepared_;
};

}  // namespace fastconv

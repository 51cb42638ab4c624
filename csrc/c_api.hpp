// The table of functions that C code gets: src/fastconv/include/fastconv.h says what they do.
#pragma once

#include "../src/fastconv/include/fastconv.h"

namespace fastconv {

const fastconv_api& c_api();

}  // namespace fastconv

# find_package(fastconv): the target fastconv::fastconv, which is the folder of fastconv.h. Nothing is linked: see the header.
if(NOT TARGET fastconv::fastconv)
  add_library(fastconv::fastconv INTERFACE IMPORTED)
  get_filename_component(fastconv_include "${CMAKE_CURRENT_LIST_DIR}/../include" ABSOLUTE)
  set_target_properties(fastconv::fastconv PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${fastconv_include}")
  unset(fastconv_include)
endif()

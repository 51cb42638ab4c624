# Fails unless OBJECT defines TABLE and no other symbol that a linker could use elsewhere.
execute_process(COMMAND ${NM} -C --defined-only ${OBJECT} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" lines "${symbols}")
set(found FALSE)
foreach(line IN LISTS lines)
  if(line MATCHES " [A-Zuvw] (.*)$")  # upper case: global; u, v, w: shared or weak
    if(CMAKE_MATCH_1 STREQUAL "fastconv::${TABLE}")
      set(found TRUE)
    else()
      message(FATAL_ERROR "${OBJECT} exports '${CMAKE_MATCH_1}'. A kernel unit must export fastconv::${TABLE} alone: "
                          "put the code into its unnamed namespace, and use no template of the standard library.")
    endif()
  endif()
endforeach()
if(NOT found)
  message(FATAL_ERROR "${OBJECT} does not export fastconv::${TABLE}")
endif()

"""A folder that CMake finds through an entry point."""

"""A folder that pkg-config finds through an entry point."""

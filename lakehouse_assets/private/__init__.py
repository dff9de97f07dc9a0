"""What is used of other libraries beyond their public interfaces: a module a library, and nothing of it elsewhere.

Each module names the version that it was read from, and says of each part why the public interface won't do. Nothing is
imported before it's needed: the command line and the supervisor load neither Dagster nor PySpark by this.
`lakehouse_assets_tests/test_private_parts.py` holds all others to it.
"""

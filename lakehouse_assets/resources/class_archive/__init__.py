"""The archive of the engine's classes (Java's AppCDS): where it's kept, and how it's made."""

"""rise: recursive introspection for any chat model."""

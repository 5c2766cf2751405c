"""The built-in components, one file each, registered like anyone else's."""

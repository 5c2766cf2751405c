"""Other libraries' work with chainrule's training; each needs its library, an extra of the same name."""

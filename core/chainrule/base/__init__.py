"""What an author subclasses or declares: modules, losses, initializers, rules, tasks, and the hooks of callbacks."""

from experiments import tasks


def build(function, data_dir=None, **parameters):
    """A task with some parameters, all others as in its function."""
    return tasks.build(tasks.schema(tasks.functions()[function])(**parameters), data_dir)

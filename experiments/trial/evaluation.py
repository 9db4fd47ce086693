"""The score of a model: one pass over the test part of its task."""

import keras
import numpy as np

from experiments.tasks import Split, Task
from experiments.trial.batches import evaluation_batches
from experiments.trial.callbacks import EmptyStates, readable


def test_metrics(model: keras.Model, task: Task, batch_size: int) -> dict[str, float]:
    """Compute the metrics of a task on its test part, by name.

    Args:
        model: A model that `compile_model` has compiled.
        task: The task.
        batch_size: That of training; of a stream the number of its rows.
    """

    def predict(split: Split) -> np.ndarray:
        batches = evaluation_batches(split, batch_size, task.per_step)
        return model.predict(batches, verbose=0)[: len(split)]

    batches = evaluation_batches(task.test, batch_size, task.per_step)
    metrics = readable(task, model.evaluate(batches, return_dict=True, verbose=0, callbacks=[EmptyStates()]))
    metrics |= task.measure(predict) if task.measure else {}
    return {metric.name: metrics[metric.name] for metric in task.metrics}

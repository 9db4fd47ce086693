from experiments.sweep.scheduler import Queue


def order(models, workers):
    """Who does what, when workers take turns."""
    queue = Queue(dict(enumerate(models)))
    for trial in range(len(models)):
        queue.add(trial)
    compiled = dict.fromkeys(range(workers))
    taken = []
    while queue:
        for worker in compiled:
            others = {model for other, model in compiled.items() if other != worker}
            trial = queue.take(0.0, compiled[worker], others)
            if trial is not None:
                compiled[worker] = models[trial]
                taken.append((worker, trial))
    return taken


def test_a_worker_stays_with_the_model_that_it_has_compiled():
    taken = order(["a", "b", "a", "b", "c", "c"], workers=2)
    assert [trial for worker, trial in taken if worker == 0][:2] == [0, 2]
    assert [trial for worker, trial in taken if worker == 1][:2] == [1, 3]


def test_when_no_model_is_left_to_begin_a_worker_helps_where_most_trials_wait():
    queue = Queue(dict(enumerate("abbb")))
    for trial in range(4):
        queue.add(trial)
    assert queue.take(0.0, "c", {"a", "b"}) == 1


def test_every_trial_is_taken_once():
    assert sorted(trial for _, trial in order(list("aababbcccd"), workers=3)) == list(range(10))


def test_a_trial_that_another_process_is_at_waits():
    queue = Queue({0: "a", 1: "a"})
    queue.add(0, since=5.0)
    queue.add(1)
    assert queue.take(1.0, "a", set()) == 1
    assert queue.take(1.0, "a", set()) is None
    assert queue.take(5.0, "a", set()) == 0
    assert len(queue) == 0

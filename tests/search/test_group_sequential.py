"""Seeds until decided: what is refused, what is registered, and which trials each look asks for."""

import pytest
from optuna.distributions import FloatDistribution

from experiments.analysis import Verdict, sequential
from experiments.config.compose import compose
from experiments.config.schema import Search, Until
from experiments.errors import UserError
from experiments.report.group_sequential import Progress
from experiments.search import group_sequential
from experiments.search.definition import Cell, Definition
from experiments.search.phases import Choice

VARIANTS = ("standard", "peephole", "swapped")
KEYS = {key: key for key in ("variant", "training.learning_rate", "seed")}
SPACE = {"training.learning_rate": FloatDistribution(0.01, 0.1)}
DECIDED = {"until": Until.decided, "confirm": 5, "max_seeds": 11}


def cell(variant):
    return Cell((("variant", variant),), "adding", variant, f"adding/{variant}", 9, "lower")


def define(space=SPACE, **settings):
    return Definition(Search(**DECIDED | settings), KEYS, {}, {"variant": VARIANTS}, space)


def registered(definition, *words):
    configs = {cell(v): [compose([f"variant={v}", f"seed={seed}", *words]) for seed in (0, 1)] for v in VARIANTS}
    return group_sequential.plan(definition, configs, "s")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"until": None, "max_seeds": 20, "group": 2}, "search.group=2: is for search.until=decided"),
        ({"until": None, "max_seeds": 20, "margin": "5%"}, "search.margin=5%: is for search.until=decided"),
        ({"confirm": 0}, "search.until=decided: needs the seeds of the first look, such as search.confirm=5"),
        ({"confirm": 12}, "search.confirm=12: must be at most search.max_seeds=11"),
        ({"margin": "wide"}, "search.margin=wide: must be a number greater than 0"),
    ],
)
def test_mistakes_are_refused(settings, message):
    with pytest.raises(UserError) as refusal:
        group_sequential.check(Search(**DECIDED | settings), [])
    assert message in str(refusal.value)


def test_fields_that_are_crossed_are_refused():
    with pytest.raises(UserError, match="only variants and tasks are compared"):
        group_sequential.check(Search(**DECIDED), ["model.units"])


def test_each_variant_is_compared_with_its_base_by_the_rule_of_its_task():
    plan = registered(define(margin="5%"))
    family = plan.tasks["adding"]
    assert family.comparisons == {"peephole": "standard", "swapped": "standard"}
    assert (family.score, family.better, family.paired, family.margin) == ("test/mse", "lower", False, "5%")
    assert plan.looks == (5, 8, 11) and list(plan.seeds) == list(range(1, 12))
    assert family.levels == sequential.Rule((5, 8, 11)).levels(2)
    assert plan.search["drawn"] and "confirm" not in plan.search
    assert plan.digest == registered(define(margin="5%")).digest or plan.time != registered(define()).time


def test_the_margin_is_that_of_the_task_unless_another_is_given():
    assert registered(define()).tasks["adding"].margin == "0.001"


def test_seeds_that_draw_the_data_anew_are_pairs():
    assert registered(define(), "task.data_seed=${seed}").tasks["adding"].paired


def test_without_a_draw_seeds_begin_with_the_first_one():
    plan = registered(define(space={}))
    assert list(plan.seeds) == list(range(11)) and plan.search == {}


def test_so_few_seeds_that_nothing_can_be_decided_are_refused():
    with pytest.raises(UserError, match="search.max_seeds=3: so few seeds cannot decide 2 comparisons on adding"):
        registered(define(confirm=2, max_seeds=3))


def test_one_variant_has_nothing_to_be_compared_with():
    definition = define()
    configs = {cell("standard"): [compose(["variant=standard", f"seed={seed}"]) for seed in (0, 1)]}
    with pytest.raises(UserError, match="on adding there is no variant to compare with another one"):
        group_sequential.plan(definition, configs, "s")


class Study:
    """Looks at which all trials have ended, and each of which decides what it is told to."""

    def __init__(self, plan, decided, stops=9):
        self.plan, self.decided, self.stops, self.batches = plan, decided, stops, []

    def launch(self, batch):
        self.batches.append([(words[0], words[2]) for words in batch.trials])
        assert all(words[-1] == f"sweep.registered='{self.plan.short}'" for words in batch.trials)
        return [0.0] * len(batch.trials)

    def look(self):
        number = min(len(self.batches), self.stops)
        decisions = {}
        for variant, reference in self.plan.tasks["adding"].comparisons.items():
            look = self.decided.get(variant, 99)
            word = Verdict.WORSE if look <= number else Verdict.UNDECIDED
            decisions[variant] = sequential.Decision(reference, word, number, self.plan.looks[number - 1], None, 0.1)
        undecided = [variant for variant in decisions if self.decided.get(variant, 99) > number]
        last = number == len(self.plan.looks)
        needed = () if last or not undecided else ("standard", *undecided)
        stage = sequential.Stage(decisions, needed, self.plan.looks[min(number, len(self.plan.looks) - 1)])
        return {"adding": Progress(self.plan.tasks["adding"], self.plan.looks, number, stage)}


def asked(decided, capsys, left_out=(), stops=9):
    definition = define()
    plan = registered(definition)
    study = Study(plan, decided, stops)
    draws = {variant: None if variant in left_out else {"training.learning_rate": "0.05"} for variant in VARIANTS}
    choices = [Choice(cell(variant), draw, 0.1, 3) for variant, draw in draws.items()]
    group_sequential.until_decided(definition, plan, choices, study.launch, study.look)
    batches = [
        {variant: [int(s.partition("=")[2]) for v, s in batch if v == f"variant={variant}"] for variant in VARIANTS}
        for batch in study.batches
    ]
    return batches, capsys.readouterr().out


def test_trials_of_what_is_decided_are_not_run(capsys):
    batches, printed = asked({"peephole": 1, "swapped": 2}, capsys)
    first = {variant: [1, 2, 3, 4, 5] for variant in VARIANTS}
    assert batches == [first, {"standard": [6, 7, 8], "peephole": [], "swapped": [6, 7, 8]}]
    assert "decided after 5 seeds: adding/peephole is worse" in printed
    assert "decided after 8 seeds: adding/swapped is worse" in printed and "undecided" not in printed


def test_the_last_seeds_end_it(capsys):
    batches, printed = asked({"peephole": 1}, capsys)
    assert [batch["swapped"] for batch in batches] == [[1, 2, 3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert printed.endswith("undecided with all 11 seeds: adding/swapped\n")


def test_a_variant_without_a_setting_is_left_out_and_keeps_no_other_one_in_training(capsys):
    batches, _ = asked({"peephole": 1}, capsys, left_out=["swapped"])
    assert batches == [{"standard": [1, 2, 3, 4, 5], "peephole": [1, 2, 3, 4, 5], "swapped": []}]


def test_trials_without_an_end_stop_it(capsys):
    batches, printed = asked({}, capsys, stops=1)
    assert len(batches) == 2 and "adding: trials are without an end; the same command goes on" in printed

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from stanalysis.errors import BadInput
from stanalysis.files.rewiring_log import CAUSE, KIND, replay
from stanalysis.schema.lives import EPISODES, SIGHTINGS
from stanalysis.schema.network import EVENTS, SYNAPSES
from stanalysis.schema.variables import labelled, validate
from stanalysis.stats.lives.episodes import RADIUS, episodes, neighbours_of, sightings
from stanalysis.synthetic.rewiring import PROJECTION, rewiring_process, true_survival

kernel = pytest.mark.kernel
IDENTITY = ["target", "source", "contact"]
BIRTHS = [CAUSE.REGROWN_AT_RANDOM, CAUSE.REGROWN_BY_GRADIENT, CAUSE.REBORN_IN_PLACE]


def process(seed, *, n_steps=12, share=0.4, n=3):
    """A log of two projections between few neurons, so that places are taken again, even in the step of a death; and the
    lives of each, as plain rows."""
    random = np.random.default_rng(seed)
    places = [(target, source, contact) for target in range(n) for source in range(n) for contact in range(2)]
    rows, lives, living = [], ([], []), ({}, {})

    def event(step, p, kind, cause, place, sign):
        delay, weight = 10 * random.random(), sign * random.random()
        rows.append((step, p, kind, cause, *place, delay, weight, np.nan, 0, sign))
        return delay, weight

    for step in range(n_steps):
        for p in (0, 1):
            for place in [k for k in living[p] if random.random() < share]:
                life = living[p].pop(place)
                cause = random.choice([CAUSE.SIGN_CROSSING, CAUSE.MAGNITUDE])
                delay, weight = event(step, p, KIND.DEATH, cause, place, life["sign"])
                life |= {"died": step, "death_cause": cause, "death_delay": delay, "death_weight": weight}
            for place in [k for k in places if k not in living[p] and random.random() < share / 2]:
                sign = random.choice([-1, 1])
                cause = random.choice(BIRTHS) if step else CAUSE.INITIAL
                delay, weight = event(step, p, KIND.BIRTH, cause, place, sign)
                life = {"place": place, "born": step, "birth_delay": delay, "birth_weight": weight, "sign": sign}
                living[p][place] = life | {"birth_cause": cause, "died": None}
                lives[p].append(living[p][place])
    names = ["step", "projection", "kind", "cause", *IDENTITY, "delay", "weight", "gradient", "rank", "sign"]
    frame = pd.DataFrame(rows, columns=names).astype({k: {"i": int, "f": float}[v.kind] for k, v in EVENTS.items()})
    log = labelled(EVENTS, **{name: frame[name].to_numpy() for name in names})
    attrs = {"projections": '["input__hidden1", "hidden1__output"]', "complete_to_step": n_steps + 3}
    return log.assign_attrs(attrs), lives


def alive(lives, step):
    return [life for life in lives if life["born"] <= step and (life["died"] is None or life["died"] > step)]


def neighbours(life, lives, step, *, ms_per_source, radius):
    """Of either sign, by looking at every living synapse."""
    count = {1: 0, -1: 0}
    for other in alive(lives, step):
        across = other["place"][1] - life["place"][1]
        along = (other["birth_delay"] - life["birth_delay"]) / ms_per_source
        if other is not life and other["place"][0] == life["place"][0] and np.hypot(across, along) <= radius:
            count[int(other["sign"])] += 1
    return count[int(life["sign"])], count[-int(life["sign"])]


@kernel
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.1, 0.9), radius=st.floats(0.3, 4))
def test_episodes__are_the_lives_of_the_log(seed, share, radius):
    log, lives = process(seed, share=share)
    for p, projection in enumerate(json.loads(log.attrs["projections"])):
        found = episodes(log, projection, ms_per_source=2.0, radius=radius)
        validate(found, EPISODES, required=tuple(EPISODES))
        expected = sorted(lives[p], key=lambda life: (*life["place"], life["born"]))
        end = log.attrs["complete_to_step"]
        rows = [
            {
                **dict(zip(IDENTITY, life["place"], strict=True)),
                "slot": sorted({other["place"] for other in expected}).index(life["place"]),
                "sign": life["sign"],
                "birth_step": life["born"],
                "entry": 0,
                "exit": (end if life["died"] is None else life["died"]) - life["born"],
                "event": life["died"] is not None,
                "birth_cause": life["birth_cause"],
                "death_cause": life.get("death_cause", -1),
                **{name: life.get(name, np.nan) for name in ("birth_delay", "birth_weight", "death_delay", "death_weight")},
                **dict(
                    zip(
                        ("same_sign", "opposite_sign"),
                        neighbours(life, lives[p], life["born"], ms_per_source=2.0, radius=radius),
                        strict=True,
                    )
                ),
            }
            for life in expected
        ]
        assert found.sizes["episode"] == len(rows)
        for name in EPISODES:
            np.testing.assert_allclose(found[name], [row[name] for row in rows], rtol=1e-6, err_msg=name)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), step=st.integers(0, 14))
def test_episodes__alive_at_a_step_are_those_that_replay_finds(seed, step):
    log, _ = process(seed)
    for projection, table in replay(log, step).items():
        found = episodes(log, projection, ms_per_source=1.0)
        gone = (found.birth_step + found.exit <= step) & found.event
        there = found.isel(episode=np.flatnonzero((found.birth_step <= step) & ~gone))
        assert {name: there[name].values.tolist() for name in IDENTITY} == {n: table[n].values.tolist() for n in IDENTITY}


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), since=st.integers(1, 15))
def test_episodes__watched_from_a_step_lose_the_life_before_it(seed, since):
    log, _ = process(seed)
    whole, part = (episodes(log, "input__hidden1", ms_per_source=1.0, since=s) for s in (0, since))
    later = whole.isel(episode=np.flatnonzero(whole.birth_step + whole.exit > np.maximum(since, whole.birth_step)))
    assert part.entry.values.tolist() == np.maximum(since - later.birth_step.values, 0).tolist()
    for name in ("slot", "birth_step", "exit", "event", "same_sign"):
        assert part[name].values.tolist() == later[name].values.tolist(), name


def test_episodes__of_an_empty_log_are_none():
    log, _ = process(0)
    found = episodes(log.isel(event=slice(0, 0)), "hidden1__output", ms_per_source=1.0)
    assert found.sizes["episode"] == 0
    validate(found, EPISODES, required=tuple(EPISODES))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"projection": "a__b"}, "no projection 'a__b'; use one of input__hidden1, hidden1__output"),
        ({"since": 16}, "since is 16; give a step from 0 to 15"),
        ({"since": -1}, "since is -1"),
        ({"ms_per_source": 0.0}, "give numbers above 0"),
        ({"radius": float("nan")}, "give numbers above 0"),
    ],
)
def test_episodes__refuse_what_they_cannot_watch(options, words):
    log, _ = process(1)
    with pytest.raises(BadInput, match=words):
        episodes(log, **{"projection": "input__hidden1", "ms_per_source": 1.0} | options)


def test_episodes__refuse_a_log_that_contradicts_itself():
    log, _ = process(1)
    twice = xr.concat([log.isel(event=[0]), log], "event").assign_attrs(log.attrs)
    with pytest.raises(BadInput, match="contradicts itself"):
        episodes(twice, "input__hidden1", ms_per_source=1.0)


# --- from checkpoints --------------------------------------------------------------------------------------------------


@kernel
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), steps=st.sets(st.integers(0, 14), min_size=2, max_size=6), share=st.floats(0.1, 0.6))
def test_sightings__are_what_the_checkpoints_tell_of_the_lives(seed, steps, share):
    log, _ = process(seed, share=share)
    steps = sorted(steps)
    tables = {step: replay(log, step)["input__hidden1"] for step in steps}
    found = sightings({step: tables[step] for step in reversed(steps)}, ms_per_source=2.0, radius=1.5)
    validate(found, SIGHTINGS, required=tuple(SIGHTINGS))
    seen = [{tuple(row) for row in tables[s].to_dataframe()[IDENTITY].to_numpy().tolist()} for s in steps]
    rows = []
    for place in sorted(set().union(*seen)):
        there = [place in places for places in seen]
        starts = [k for k in range(len(steps)) if there[k] and (k == 0 or not there[k - 1])]
        for k in starts:
            m = next((j for j in range(k, len(steps)) if not there[j]), len(steps))
            before, after = steps[k - 1] if k else -1, steps[m] if m < len(steps) else -1
            rows.append([*place, before, steps[k], steps[m - 1], after, after >= 0])
    names = [*IDENTITY, "absent_at", "first_seen", "last_seen", "gone_at", "event"]
    assert np.stack([found[name].values for name in names], axis=1).tolist() == rows
    first = found.isel(episode=np.flatnonzero(found.first_seen == steps[0]))
    counts = neighbours_of(tables[steps[0]], first.sign.values, ms_per_source=2.0, radius=1.5)
    for counted, own in zip(counts, ("same", "opposite"), strict=True):
        assert counted.tolist() == first[f"{own}_sign"].values.tolist()


def test_sightings__refuse_one_checkpoint_or_unnumbered_synapses():
    log, _ = process(2)
    table = replay(log, 5)["input__hidden1"]
    with pytest.raises(BadInput, match="at least two steps"):
        sightings({5: table}, ms_per_source=1.0)
    twice = xr.concat([table, table.isel(synapse=[0])], "synapse")
    with pytest.raises(BadInput, match="number the synapses of each pair by contact"):
        sightings({5: twice, 6: table}, ms_per_source=1.0)


def table_of(**columns):
    n = len(columns["source"])
    return labelled(SYNAPSES, **{"target": [0] * n, "contact": [0] * n, "delay": [1.0] * n} | columns)


def test_sightings__a_weight_of_0_has_the_sign_of_the_first_that_is_not():
    """A magnitude that falls to 0 is held there until the next rewiring prunes it, or training raises it."""
    tables = {
        0: table_of(source=[0, 1, 2], weight=[0.0, -0.5, 0.0]),
        5: table_of(source=[0, 1, 2], weight=[-0.2, 0.0, 0.0]),
        9: table_of(source=[1], weight=[0.0]),
    }
    found = sightings(tables, ms_per_source=1.0)
    assert found.sign.values.tolist() == [-1, -1, 0]
    assert found.same_sign.values.tolist() == [1, 1, 0]  # the one of no sign is a neighbour of nobody
    assert found.opposite_sign.values.tolist() == [0, 0, 0]


def test_sightings__refuse_tables_that_lack_a_column():
    with pytest.raises(BadInput, match="the table of step 5 has no variable 'contact'"):
        sightings({0: table_of(source=[0], weight=[1.0]), 5: table_of(source=[0], weight=[1.0]).drop_vars("contact")},
                  ms_per_source=1.0)  # fmt: skip


# --- a process with known hazards --------------------------------------------------------------------------------------


def test_rewiring_process__has_its_hazards_and_keeps_its_number():
    log = rewiring_process(n_synapses=3000, n_source=100, n_target=100, every=5, n_steps=300, effect="excitatory",
                           hazard_ratio=2.0, seed=3)  # fmt: skip
    found = episodes(log, PROJECTION, ms_per_source=10.0)
    assert all(table.sizes["synapse"] == 3000 for step in (0, 35, 300) for table in replay(log, step).values())
    for sign, power in ((-1, 1.0), (1, 2.0)):
        own = found.isel(episode=np.flatnonzero((found.sign == sign) & (found.birth_step <= 200)))
        for age in (5, 50, 100):  # nothing is censored before that age
            share, truth = float((own.exit > age).mean()), float(true_survival(age, scale=100.0, shape=0.7) ** power)
            assert abs(share - truth) < 4 * np.sqrt(truth * (1 - truth) / own.sizes["episode"]), (sign, age)


def test_rewiring_process__kills_the_grouped_as_it_says():
    log = rewiring_process(n_synapses=3000, n_source=50, n_target=100, every=5, n_steps=200, effect="grouped",
                           hazard_ratio=0.3, scale=60.0, shape=1.0, seed=4)  # fmt: skip
    found = episodes(log, PROJECTION, ms_per_source=10.0, radius=RADIUS)
    grouped = found.same_sign > found.opposite_sign
    rates = [
        float(own.event.sum() / own.exit.sum()) * 60
        for own in (found.where(grouped, drop=True), found.where(~grouped, drop=True))
    ]
    np.testing.assert_allclose(rates, [0.3, 1.0], rtol=0.1)


def test_rewiring_process__refuses_more_synapses_than_pairs():
    with pytest.raises(BadInput, match="fewer than the 6 pairs"):
        rewiring_process(n_synapses=6, n_source=3, n_target=2, seed=0)


def test_rewiring_process__neurons_of_high_hazard_have_few_synapses():
    log = rewiring_process(n_synapses=2000, n_source=100, n_target=40, every=5, n_steps=300, neuron_spread=1.0, seed=5)
    found = episodes(log, PROJECTION, ms_per_source=10.0)
    rate = found.event.groupby(found.target).sum() / found.exit.groupby(found.target).sum()
    living = np.bincount(replay(log, 300)[PROJECTION].target.values, minlength=40)
    assert np.corrcoef(np.log(rate), living)[0, 1] < -0.7
    alike = episodes(rewiring_process(n_synapses=2000, n_source=100, n_target=40, every=5, n_steps=300, seed=5), PROJECTION,
                     ms_per_source=10.0)  # fmt: skip
    even = alike.event.groupby(alike.target).sum() / alike.exit.groupby(alike.target).sum()
    assert np.log(rate).std() > 5 * np.log(even).std()

"""Variables of synapse biographies, of how long synapses live, and of what pruning leaves."""

from __future__ import annotations

from stanalysis.schema.variables import Variable, declared

_EPISODE = ("episode",)
_SYNAPSE = ("synapse",)
_IDENTITY = (
    Variable("slot", _EPISODE, "i", "1", "index of the (target, source, contact) that the synapse occupies"),
    Variable("source", _EPISODE, "i", "1", "presynaptic neuron or channel"),
    Variable("target", _EPISODE, "i", "1", "postsynaptic neuron"),
    Variable("contact", _EPISODE, "i", "1", "label among the living synapses of one pair"),
    Variable("sign", _EPISODE, "i", "1", "1 for an excitatory synapse, -1 for an inhibitory one; 0 where it is not known"),
    Variable("same_sign", _EPISODE, "i", "1", "neighbours of its sign when it was born, or first seen"),
    Variable("opposite_sign", _EPISODE, "i", "1", "neighbours of the other sign when it was born, or first seen"),
    Variable("birth_delay", _EPISODE, "f", "ms", "delay when it was born, or first seen"),
    Variable("birth_weight", _EPISODE, "f", "1", "signed weight when it was born, or first seen"),
)

# From a rewiring log: one row per life of a synapse.
EPISODES = declared(
    *_IDENTITY,
    Variable("birth_step", _EPISODE, "i", "1", "training step at whose end it was born"),
    Variable("entry", _EPISODE, "i", "step", "age from which it was watched"),
    Variable("exit", _EPISODE, "i", "step", "age at which it died, or was last watched"),
    Variable("event", _EPISODE, "b", "1", "whether it died; otherwise it is right-censored"),
    Variable("birth_cause", _EPISODE, "i", "1", "why it was born"),
    Variable("death_cause", _EPISODE, "i", "1", "why it died; -1 where it did not"),
    Variable("death_delay", _EPISODE, "f", "ms", "delay when it died; NaN where it did not"),
    Variable("death_weight", _EPISODE, "f", "1", "signed weight when it died; NaN where it did not"),
)

# From checkpoints: one row per synapse seen in consecutive ones.
SIGHTINGS = declared(
    *_IDENTITY,
    Variable("absent_at", _EPISODE, "i", "1", "last kept step before its birth; -1 where it is there at the first"),
    Variable("first_seen", _EPISODE, "i", "1", "first kept step at which it is there"),
    Variable("last_seen", _EPISODE, "i", "1", "last kept step at which it is there"),
    Variable("gone_at", _EPISODE, "i", "1", "first kept step at which it is gone; -1 where it is there at the last"),
    Variable("event", _EPISODE, "b", "1", "whether it died; otherwise it is right-censored"),
)

_COUNTS = (..., "group", "age")

LIFE_TABLE = declared(
    Variable("at_risk", _COUNTS, "i", "1", "synapses watched until this age or beyond"),
    Variable("deaths", (..., "cause", "group", "age"), "i", "1", "synapses that died at this age"),
    Variable("n_episodes", (..., "group"), "i", "1", "synapses"),
)

_CURVE = (..., "age")

SURVIVAL = declared(
    Variable("survival", _CURVE, "f", "1", "share of synapses that live beyond this age"),
    Variable("lower", _CURVE, "f", "1", "lower end of the 95 % interval of survival"),
    Variable("upper", _CURVE, "f", "1", "upper end of the 95 % interval of survival"),
    Variable("cumulative_hazard", _CURVE, "f", "1", "Nelson-Aalen cumulative hazard"),
    Variable("at_risk", _CURVE, "i", "1", "synapses watched until this age or beyond"),
    Variable("incidence", (..., "cause", "age"), "f", "1", "share of synapses dead of this cause by this age"),
    Variable("median", (...,), "f", "step", "median lifetime; infinite where more than half outlive the training"),
    Variable("median_lower", (...,), "f", "step", "lower end of the 95 % interval of the median"),
    Variable("median_upper", (...,), "f", "step", "upper end of the 95 % interval of the median"),
    Variable("restricted_mean", (...,), "f", "step", "mean lifetime up to the horizon"),
    Variable("restricted_mean_lower", (...,), "f", "step", "lower end of its 95 % interval"),
    Variable("restricted_mean_upper", (...,), "f", "step", "upper end of its 95 % interval"),
    Variable("n_episodes", (...,), "i", "1", "synapses"),
    Variable("n_deaths", (...,), "i", "1", "synapses that died"),
    Variable("n_runs", (...,), "i", "1", "networks"),
    Variable("unseen_share", (...,), "f", "1", "estimated share of births that no checkpoint saw"),
)

_CONTRAST = ("contrast",)

# Groups of synapses, b against a.
CONTRASTS = declared(
    Variable("difference", _CONTRAST, "f", "step", "restricted mean lifetime of b less that of a"),
    Variable("lower", _CONTRAST, "f", "step", "lower end of the 95 % interval of the difference"),
    Variable("upper", _CONTRAST, "f", "step", "upper end of the 95 % interval of the difference"),
    Variable("p_value", _CONTRAST, "f", "1", "p-value of the log-rank test of all groups of the grouping"),
)

LOG_RANK = declared(
    Variable("statistic", (), "f", "1", "log-rank statistic, chi-squared if the groups do not differ"),
    Variable("degrees_of_freedom", (), "i", "1", "its degrees of freedom"),
    Variable("p_value", (), "f", "1", "p-value of equal hazards"),
    Variable("observed", ("group",), "i", "1", "synapses that died"),
    Variable("expected", ("group",), "f", "1", "deaths expected if the hazards were equal"),
    Variable("n_episodes", ("group",), "i", "1", "synapses"),
)

_TERM = ("term",)

HAZARD_RATIOS = declared(
    Variable("hazard_ratio", _TERM, "f", "1", "hazard of dying, relative to one unit less of the covariate"),
    Variable("lower", _TERM, "f", "1", "lower end of the 95 % interval of the hazard ratio"),
    Variable("upper", _TERM, "f", "1", "upper end of the 95 % interval of the hazard ratio"),
    Variable("p_value", _TERM, "f", "1", "p-value of a hazard ratio of 1"),
    Variable("n_episodes", _TERM, "i", "1", "synapses"),
    Variable("n_deaths", _TERM, "i", "1", "synapses that died"),
)

_GROUP = ("group",)
_FITTED = ("group", "age")

# Fitted to sightings.
LIFETIMES = declared(
    Variable("survival", _FITTED, "f", "1", "share of synapses that live beyond this age"),
    Variable("lower", _FITTED, "f", "1", "lower end of the 95 % interval of survival"),
    Variable("upper", _FITTED, "f", "1", "upper end of the 95 % interval of survival"),
    Variable("hazard_ratio", _GROUP, "f", "1", "hazard of dying, relative to the first group"),
    Variable("hazard_ratio_lower", _GROUP, "f", "1", "lower end of the 95 % interval of the hazard ratio"),
    Variable("hazard_ratio_upper", _GROUP, "f", "1", "upper end of the 95 % interval of the hazard ratio"),
    Variable("p_value", _GROUP, "f", "1", "p-value of a hazard ratio of 1"),
    Variable("n_episodes", _GROUP, "i", "1", "synapses"),
    Variable("n_deaths", _GROUP, "i", "1", "synapses that died"),
    Variable("aic", (), "f", "1", "Akaike's information criterion of the fit"),
    Variable("unseen_share", (), "f", "1", "share of births that no checkpoint saw, dead before the next"),
    Variable("unseen_share_lower", (), "f", "1", "lower end of the 95 % interval of that share"),
    Variable("unseen_share_upper", (), "f", "1", "upper end of the 95 % interval of that share"),
    Variable("n_unknown", (), "i", "1", "synapses left out for their unknown birth"),
)

_FATE = (..., "target")

PERSISTENCE = declared(
    Variable("n_synapses", _FATE, "i", "1", "synapses at the earlier step"),
    Variable("n_survivors", _FATE, "i", "1", "those of them that live on to the later step"),
    Variable("until", (...,), "i", "1", "the later step"),
    Variable("correlation", _FATE, "f", "1", "correlation of the field with that of the later step"),
    *(
        Variable(f"{name}{part}", _FATE, "f", "1", f"{what}{said}")
        for name, what in (
            ("overlap", "share of the synapses that live on"),
            ("kept", "correlation of the field with that of its survivors alone"),
            ("survivors_i", "Moran's I of the survivors alone, with their earlier weights and delays"),
        )
        for part, said in (
            ("", ""),
            ("_expected", ", expected if death depended on age alone"),
            ("_z", ", standard deviations of that null from its expectation"),
            ("_p", ", permutation p-value"),
        )
    ),
    Variable("overlap_spread", (...,), "f", "1", "root mean square over targets of the z-score of overlap"),
    Variable("overlap_spread_p", (...,), "f", "1", "permutation p-value of that root mean square"),
    Variable("network_z", (..., "statistic"), "f", "1", "mean z-score over the targets"),
    Variable("network_p", (..., "statistic"), "f", "1", "permutation p-value of the mean z-score"),
    Variable("n_unanswered", (..., "statistic"), "i", "1", "targets without an answer"),
)

_CURVE_OF_STEPS = (..., "step")

# From a rewiring log: which pairs were tried, and how often growth came back, beside growth at random.
EXPLORATION = declared(
    Variable("n_possible", (...,), "i", "1", "pairs of a source and a target, all possible synapses"),
    Variable("n_births", (...,), "i", "1", "synapses born after step 0"),
    Variable("n_left", (...,), "i", "1", "pairs whose last synapse was ever pruned"),
    *(
        Variable(f"{name}{part}", (...,), "f", "1", f"{what}{said}")
        for name, what in (
            ("exploration", "share of all pairs that were ever joined"),
            ("revisit_rate", "share of the pairs left without a synapse in which one was born again later"),
            ("return_share", "share of the births after step 0 in empty pairs that a synapse had joined before"),
        )
        for part, said in (
            ("", ""),
            ("_expected", ", expected if synapses grew at random among the free places"),
            ("_z", ", standard deviations of that null from its expectation"),
            ("_p", ", permutation p-value"),
        )
    ),
    Variable("explored", _CURVE_OF_STEPS, "f", "1", "share of all pairs that were joined up to this step"),
    Variable("explored_expected", _CURVE_OF_STEPS, "f", "1", "the same, expected if synapses grew at random"),
)

_GRID = (..., "criterion", "fraction")

# What is left of the structure of a network after pruning, by statistic; and what it still can do.
PRUNED = declared(
    Variable("excess", (*_GRID, "statistic"), "f", "see unit", "mean over targets of the statistic less its expectation"),
    Variable("retained", (*_GRID, "statistic"), "f", "1", "excess, relative to that of the unpruned network"),
    Variable("mean_z", (*_GRID, "statistic"), "f", "1", "mean z-score over the targets"),
    Variable("p_value", (*_GRID, "statistic"), "f", "1", "p-value of the mean z-score"),
    Variable("significant", (*_GRID, "statistic"), "f", "1", "share of the targets at a false discovery rate of 5 %"),
    Variable("answered", (*_GRID, "statistic"), "f", "1", "targets with an answer"),
    Variable("overlap", _GRID, "f", "1", "mean correlation of a field with the unpruned one"),
    Variable("n_synapses", _GRID, "i", "1", "synapses left"),
)

_ACCURACY = (..., "criterion", "fraction", "draw")

PRUNED_ACCURACIES = declared(
    Variable("test_accuracy", _ACCURACY, "f", "1", "test accuracy of the pruned network, not trained again"),
    Variable("validation_accuracy", _ACCURACY, "f", "1", "validation accuracy of the pruned network, not trained again"),
    Variable("n_synapses", (..., "fraction"), "i", "1", "synapses left in the network"),
)

CHANGES = declared(
    Variable("source", _SYNAPSE, "i", "1", "presynaptic neuron or channel"),
    Variable("target", _SYNAPSE, "i", "1", "postsynaptic neuron"),
    Variable("contact", _SYNAPSE, "i", "1", "index among the synapses of one pair"),
    Variable("delay", ("moment", "synapse"), "f", "ms", "delay, NaN where the synapse is not there"),
    Variable("shared", _SYNAPSE, "b", "1", "whether another synapse joins the same pair"),
    Variable("born", _SYNAPSE, "b", "1", "whether it is there only after"),
    Variable("died", _SYNAPSE, "b", "1", "whether it is there only before"),
    Variable("delay_changed", _SYNAPSE, "b", "1", "whether its delay changed by half a bin or more"),
    Variable("sign_changed", _SYNAPSE, "b", "1", "whether it turned from excitatory to inhibitory or back"),
)

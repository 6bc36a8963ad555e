"""The history rules of silver.prices, evaluated over the columns of silver.price_verdicts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lakehouse.contracts.contract import contracts
from lakehouse.contracts.history_rules import compile_checks, history_rules
from lakehouse.contracts.rule_functions import column_violation
from lakehouse.contracts.rule_messages import render_message
from lakehouse.validation.prices.scores import Flags
from lakehouse.validation.prices.thresholds import Thresholds


class PriceRules:
    """The rules under one set of thresholds, each compiled once from the check in its YAML.

    `by_name`: rule name -> rule with its knobs. Raises ContractError for a check that reads anything else
    than columns of silver.price_verdicts.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self.by_name = {rule.name: rule for rule in history_rules("price", vars(thresholds))}
        evidence = contracts()["silver.price_verdicts"].column_names
        self._violated = compile_checks(
            "silver.prices", self.by_name.values(), column_violation, tuple(evidence)
        )
        self._thresholds = vars(thresholds)
        self._errors = [name for name, rule in self.by_name.items() if rule.severity == "error"]

    def violated(
        self, verdict: Mapping[str, npt.NDArray[Any]], policy: str | None = None
    ) -> dict[str, Flags]:
        """Rule -> flags of the rows, under a policy (None: that of the thresholds). A null score is NaN."""
        columns = {**verdict, "policy": policy or self._thresholds["policy"]}
        size = len(verdict["unit_power"])
        return {name: violated(columns, size) for name, violated in self._violated.items()}

    def refused(self, flags: Mapping[str, Flags]) -> Flags:
        """Rows that violate a rule of severity error."""
        return np.asarray(np.logical_or.reduce([flags[name] for name in self._errors]), dtype=np.bool_)

    def message(self, name: str, values: Mapping[str, object]) -> str:
        """The rule's message for a row. It may also name a threshold; of one name the row's value counts."""
        return render_message(self.by_name[name].message, {**self._thresholds, **values})

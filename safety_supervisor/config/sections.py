"""The part of a file that is well-formed, for checks across its sections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from safety_supervisor.config import schema
from safety_supervisor.config.agent_keys import AgentsKeys
from safety_supervisor.config.balance_keys import BalanceKeys
from safety_supervisor.config.base_keys import BaseKeys
from safety_supervisor.config.commissioning_keys import CommissioningKeys
from safety_supervisor.config.estop_keys import EstopKeys
from safety_supervisor.config.metrics_keys import MetricsKeys
from safety_supervisor.config.operator_keys import OperatorsKeys
from safety_supervisor.config.output_keys import GroupOutputKeys, ObservedKeys, OutputKeys
from safety_supervisor.config.panel_keys import PanelKeys
from safety_supervisor.config.policy.program import CelPolicy
from safety_supervisor.config.policy_keys import PolicyKeys
from safety_supervisor.config.urdf import Urdf
from safety_supervisor.config.zone_keys import ZoneKeys
from safety_supervisor.core.anomaly.baseline import Baseline
from safety_supervisor.core.policy.server import PolicyServer


@dataclass
class Sections:
    """The well-formed part of a file; None or absent where something was wrong."""

    robot: schema.RobotKeys | None = None
    sources: dict[str, schema.SourceKeys] = field(default_factory=dict)
    geometry: schema.GeometryKeys | None = None
    envelope: schema.EnvelopeKeys | None = None
    zones: dict[str, ZoneKeys] = field(default_factory=dict)
    tools: dict[str, schema.ToolKeys] = field(default_factory=dict)
    separation: schema.SeparationKeys | None = None
    limiting: schema.LimitingKeys | None = None
    base: BaseKeys | None = None
    balance: BalanceKeys | None = None
    timing: schema.TimingKeys | None = None
    tracking: schema.TrackingKeys | None = None
    operators: OperatorsKeys | None = None
    estop: EstopKeys | None = None
    """Malformed keys have their default here, so that they hide no error of the others."""
    estop_malformed: frozenset[str] = frozenset()
    output: OutputKeys | None = None
    outputs: dict[str, GroupOutputKeys] = field(default_factory=dict)
    outputs_malformed: bool = False
    """Whether an entry of `outputs` was left out because something is wrong with it."""
    observed: dict[str, ObservedKeys] = field(default_factory=dict)
    evidence: schema.EvidenceKeys | None = None
    policy: PolicyKeys | None = None
    agents: AgentsKeys | None = None
    panel: PanelKeys | None = None
    metrics: MetricsKeys | None = None
    commissioning: CommissioningKeys | None = None
    compiled_policy: CelPolicy | PolicyServer | None = None
    baselines: dict[str, Baseline] = field(default_factory=dict)
    """By source, where one is watched by a good one."""
    urdf: Urdf | None = None

    @property
    def every_output(self) -> dict[str, OutputKeys]:
        """Path of each output that is well-formed, be it `output` or one of `outputs`."""
        named: dict[str, OutputKeys] = {f"outputs.{name}": keys for name, keys in self.outputs.items()}
        return named if self.output is None else {"output": self.output, **named}

    @property
    def real_output(self) -> str | None:
        """Path of the first output that a motor may hang on; what a malformed one claims is not judged."""
        return next((path for path, output in self.every_output.items() if not output.simulated), None)


def twice(names: Iterable[str]) -> list[str]:
    """Return, sorted, the names that stand more than once."""
    listed = list(names)
    return sorted({name for name in listed if listed.count(name) > 1})

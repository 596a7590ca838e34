"""The section `policy` with a server: one or the other, a URL that nobody else answers, every error at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest

from safety_supervisor.check_config import describe_policy
from safety_supervisor.config.policy_checks import wrong_url
from safety_supervisor.config.policy_keys import Told
from safety_supervisor.core.policy.facts import FACTS
from safety_supervisor.core.policy.server import PolicyServer
from safety_supervisor.core.policy.verdict import Approve

if TYPE_CHECKING:
    from test.config.conftest import RobotFile

URL = "http://127.0.0.1:8181/v1/data/robot/verdict"


def test_a_server_is_read(panda: RobotFile) -> None:
    keys = {
        "url": URL, "timeout": 0.25, "uses": ["verb", "people"], "denials": {"E_POLICY_A": "no more"},
        "approvals": {"zone": {"people": 2, "seconds": 30}},
    }  # fmt: skip
    configuration = panda.put("policy", keys).load()
    policy = configuration.policy
    assert policy == PolicyServer(
        URL, 250_000_000, {"E_POLICY_A": "no more"}, {"zone": Approve("zone", 2, 30)}, ("people", "verb")
    )
    told = "over people, verb; denies with E_POLICY_A; asks for approvals: zone of 2 for 30 s"
    assert describe_policy(configuration) == f"asked of {URL}, {told}"
    assert set(policy.verdicts) == {"allow", 'deny("E_POLICY_A")', 'approve("zone")'}


def test_what_is_left_out_has_its_default(panda: RobotFile) -> None:
    policy = panda.put("policy", {"url": URL, "uses": ["source"]}).load().policy
    assert policy == PolicyServer(URL, 200_000_000, {}, {}, ("source",))


def test_every_fact_can_be_told() -> None:
    assert get_args(Told) == tuple(FACTS)


@pytest.mark.parametrize(
    "url",
    [
        URL, "http://localhost/v1/data/a", "http://[::1]:8181/v1/data/a", "http://127.5.0.1:1", "https://opa",
        "https://opa.example.org:8443/v1/data/robot/verdict", "https://10.0.0.7/v1/data/a_b-c.d~e%20f",
    ],
)  # fmt: skip
def test_urls_that_are_taken(url: str) -> None:
    assert wrong_url(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "opa", "ftp://opa/", "http:///v1", "https://", "https://user@opa/", "https://user:secret@opa/", "https://opa:0/",
        "https://opa:65536/", "https://opa:/", "https://opa/v1?metrics", "https://opa/v1#a", "https://opa/v 1",
        "https://opa/v1\n", "https://opa\\@evil/", "https://\u043epa/", "https://opa/\u202e", "https://[::1/", "https://[1]/",
        "file:///etc/passwd", "HTTPS://opa/", "http://opa:8181/v1/data/a", "http://10.0.0.7/v1", "http://0.0.0.0/v1",
        "http://127.0.0.1.example.org/", "http://localhost.example.org/", "https://../v1",
    ],
)  # fmt: skip
def test_urls_that_are_refused(url: str, panda: RobotFile) -> None:
    assert panda.put("policy", {"url": url, "uses": ["source"]}).refused() == {("policy.url", "E_CONFIG_VALUE")}


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"url": URL}, {("policy.uses", "E_CONFIG_MISSING")}),
        ({"url": URL, "uses": []}, {("policy.uses", "E_CONFIG_VALUE")}),
        ({"url": URL, "uses": ["source", "source"]}, {("policy.uses", "E_CONFIG_VALUE")}),
        ({"url": "a" * 513, "uses": ["source"]}, {("policy.url", "E_CONFIG_VALUE")}),
        ({"url": URL, "uses": ["source"], "timeout": 0.6}, {("policy.timeout", "E_CONFIG_VALUE")}),
        ({"url": URL, "uses": ["source"], "timeout": 0.0}, {("policy.timeout", "E_CONFIG_VALUE")}),
        (
            {"url": URL, "uses": ["source"], "denials": {"E_POLICY_WAIT": "no more"}},
            {("policy.denials.E_POLICY_WAIT", "E_CONFIG_POLICY")},
        ),
        (
            {"url": URL, "uses": ["source"], "approvals": {"Zone": {"people": 1, "seconds": 30}}},
            {("policy.approvals.Zone", "E_CONFIG_NAME")},
        ),
        (
            {"url": "http://opa/", "uses": ["mode", "mode"], "denials": {"E_POLICY_ERROR": "no more"}},
            {
                ("policy.url", "E_CONFIG_VALUE"), ("policy.uses", "E_CONFIG_VALUE"),
                ("policy.denials.E_POLICY_ERROR", "E_CONFIG_POLICY"),
            },
        ),
        ({"program": "allow", "url": URL, "uses": ["mode"]}, {("policy.url", "E_CONFIG_POLICY")}),
        (
            {"program": "allow", "timeout": 0.2, "uses": ["mode"], "approvals": {}},
            {(f"policy.{key}", "E_CONFIG_POLICY") for key in ("timeout", "uses", "approvals")},
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_at_once(panda: RobotFile, policy: Any, said: set[tuple[str, str]]) -> None:
    assert panda.put("policy", policy).refused() == said

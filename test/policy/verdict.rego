# What a robot asks an OPA server for, `policy.url` .../v1/data/robot/verdict: the rules of cell.rego in the form that
# docs/policy.md describes. What those can not judge is undefined here, which is no verdict.
package robot

import rego.v1

said := split(data.cell.decide(input), " ")

verdict := "allow" if said[0] == "allow"

verdict := {"deny": said[1]} if said[0] == "deny"

verdict := {"approve": said[1]} if said[0] == "approve"

# The twin of config/policies/cell.yaml, written from its comments in another language. Test data, never loaded by the
# product. In Rego what is missing makes a condition undefined, and the next rule is asked: so nothing is asked before
# every fact is there and of its type.
package cell

import rego.v1

people := {"clear", "near", "unknown", "unwatched"}
states := {"MANUAL", "AUTO/MOVING", "AUTO/HOLDING", "AUTO/REDUCED", "RECOVERY"}
stages := {"", "shadow", "approve_each", "supervised", "autonomous"}
verbs := {"position", "velocity", "trajectory", "cmd_vel"}

texts(list) if {
	is_array(list)
	every text in list { is_string(text) }
}

whole(f) if {
	is_string(f.source)
	f.kind in {"agent", "person"}
	f.verb in verbs
	texts(f.groups)
	texts(f.zones)
	texts(f.approvals)
	is_string(f.model)
	is_string(f.model_version)
	f.stage in stages
	f.mode in {"auto", "manual", "recovery"}
	f.state in states
	f.people in people
	is_number(f.joint_speed)
	is_number(f.frame_speed)
	is_number(f.anomaly)
	is_number(f.since_start)
	f.joint_speed >= 0
	f.frame_speed >= 0
	f.anomaly >= 0
	f.since_start >= 0
}

agent(f) if f.kind == "agent"

by_hand(f) if f.verb in {"position", "velocity"}

crowded(f) if f.people == "near"

crowded(f) if f.state == "AUTO/REDUCED"

decide(f) := "no verdict" if {
	not whole(f)
} else := "deny E_POLICY_ANOMALY" if {
	f.anomaly >= 1
} else := "deny E_POLICY_MODE" if {
	f.mode != "auto"
	agent(f)
} else := "deny E_POLICY_RECOVERY" if {
	f.mode == "recovery"
	not by_hand(f)
} else := "deny E_POLICY_PEOPLE_UNKNOWN" if {
	f.people == "unknown"
	agent(f)
} else := "deny E_POLICY_DRIVE" if {
	crowded(f)
	f.verb == "cmd_vel"
} else := "approve near_people 1 60" if {
	f.people == "near"
	agent(f)
	f.frame_speed > 1
} else := "deny E_POLICY_WARM_UP" if {
	agent(f)
	f.joint_speed > 1.5
	f.since_start < 5
} else := "deny E_POLICY_ZONE_SPEED" if {
	count(f.zones) > 0
	"zone" in f.approvals
	f.frame_speed > 0.5
} else := "approve zone 1 120" if {
	count(f.zones) > 0
	agent(f)
} else := "approve fast_together 2 30" if {
	count(f.groups) > 1
	f.joint_speed > 2
} else := "allow"

verdicts := [decide(f) | some f in input.cases]

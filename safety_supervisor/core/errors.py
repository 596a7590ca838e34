"""Stable error codes, each with its cause and its cure, and the violation that carries one.

A violation is data, never an exception: bad input is refused with a code, the value seen and the limit allowed.
`docs/error_codes.md` is generated from this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Code(str, Enum):
    """A stable code. The value is the code itself; `cause` and `cure` are for people."""

    cause: str
    cure: str

    def __new__(cls, code: str, cause: str, cure: str) -> Code:
        """Keep cause and cure beside the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.cause = cause
        member.cure = cure
        return member

    # fmt: off
    # --- a command is not well-formed
    NOT_FINITE = "E_NOT_FINITE", "A command holds NaN, infinity or a number beyond any physical range.", "Check the source's arithmetic; nothing was forwarded."
    EMPTY = "E_EMPTY", "A command names joints but carries no values, or the other way round.", "Fill `position` or `velocity` with one value per name."
    RAGGED = "E_RAGGED", "Arrays of a command differ in length.", "Send one value per joint name in every array that is used."
    UNKNOWN_JOINT = "E_UNKNOWN_JOINT", "A command names a joint that the source's groups do not have.", "Use the joint names of the configuration; compare character by character."
    OBSERVED_JOINT = "E_OBSERVED_JOINT", "A command names a joint that another controller commands: it is observed, and nobody's here.", "Leave it out of the command."
    DUPLICATE_JOINT = "E_DUPLICATE_JOINT", "A command names a joint twice.", "Name every joint once."
    MISSING_JOINT = "E_MISSING_JOINT", "A command leaves out a joint of the group that it commands.", "Command all joints of a group together."
    JOINT_NAME = "E_JOINT_NAME", "A joint name is not plain ASCII letters, digits, '_', '-', '/' or '.'.", "Remove look-alike, zero-width, bidirectional or control characters."
    MIXED_COMMAND = "E_MIXED_COMMAND", "A streamed set-point carries positions and velocities together.", "Send one of the two."
    COMMAND_KIND = "E_COMMAND_KIND", "The source is not configured for this kind of command.", "Add the kind to `sources.NAME.commands`, or send the kind that is configured."
    EFFORT_COMMAND = "E_EFFORT_COMMAND", "A command carries effort.", "Efforts are never forwarded; leave `effort` empty."
    TIME_ORDER = "E_TIME_ORDER", "`time_from_start` is negative or does not increase.", "Send strictly increasing times."
    STAMP = "E_STAMP", "The stamp lies too far from the time of receipt.", "Synchronise the clocks, and send at once; a command may have stamp 0, for now, but no sensor."
    OUT_OF_ORDER = "E_OUT_OF_ORDER", "The stamp is not newer than the last one: repeated, reordered or replayed.", "Send every set-point once, in order."
    TOO_LARGE = "E_TOO_LARGE", "The message is longer than the source may send.", "Send fewer points, or raise the limit in the configuration."
    TOO_MANY_POINTS = "E_TOO_MANY_POINTS", "The trajectory has more points than allowed.", "Send fewer points."
    TOO_LONG = "E_TOO_LONG", "The trajectory lasts longer than allowed.", "Send it in parts."
    UNDECODABLE = "E_UNDECODABLE", "The bytes are not a message of the topic's type.", "Check the publisher's type support."
    RATE = "E_RATE", "The source sends more messages per second than allowed.", "Send at the declared period."
    BUSY = "E_BUSY", "An earlier trajectory of the source is still being decoded or verified.", "Wait for its decision."
    KEY_CONFLICT = "E_KEY_CONFLICT", "An idempotency key came again with another body.", "Use a new key for a new command."
    KEYS_FULL = "E_KEYS_FULL", "The source has used more idempotency keys than are remembered.", "Wait until old keys age out."
    LABELS = "E_LABELS", "An array does not name its joints.", "Fill `layout.dim` with one entry per value: `label` the joint's name, `size` 1 or 0; `data_offset` 0."
    GOAL = "E_GOAL", "An action goal asks for what is not offered.", "Leave multi-DOF fields empty; give tolerances of position and velocity, finite, 0 or more (or -1), once for each joint of the trajectory."
    PEOPLE_FRAME = "E_PEOPLE_FRAME", "Points of people are in another frame than the base frame.", "Transform them, and name `robot.base_frame` in `header.frame_id`."
    BASE_FRAME = "E_BASE_FRAME", "A velocity or a pose of the base is in another frame than it has to be.", "Send `cmd_vel` with `header.frame_id: robot.base_frame`; `odom` in `base.odometry.frame`, with `child_frame_id: robot.base_frame`."
    BASE_AXES = "E_BASE_AXES", "A velocity moves the base up, tilts it, or moves it to a side to which it can not move.", "Leave these parts 0."
    BALANCE_FRAME = "E_BALANCE_FRAME", "An IMU or a foot's force tells in another frame than it was configured for.", "Name `balance.imu_link`, or the foot's link, in `header.frame_id`, and tell in that frame."
    ORIENTATION = "E_ORIENTATION", "An orientation is no quaternion of unit length, or an IMU says that it has none.", "Normalise it; repair the driver that publishes it."
    FRAME_ID = "E_FRAME_ID", "`header.frame_id` is neither empty nor `cid:ID[;key:KEY][;why:TEXT]` in plain ASCII, TEXT at most 200 characters.", "Use the form, or leave it empty."

    # --- a command is not allowed now
    UNKNOWN_SOURCE = "E_UNKNOWN_SOURCE", "No source of that name is configured.", "Add it to `sources`."
    NOT_MOVING_STATE = "E_NOT_MOVING_STATE", "The supervisor's state permits no motion.", "Follow `next_step` of the status."
    SOURCE_KIND = "E_SOURCE_KIND", "The present mode permits only sources of another kind.", "In MANUAL a person moves the robot, in AUTO an agent or a person."
    PRIORITY = "E_PRIORITY", "A source of higher or equal priority moves this joint group.", "Wait until it has ended."
    TOOL_SOURCE = "E_TOOL_SOURCE", "The source may not take or put down this tool.", "Let a person do it, or add the tool to `sources.NAME.tools`."
    POLICY = "E_POLICY", "The configuration's policy denies the command; it is told under the code that the policy names, `E_POLICY_...`.", "Read the detail: it is what `policy.denials` says of that code."
    POLICY_ERROR = "E_POLICY_ERROR", "The policy gave no verdict, which is a refusal: a fact is missing or wrong, or the evaluation failed.", "Keep the log and report it; try the facts with `safety-supervisor policy test`."
    POLICY_WAIT = "E_POLICY_WAIT", "The policy server is asked and has not answered yet.", "Send it again; the next set-point finds the answer."
    POLICY_SERVER = "E_POLICY_SERVER", "The policy server did not answer in time, failed, or said what is no verdict of this configuration: a refusal.", "Read the detail; see that the server of `policy.url` runs and answers as docs/policy.md says."
    APPROVAL_REQUIRED = "E_APPROVAL_REQUIRED", "The policy lets the command pass only while a person's approval of that kind is held, and none is.", "A goal that waits (`WAIT`) is decided on with `safety-supervisor operator`. A stream can not wait: let a person grant it before."
    APPROVAL_DENIED = "E_APPROVAL_DENIED", "A person denied the command that waited.", "Ask the person why; ask again, not before half a minute, for something else."
    APPROVAL_EXPIRED = "E_APPROVAL_EXPIRED", "Nobody approved the command in the time that the policy gives.", "See that somebody looks at `~/interventions`; ask again, not before half a minute."
    APPROVAL_VOID = "E_APPROVAL_VOID", "The command waited for people, and the situation in which it was asked for is over: state, tool, session or pose changed.", "Send it again: people decide on what is, not on what was."
    APPROVAL_COOL_DOWN = "E_APPROVAL_COOL_DOWN", "The source asks people too soon after a denial or an expiry, or too often.", "Wait as long as the detail says; most sources need one goal at a time."
    APPROVAL_FULL = "E_APPROVAL_FULL", "As many commands wait for people already as may wait, of the source or of all.", "Wait until people have decided, or cancel some."
    APPROVAL_LONG = "E_APPROVAL_LONG", "The command has more numbers than people can be asked to look at.", "Send fewer points, or no velocities and accelerations, or send it in parts."
    SOURCE_NOT_ALIVE = "E_SOURCE_NOT_ALIVE", "The trajectory's publisher is not known to be alive.", "Offer the liveliness lease that the configuration names."
    SOURCE_ENDPOINTS = "E_SOURCE_ENDPOINTS", "The source's inputs have more than one publisher.", "Stop the second publisher, then reset."
    QUARANTINED = "E_QUARANTINED", "The source was quarantined: after too many refused commands, for its behaviour, or because a person revoked it.", "Find the reason; a reset lifts it."
    SESSION_REQUIRED = "E_SESSION_REQUIRED", "The source has no session: no agent has introduced itself, or its session ended.", "Let the agent introduce itself, behind its publisher: `safety-supervisor agent introduce`."
    SESSION_GROUP = "E_SESSION_GROUP", "A joint group is none of the agent's session, or none of its source.", "Command the groups that the session names; introduce the agent with others of `sources.NAME.groups`."
    SESSION_MODEL = "E_SESSION_MODEL", "The source's configuration does not list this model, version and hash.", "Introduce the agent with a model of `sources.NAME.models`, or add it there."
    SESSION_REVOKED = "E_SESSION_REVOKED", "The model is revoked, or a person cut the source off.", "Find the reason; after a person's reset an allowed model may introduce itself."
    SESSION_CONTRACT = "E_SESSION_CONTRACT", "The agent was built against another version of the interface.", "Read the changelog, build the agent against this one, and name its `contract`."
    SESSION_PUBLISHER = "E_SESSION_PUBLISHER", "The source has no publisher yet, to which a session could be bound.", "Begin to publish, wait until the supervisor subscribes, then introduce the agent."
    SESSION_RATE = "E_SESSION_RATE", "The source has begun another session less than ten seconds ago.", "Introduce the agent once, and wait before it is another one."
    SESSION_ENDED = "E_SESSION_ENDED", "The agent's session ended: the source's publisher was replaced, doubled or lost, or it introduced itself anew.", "Let the agent introduce itself again, behind its one publisher."
    SHADOW = "E_SHADOW", "The command would pass; its agent is in stage `shadow`, so nothing is forwarded.", "Nothing to do; a safety officer promotes a model that has proven itself."
    DEMOTED = "E_DEMOTED", "The agent's model was demoted by a stop that happened while it moved the robot, or by a person.", "Find the reason; a safety officer promotes it: docs/agents.md."
    STAGES = "E_STAGES", "The file with the stages of agents is lost or can not be read: all models begin in stage `shadow`.", "Find out what happened to it; a safety officer promotes the models again."
    MOTION_ACTIVE = "E_MOTION_ACTIVE", "Another kind of motion of the same source is under way.", "Cancel the trajectory with an empty one, or let the stream end, first."
    START_STATE = "E_START_STATE", "The trajectory's first point is for time 0 and is not the present commanded pose.", "Start from the commanded pose, or give the first point a time."
    END_VELOCITY = "E_END_VELOCITY", "The trajectory ends with a velocity.", "End at rest."
    STATE_CHANGED = "E_STATE_CHANGED", "The robot's state changed while the trajectory was being verified.", "Send it again."
    PURGED = "E_PURGED", "A stop discarded the command.", "Send a new one; where the state demands it, after the reset and the start."

    # --- a motion breaks a limit
    POSITION_LIMIT = "E_POSITION_LIMIT", "A joint would pass its position limit, or could no longer stop before it.", "Stay inside the limit by the stopping distance."
    VELOCITY_LIMIT = "E_VELOCITY_LIMIT", "A joint would move faster than allowed.", "Move slower. A stream that was stopped begins again from the commanded pose. Degrees sent as radians and jumps end here too."
    ACCELERATION_LIMIT = "E_ACCELERATION_LIMIT", "A joint would accelerate more than allowed.", "Plan with the configured limits. A stream that was stopped begins again from the commanded pose, at rest. Jumps end here too."
    JERK_LIMIT = "E_JERK_LIMIT", "A joint's acceleration would change faster than allowed.", "Smooth the set-points."
    WORKSPACE = "E_WORKSPACE", "A link's body would leave a keep-in zone or enter a keep-out zone, stop included.", "Stay clear of the zone's faces by its margin and the stopping distance."
    RESTRICTED = "E_RESTRICTED", "A link's body would enter a restricted zone, stop included, or the robot is inside.", "Stay out of it; where it has `approval`, ask people by a goal from rest. Out of it leads such a goal, or RECOVERY."
    SELF_COLLISION = "E_SELF_COLLISION", "Two links of the robot would come nearer to each other than `geometry.margin`, stop included.", "Plan with the link volumes of the configuration."
    FRAME_SPEED = "E_FRAME_SPEED", "A point of a link would move faster than allowed, everywhere or in a speed zone.", "Move slower; slow down before a speed zone by the stopping distance."
    BASE_LIMIT = "E_BASE_LIMIT", "The base was told to move, turn or accelerate faster than it may; it goes the same way slower.", "Send velocities within the limits of `base`."
    GEOFENCE = "E_GEOFENCE", "With the stop after it, the velocity would lead the base's footprint out of its fence; it is slower, or stops.", "Stay inside the fence by the stopping distance; leave it slowly where the base is too near."
    QUERY_LIMIT = "E_QUERY_LIMIT", "Verification would need more checks than one decision may use.", "Move slower near boundaries."
    REDUCED = "E_REDUCED", "People are near, and a point of a link or a joint would move faster than the reduced envelope allows.", "Move slower while the state is AUTO/REDUCED; it ends by itself."
    LATE = "E_LATE", "The next set-point did not arrive in time.", "Send at the declared period; the kept stop runs, the next good command resumes."
    ENDED = "E_ENDED", "The motion ended.", "Nothing to do."
    SOURCE_DIED = "E_SOURCE_DIED", "The publisher of a playing trajectory was lost.", "Restart the agent."
    PATH_TOLERANCE = "E_PATH_TOLERANCE", "A joint left the `path_tolerance` of the action goal that played.", "Allow more, or find why the robot lags behind."
    GOAL_TOLERANCE = "E_GOAL_TOLERANCE", "A joint was not within the action goal's `goal_tolerance` in time.", "Allow more, or find why the robot does not arrive."
    PREEMPTED = "E_PREEMPTED", "A newer trajectory of the source, or a source of higher priority, took over the joints.", "Nothing to do when the newer one is yours; else send again when the other source has ended."
    CANCELLED = "E_CANCELLED", "The source cancelled its trajectory.", "Nothing to do."

    # --- causes of stops
    ESTOP = "E_ESTOP", "The e-stop is pressed.", "Release it, then reset."
    ESTOP_SILENT = "E_ESTOP_SILENT", "The e-stop device is silent or its value is unknown.", "Check the device and its line, then cycle the button STOP and RUN."
    ESTOP_DISCREPANCY = "E_ESTOP_DISCREPANCY", "The two channels of the e-stop disagreed for more than 100 ms: a contact or a wire is broken.", "Check both contacts; press until both say STOP, then release."
    ESTOP_VALUE = "E_ESTOP_VALUE", "The e-stop device sent a value that does not exist, of a channel or of the enabling switch.", "Check the device's inputs and its memory, then cycle the button."
    ESTOP_CORRUPTED = "E_ESTOP_CORRUPTED", "More than 5 frames of the e-stop were corrupted within 10 s.", "Check cable, shield, ground and speed of the line, then cycle the button."
    ESTOP_LOST = "E_ESTOP_LOST", "More than 3 frames of the e-stop in a row were lost.", "Check the line and the load of this computer, then cycle the button."
    ESTOP_STALE = "E_ESTOP_STALE", "The e-stop device answers what was sent too long ago: an old buffer is being read.", "Set the adapter to low latency, check the load of this computer, then cycle the button."
    ESTOP_PEER = "E_ESTOP_PEER", "Another or a second device, another version, another configuration, or our own echo is on the e-stop line.", "Compare `estop.host`, `estop.device` and times with the firmware's config.h (`safety-supervisor estop firmware-header`); check which port it is."
    ESTOP_RESTARTED = "E_ESTOP_RESTARTED", "The e-stop device restarted while the robot was supervised.", "Check the device's supply, then cycle the button."
    ESTOP_SELF_TEST = "E_ESTOP_SELF_TEST", "The e-stop device's self-test failed or did not answer: a contact or a relay may be welded.", "Do not use the robot; replace contact or relay, then let a maintainer clear the fault."
    ESTOP_RELAYS = "E_ESTOP_RELAYS", "The relays of the e-stop device are open: the motors have no power.", "Two seconds after the e-stop was released, press and release the device's reset button."
    ESTOP_PORT = "E_ESTOP_PORT", "The serial port of the e-stop can not be opened or failed.", "Check the name in `estop.port`, the cable, and that your user may open it (group dialout)."
    ESTOP_RESET = "E_ESTOP_RESET", "A press of the device's reset button was ignored.", "Press it for 0.1 to 3 s and release it, after the button was cycled; look whether it is stuck."
    INTERNAL = "E_INTERNAL", "The supervisor's own code failed.", "Keep the log, restart, and report it; a maintainer clears the latch."
    NOT_FINITE_RESULT = "E_NOT_FINITE_RESULT", "A computation gave a result that is not finite.", "Keep the log and report it; a maintainer clears the latch."
    SECOND_SUPERVISOR = "E_SECOND_SUPERVISOR", "Another supervisor serves this robot.", "Stop one of the two."
    STANDSTILL_LEFT = "E_STANDSTILL_LEFT", "The robot moved while it was stopped.", "Check brakes and drives; a maintainer clears the latch."
    SELF_TEST = "E_SELF_TEST", "A self-test failed.", "Read the detail; a maintainer clears the latch."
    RAMP_MISSED = "E_RAMP_MISSED", "The robot was not at standstill when its stop should have ended.", "Check payload, brakes and drives; a maintainer clears the latch."
    TRACKING = "E_TRACKING", "The robot is farther from its set-point than the tracking bound, or rests elsewhere.", "Check drives and payload; a maintainer clears the latch."
    OUTPUT_PUBLISHER = "E_OUTPUT_PUBLISHER", "Another publisher sends on the motor topic.", "Remove it; a maintainer clears the latch."
    CONFIGURATION_CHANGED = "E_CONFIGURATION_CHANGED", "Configuration, URDF or robot_description changed while running.", "Restore it or restart with the new one; a maintainer clears the latch."
    LOG = "E_LOG", "The record of motion can not be kept.", "See `log` in the status: free the disk, repair the log directory or relieve the computer, then reset."
    HEADS = "E_HEADS", "Signed heads of the log do not get elsewhere (`evidence.heads`): a log that is cut off or rolled back would not be found.", "See `evidence_heads` in the status: make the disk, the server or the authority reachable again; the newest head follows by itself."
    MEASURED_POSITION = "E_MEASURED_POSITION", "A measured joint is outside its position limit.", "Bring it back with RECOVERY."
    MEASURED_WORKSPACE = "E_MEASURED_WORKSPACE", "A measured link touches another link, is outside a keep-in zone or inside a forbidden one.", "Bring it back with RECOVERY."
    SEPARATION = "E_SEPARATION", "The robot is, or with its next step and the stop after it would be, nearer to a person than the protective separation distance.", "Keep people away, or command the robot away from them; after a stop, reset from outside."
    PEOPLE_UNKNOWN = "E_PEOPLE_UNKNOWN", "Where people are is not known: nothing was heard, it is too old, unreadable, in another frame, or from two publishers.", "Let one publisher send stamped points in the base frame to `~/humans`, an empty list for nobody."
    BASE_UNKNOWN = "E_BASE_UNKNOWN", "Where the base is was not told, or too long ago, unreadably, in another frame, not finite, or not by the one publisher.", "Let the node that `base.odometry` names send stamped nav_msgs/Odometry to `odom`."
    BASE_JUMP = "E_BASE_JUMP", "The base went farther than it was sent, by more than `base.odometry.jump`.", "Find out whether the base was moved or its localisation failed, then reset."
    BALANCE = "E_BALANCE", "The robot would not keep its balance: zero-moment or capture point too near to the edge of the soles that bear.", "Command slower, or nearer to the middle of the feet; after a stop set the robot on its feet, then reset."
    FALL = "E_FALL", "The robot falls: its capture point left the soles, or its base tilts or tips over too far or too fast.", "Keep away until it lies still; set it on its feet, find the reason in the log, then let a maintainer clear the latch."
    CREEPS = "E_CREEPS", "A damped robot still moved, or was not measured, when its relays opened or `rest` was over; it was told `off`.", "Keep clear until it lies still; find what moves it: a slope, a drive that does not let go, a joint state that is missing."
    LOWER_BROKEN = "E_LOWER_BROKEN", "A robot that lowered itself stopped on the way; what is left of it is verified anew, or it is held until the deadline.", "Keep clear: it may go on. The detail says what broke it off."
    BALANCE_BLIND = "E_BALANCE_BLIND", "Whether a standing robot keeps its balance was not known for longer than `balance.ladder.unknown`; it was brought down.", "Repair what told of it; a maintainer clears the latch."
    BALANCE_UNKNOWN = "E_BALANCE_UNKNOWN", "Whether the robot keeps its balance is not known: IMU or foot contacts are silent, old or wrong, or no foot bears flat.", "Set the robot on its feet; let one publisher each send stamped messages on `balance.imu_topic` and on every `contact_topic`."
    MEASURED_VELOCITY = "E_MEASURED_VELOCITY", "A measured joint moves faster than allowed.", "Check drives and payload."
    OBSERVED_MOVES = "E_OBSERVED_MOVES", "A joint that another controller commands moved farther or faster than motion beside it relies on.", "Let its controller keep it within `observed.GROUP.band` and `velocity` while others move; at rest it may go anywhere. After a stop, reset."
    STATE_NOT_FINITE = "E_STATE_NOT_FINITE", "A measured joint state holds NaN or infinity.", "Repair the driver that publishes joint_states."
    STATE_STALE = "E_STATE_STALE", "A joint's measured state is too old or was never received.", "Check the driver that publishes joint_states."
    STATE_PUBLISHER = "E_STATE_PUBLISHER", "joint_states has a publisher that is not allowed, or two for a joint.", "Remove it, or add it to `robot.joint_states`."
    OVERRUN = "E_OVERRUN", "A control cycle was later than allowed, or too many within a second were late.", "Run every process without shared memory (config/fastdds.xml), free the machine, permit SCHED_FIFO, or raise the control period."
    OVERRUNS = "E_OVERRUNS", "Too many control cycles were late within an hour.", "Free the machine or raise the control period; a maintainer clears the latch."
    ENABLING_SWITCH = "E_ENABLING_SWITCH", "The enabling switch is not held in its middle.", "Release it fully, then hold its middle."
    HOLD_TO_RUN = "E_HOLD_TO_RUN", "The hold-to-run button was released or its signal was lost.", "Press and hold it again."
    MODE_CHANGE = "E_MODE_CHANGE", "The mode was changed.", "Reset and start in the new mode."
    ENDPOINT_REPLACED = "E_ENDPOINT_REPLACED", "A source's publisher was replaced or doubled.", "Make sure that one publisher is left, then reset and start: an agent started anew is another one, and one that was killed stays for up to 20 s."
    STOP_REQUEST = "E_STOP_REQUEST", "Somebody asked for a stop.", "Clear the reason, then reset."
    REFUSALS = "E_REFUSALS", "A source had too many commands refused.", "Find out why; a reset lifts the quarantine."
    ANOMALY = "E_ANOMALY", "A source behaved so unlike its baseline that it was cut off; the detail names what was strange.", "Find out what drives the source; a reset lifts the quarantine. Where good work changed, record a new baseline: docs/anomaly.md."
    INCOMPATIBLE_QOS = "E_INCOMPATIBLE_QOS", "An endpoint's quality of service does not fit, or no controller listens.", "Correct or end the endpoint that the log names, or start the controller."
    READY_TIMEOUT = "E_READY_TIMEOUT", "Nobody started within the time allowed after the reset.", "Reset again."
    IDLE = "E_IDLE", "Nothing moved for the idle time.", "Reset and start again."
    RECOVERY_ENDED = "E_RECOVERY_ENDED", "Recovery ended.", "Reset when no cause is left."
    RESTARTED = "E_RESTARTED", "The supervisor started.", "Reset, then start."

    COMMISSION = "E_COMMISSION", "The robot's stops were not measured as `commissioning.required` demands, or stop worse than the model says.", "Read `commissioning` in the status: measure the robot, `safety-supervisor commission`, correct what it names, then restart: docs/commissioning.md."
    # --- an act is refused
    ACT_STATE = "E_ACT_STATE", "The act is not possible in the present state.", "Follow `next_step` of the status."
    ACT_CAUSE = "E_ACT_CAUSE", "A cause is still active; the message names it.", "Clear the cause first."
    ACT_EPOCH = "E_ACT_EPOCH", "The situation changed since the person looked.", "Look again and repeat the act."
    ACT_STANDSTILL = "E_ACT_STANDSTILL", "The robot is not at standstill.", "Wait until it rests."
    ACT_ROLE = "E_ACT_ROLE", "The person's role does not allow the act, or is not the one that the configuration gives.", "Ask somebody whose role allows it: docs/people.md."
    ACT_CONFIGURATION = "E_ACT_CONFIGURATION", "The person saw another configuration than the one that runs.", "Look at the status again and repeat the act."
    ACT_INTERVENTION = "E_ACT_INTERVENTION", "Nothing of that id waits: it was decided on, has ended, or never was.", "Look with `safety-supervisor operator list`."
    ACT_COMMAND = "E_ACT_COMMAND", "The approval is bound to another command than the one that waits.", "Look again and decide on what is shown: never sign a hash that was not made from it."
    ACT_SELF = "E_ACT_SELF", "Who commands a source approves and grants nothing for it.", "Let another person decide."
    ACT_TWICE = "E_ACT_TWICE", "The same person counts once.", "Let another person, with an own key, do it too."
    ACT_GRANT = "E_ACT_GRANT", "There is no such kind or source, or the time is longer than a grant may be.", "Name a kind that the policy asks for, a source, and at most its seconds and 600: docs/policy.md."
    ACT_TARGET = "E_ACT_TARGET", "The act names no agent's source, no stage, or a source without a session.", "Name a source of kind agent; for `promote` one whose agent has introduced itself, and the stage."
    ACT_MODE = "E_ACT_MODE", "The mode is unknown, not selected by the key, or needs an enabling switch of high integrity.", "Select the mode at the key."
    TOOL = "E_TOOL", "With the new tool the robot would be nearer to something than it may be: the commanded or the measured pose is not clear.", "Move the robot clear with the tool that counts now, then change it."
    TOOL_UNKNOWN = "E_TOOL_UNKNOWN", "No tool of that name is configured.", "Add it to `tools`, with its volumes."
    TOOL_BUSY = "E_TOOL_BUSY", "A trajectory is being verified with the tool that counts now.", "Wait for its decision, or stop the robot first."
    TOOL_RATE = "E_TOOL_RATE", "The source has changed its tool less than a second ago.", "Wait a second between two changes."
    ACT_INPUT = "E_ACT_INPUT", "A required input was never received; the status names it.", "Start the driver or the device."

    # --- a token is refused
    TOKEN_LONG = "E_TOKEN_LONG", "The token is longer than 4096 bytes.", "Send one compact JWS with short texts."
    TOKEN_FORM = "E_TOKEN_FORM", "The message is no compact JWS in ASCII, or its payload is no JSON object with every key once.", "Send header, payload and signature as base64url without padding, parted by dots, one token a message."
    TOKEN_HEADER = "E_TOKEN_HEADER", "The token's header is not exactly the algorithm and the type that are known.", "Write `alg` EdDSA and `typ` as documented, each once, and nothing else."
    TOKEN_SIGNATURE = "E_TOKEN_SIGNATURE", "The signature is not that of the holder that the token names.", "Sign with the key whose public part stands in the configuration, under that name."
    TOKEN_FIELD = "E_TOKEN_FIELD", "The token has a claim that is not known.", "Send the documented claims and no others."
    TOKEN_ISS = "E_TOKEN_ISS", "`iss` is missing, or nobody who has a key.", "Name the source or the person whose key signs."
    TOKEN_COUNT = "E_TOKEN_COUNT", "`count` of a beat of the hold-to-run button is missing, or not greater than that of an earlier beat of the same person.", "Count on with each beat: milliseconds since the epoch, as an example."
    TOKEN_SUB = "E_TOKEN_SUB", "`sub` is missing, no short text, or another person than the one whose key signs.", "Say who or what acts; a person signs as itself."
    TOKEN_AUD = "E_TOKEN_AUD", "`aud` is missing, or another robot.", "Name `robot.id`."
    TOKEN_NONCE = "E_TOKEN_NONCE", "`nonce` is missing, or none that this boot has shown within the last 30 s.", "Read `nonce` of the status, then sign and send at once."
    TOKEN_JTI = "E_TOKEN_JTI", "`jti` is missing, or no id.", "Give every token a new id of 8 to 64 plain characters."
    TOKEN_USED = "E_TOKEN_USED", "The token's id was used already.", "Sign a new token with a new `jti`: each acts once."
    TOKEN_FULL = "E_TOKEN_FULL", "The sender has used more ids than are remembered.", "Wait half a minute."
    TOKEN_IAT = "E_TOKEN_IAT", "`iat` is missing, or no whole number of seconds.", "Fill it; it is not compared with any clock."
    TOKEN_EXP = "E_TOKEN_EXP", "`exp` is missing, no whole number of seconds, or before `iat`.", "Fill it; it is not compared with any clock."
    TOKEN_ACT = "E_TOKEN_ACT", "`act` is missing, or no act of the sender.", "A source may `tool`, and nothing else, besides introducing its agent; acts of people: docs/people.md."
    TOKEN_TARGET = "E_TOKEN_TARGET", "`target` is missing, or not what the act is about.", "Name what the act is about, empty for none: docs/people.md."
    TOKEN_MODEL = "E_TOKEN_MODEL", "`model` is missing, or no name of a model.", "Give the name that `sources.NAME.models` has."
    TOKEN_VERSION = "E_TOKEN_VERSION", "`version` is missing, or no version of a model.", "Give the version that `sources.NAME.models` has."
    TOKEN_MODEL_SHA256 = "E_TOKEN_MODEL_SHA256", "`model_sha256` is missing, or no hash.", "Hash the model's file: 64 hexadecimal digits."
    TOKEN_CONTRACT = "E_TOKEN_CONTRACT", "`contract` is missing, or no whole number.", "Name the version of the interface: 1."
    TOKEN_GROUPS = "E_TOKEN_GROUPS", "`groups` is missing, or no list of names, each once.", "List the joint groups that the agent will command; an agent that only drives has none."
    TOKEN_ROLE = "E_TOKEN_ROLE", "`role` is missing, or no role.", "Name the role that `operators.people` gives the person."
    TOKEN_COMMAND = "E_TOKEN_COMMAND", "`command_sha256` is missing, no SHA-256, or not empty where the act is about no command.", "`approve` and `deny` of a command: SHA-256 of its text, 64 hexadecimal digits. Else the empty text."
    TOKEN_CONFIG = "E_TOKEN_CONFIG", "`config_sha256` is missing, or no hash.", "Copy `configuration_sha256` of the status."
    TOKEN_EPOCH = "E_TOKEN_EPOCH", "`epoch` is missing, or no whole number.", "Copy `epoch` of the status."
    TOKEN_REASON = "E_TOKEN_REASON", "`reason` is missing, or no short text.", "Write at most 200 printable ASCII characters; the text may be empty."
    TOKEN_RATE = "E_TOKEN_RATE", "More tokens came in a second than are looked at.", "Send one token for each act; find out who sends the others."
    TOKEN_BUSY = "E_TOKEN_BUSY", "Too many tokens wait, or the process that verifies them starts or was lost.", "Send a new token; after a loss it is started again in LOCKED."
    # fmt: on


CODE_OF: Final[dict[str, Code]] = {code.value: code for code in Code}
"""Codes by their text."""


@dataclass(frozen=True)
class Violation:
    """A rule that was broken, with the numbers.

    Attributes:
        code: stable code.
        rule: name of the rule, such as `joint.velocity`.
        joint: joint or link that broke it, both links as `A and B`; empty when none.
        value: what was seen, SI units.
        limit: what was allowed, SI units.
        detail: one sentence for people, plain text.
        pose: joint positions at which bodies were found too near, shape (n,), [rad]; empty where it is no such rule.
        tool: what the robot carried at that pose; empty for nothing.
        named: the code that the configuration has for it; it is told in the place of `code`. Empty for none.
    """

    code: Code
    rule: str
    value: float = 0.0
    limit: float = 0.0
    joint: str = ""
    detail: str = ""
    pose: tuple[float, ...] = ()
    tool: str = ""
    named: str = ""

    @property
    def told(self) -> str:
        """The code that others see."""
        return self.named or self.code.value

"""Codes of what can be wrong with a configuration, each with its cause and its cure in general.

`docs/error_codes.md` is generated from this file, too.
"""
# ruff: noqa: E501  a table: one row, one line

from __future__ import annotations

from enum import Enum


class ConfigurationCode(str, Enum):
    """A stable code of a configuration problem, with the cause and the cure in general."""

    cause: str
    cure: str

    def __new__(cls, code: str, cause: str, cure: str) -> ConfigurationCode:
        """Keep cause and cure beside the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.cause = cause
        member.cure = cure
        return member

    # fmt: off
    FILE = "E_CONFIG_FILE", "The file is missing, unreadable or no regular file.", "Give the path of a readable YAML file."
    SIZE = "E_CONFIG_SIZE", "The file is larger, deeper nested or has more entries than allowed; it was not parsed.", "Use a plain file of one robot."
    YAML = "E_CONFIG_YAML", "The file is not one YAML mapping in UTF-8.", "Repair the line that is named."
    ALIAS = "E_CONFIG_ALIAS", "Anchors, aliases, merge keys and tags are refused: they hide what a file says and can make it explode.", "Write the values out."
    DUPLICATE_KEY = "E_CONFIG_DUPLICATE_KEY", "A key stands twice in a mapping; YAML would silently keep one.", "Keep one of them."
    UNKNOWN_KEY = "E_CONFIG_UNKNOWN_KEY", "A key is not known.", "Remove it, or correct its spelling."
    NOT_ENFORCED = "E_CONFIG_NOT_ENFORCED", "This version does not enforce what the key promises, so no file may claim it.", "Remove it, or use a version that enforces it."
    MISSING = "E_CONFIG_MISSING", "A mandatory key is missing.", "Add it."
    TYPE = "E_CONFIG_TYPE", "A value is of the wrong type.", "Write the type that is named; true and false for yes and no, plain decimal numbers."
    VALUE = "E_CONFIG_VALUE", "A value is outside what is allowed.", "Choose an allowed value."
    NAME = "E_CONFIG_NAME", "A name has characters that are not allowed.", "Use plain ASCII letters, digits and '_'."
    URDF = "E_CONFIG_URDF", "The URDF is missing, too large, malformed or describes no tree of links.", "Repair the URDF or its path."
    JOINT = "E_CONFIG_JOINT", "A joint is missing, unknown, named twice or of a kind that can not be commanded.", "Name every joint of `robot.joints` once, as the URDF spells it."
    FRAME = "E_CONFIG_FRAME", "A frame is no link of the URDF, or does not move.", "Use a link name of the URDF."
    GROUP = "E_CONFIG_GROUP", "A joint group is unknown, empty or overlaps another.", "Put every joint into exactly one group."
    VOLUME = "E_CONFIG_VOLUME", "A link's volume is missing or is no volume, or a pair of links is left out wrongly.", "Run `safety-supervisor geometry propose`, or write the shape; name each pair once, with a reason."
    MESH = "E_CONFIG_MESH", "A link's mesh sticks out of its volumes, or is not proven to lie inside: what sticks out is kept away from nothing.", "Enlarge a volume at the point that is named, or add one; `safety-supervisor geometry propose` finds some."
    MESH_FILE = "E_CONFIG_MESH_FILE", "A mesh of the URDF is missing or unreadable, so nobody knows whether the volumes hold the link.", "Repair the mesh, or its path (`package://`: source the ROS that has it, or set `ROS_PACKAGE_PATH`). A machine without meshes: `check-config --without-meshes`, and without that on one that has them; the node needs none."
    POSE = "E_CONFIG_POSE", "No pose, or not the declared one, is inside the zones and clear of everything.", "Correct zones, volumes, margins or `robot.start`; leave out a pair that always touches, with the reason."
    LOOSER = "E_CONFIG_LOOSER", "A limit is looser than the URDF's.", "Stay at or inside the limit of the URDF."
    FAST = "E_CONFIG_FAST", "A joint's velocity is one that robots do not track, as the URDFs of humanoids have them, and nothing says that it is meant.", "Write the speed that was measured under the controller and the payload; or say in `envelope.joints.NAME.fast` why so fast is meant, in words."
    EMPTY = "E_CONFIG_EMPTY", "A range or region has nothing inside.", "Put the lower bound below the upper one, margin included."
    PRIORITY = "E_CONFIG_PRIORITY", "Two sources of one joint group have the same priority.", "Give every source of a group a priority of its own."
    TIMING = "E_CONFIG_TIMING", "Times contradict each other.", "Follow the relation that is named."
    SIMULATION_ONLY = "E_CONFIG_SIMULATION_ONLY", "Something that only a simulation may use stands in a real robot's configuration.", "Remove it; an output's `simulated: true` is for simulators only."
    ON_LOSS = "E_CONFIG_ON_LOSS", "What happens without the supervisor is not declared, or can not be for this output.", "Declare `output.on_loss` and, where named, `output.deadman`."
    ACCEPT = "E_CONFIG_ACCEPT", "A protection is left out without the words that accept it.", "Add the protection, or write the exact words."
    KEY = "E_CONFIG_KEY", "A public key is no usable Ed25519 key, or two holders have the same one.", "Make one key for each source and person: `safety-supervisor agent key` and `operator key` print the line for this file."
    POLICY = "E_CONFIG_POLICY", "The policy does not compile, names a fact that there is none of, compares what can not be compared, has a denial that nothing uses, or stands beside a server.", "Repair the program at the place that is named; docs/policy.md has the language and the facts. Try it: `safety-supervisor policy test`."
    BASELINE = "E_CONFIG_BASELINE", "The baseline of a source's behaviour is missing, another file than the one whose hash stands here, malformed, or recorded of other joints, limits or times.", "Record one with this configuration: `safety-supervisor anomaly baseline`; it prints the lines for this file."
    UNSIGNED = "E_CONFIG_UNSIGNED", "The configuration of a real robot carries no signature of a safety officer, so nobody answers for it.", "A safety officer reads it and signs it: `safety-supervisor config sign FILE --key KEY --as NAME`."
    SIGNATURE = "E_CONFIG_SIGNATURE", "The signature beside the configuration is malformed, of somebody who is no trusted safety officer, or of another configuration, URDF or robot.", "Find out who changed what (`log show` tells the last configuration that ran); then a safety officer signs it: `safety-supervisor config sign`."
    OFFICERS = "E_CONFIG_OFFICERS", "It is not known whose signatures count here: the list of trusted safety officers is missing, malformed, or others may write it or a directory above it.", "Who administers the machine names them: `safety-supervisor config trust FILE`, with `--officers` where the node has another `officers_file`."
    DRIVER = "E_CONFIG_DRIVER", "The third party's e-stop driver is not installed, or is no driver.", "Install the distribution that `estop.package` names, or choose another driver."
    # fmt: on

"""Meshes and primitives of a URDF, against Pinocchio's own reading; what is wrong is named with its cure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
from small_robots import ARM, box

from safety_supervisor.core.geometry.shapes import Box, Capsule, Cylinder, Sphere
from safety_supervisor.geometry.bodies import Body
from safety_supervisor.geometry.distances import rotation
from safety_supervisor.geometry.surfaces import SurfaceError, find_mesh, read_surfaces


def corners(triangles: np.ndarray) -> list[tuple[float, ...]]:
    return sorted({tuple(corner) for corner in np.round(triangles.reshape(-1, 3), 6).tolist()})


def test_meshes_are_read_with_scale_origin_and_package(arm: Path) -> None:
    found = read_surfaces(arm.read_text(encoding="utf-8"), arm.parent)
    assert list(found) == ["base", "upper", "lower", "tool"]
    assert corners(found["base"].mesh) == corners(box((-0.1, -0.1, 0.0), (0.1, 0.1, 0.08)))
    assert found["upper"].mesh.max() == pytest.approx(0.4)
    # Turned by pitch 90 degrees, x becomes -z: x from -0.15 to 0.1 becomes z from 0.1 - 0.1 to 0.1 + 0.15.
    assert corners(found["lower"].mesh) == corners(box((-0.02, -0.02, 0.0), (0.02, 0.02, 0.25)))
    assert [found[link].kind for link in found] == ["collision", "collision", "visual", "collision"]
    assert found["tool"].primitives == (Box((0.0, 0.0, 0.0), (0.04, 0.05, 0.06), (0.0, 0.0, 0.0)),)


def test_what_is_shown_is_read_beside_the_collision_geometry_and_not_twice(arm: Path) -> None:
    """A foot: collision geometry where it stands, a visual mesh of all of it."""
    feet = '<collision><origin xyz="0 0 -0.2"/><geometry><sphere radius="0.005"/></geometry></collision>'
    shown = ARM.replace('<link name="lower">', f'<link name="lower">{feet}').replace(
        '<link name="base">', '<link name="base"><visual><geometry><mesh filename="base.obj"/></geometry></visual>'
    )
    standing, whole = (read_surfaces(shown, arm.parent, every=every) for every in (False, True))
    assert (standing["lower"].kind, len(standing["lower"].mesh), len(standing["lower"].primitives)) == (
        "collision",
        0,
        1,
    )
    assert (whole["lower"].kind, len(whole["lower"].primitives)) == ("both", 1)
    assert corners(whole["lower"].mesh) == corners(read_surfaces(ARM, arm.parent)["lower"].mesh)
    assert len(whole["base"].mesh) == len(standing["base"].mesh) == 12, "one mesh, both times"


def test_primitives_stand_where_pinocchio_puts_them() -> None:
    urdf = """<robot name="r"><link name="a">
      <collision><origin xyz="0.1 -0.2 0.3" rpy="0.3 -0.8 2.1"/><geometry><box size="0.1 0.2 0.3"/></geometry>
      </collision>
      <collision><origin xyz="0.4 0.1 0" rpy="1 1.5707963267948966 -0.5"/>
      <geometry><cylinder radius="0.05" length="0.4"/></geometry></collision>
      <collision><origin xyz="-0.3 0 0"/><geometry><sphere radius="0.07"/></geometry></collision></link></robot>"""
    shapes = read_surfaces(urdf, Path())["a"].primitives
    assert [type(shape) for shape in shapes] == [Box, Cylinder, Sphere]
    model = pin.buildModelFromXML(urdf)
    theirs = pin.buildGeomFromUrdfString(model, urdf, pin.GeometryType.COLLISION)
    dot = Body.of_shapes([Sphere((0.0, 0.0, 0.0), 1e-9)])
    points = np.random.default_rng(0).uniform(-0.6, 0.6, size=(200, 3))
    for shape, other in zip(shapes, theirs.geometryObjects, strict=True):
        place = other.placement
        reference = Body([(other.geometry, np.array(place.rotation), np.array(place.translation))], shape.ball())
        ours = [Body.of_shapes([shape]).distance(dot, np.eye(3), point) for point in points]
        expected = [reference.distance(dot, np.eye(3), point) for point in points]
        assert np.allclose(ours, expected, atol=1e-6)


@pytest.mark.parametrize("rpy", [(0.3, 0.2, -2.0), (1.0, np.pi / 2, 0.5), (-0.4, -np.pi / 2, 0.3), (3.1, 0.0, -3.1)])
def test_a_turned_box_keeps_its_rotation(rpy: tuple[float, float, float]) -> None:
    text = " ".join(map(repr, rpy))
    urdf = (
        f'<robot name="r"><link name="a"><collision><origin rpy="{text}"/>'
        '<geometry><box size="0.1 0.2 0.3"/></geometry></collision></link></robot>'
    )
    (shape,) = read_surfaces(urdf, Path())["a"].primitives
    assert isinstance(shape, Box)
    assert np.allclose(rotation(shape.rpy), rotation(rpy), atol=1e-9)


def test_everything_that_is_wrong_is_named_at_once_with_its_cure(arm: Path) -> None:
    (arm.parent / "base.obj").unlink()
    (arm.parent / "lower.obj").write_text("no mesh", encoding="utf-8")
    urdf = ARM.replace('size="0.04 0.05 0.06"', 'size="0.04 -1 0.06"').replace("0.001 0.001 0.001", "0.001 nan 0.001")
    with pytest.raises(SurfaceError) as caught:
        read_surfaces(urdf, arm.parent)
    base, upper, lower, tool = caught.value.problems
    assert "'base'" in base
    assert "there is no file 'base.obj'" in base
    assert "scale '0.001 nan 0.001', not 3 finite numbers" in upper
    assert "can not be read as a mesh" in lower
    assert "export it as STL, OBJ or DAE" in lower
    assert "size '0.04 -1 0.06'; above 0 is allowed" in tool


@pytest.mark.parametrize(
    ("geometry", "says"),
    [
        ("", "has no geometry"),
        ("<cone/>", "<'cone'> is no geometry of a URDF"),
        ('<mesh filename="http://x/y.stl"/>', "neither a path nor package://PACKAGE/PATH"),
        ('<mesh filename="package://nowhere/y.stl"/>', "ROS_PACKAGE_PATH"),
        ("<sphere/>", "radius '', not 1 finite number"),
    ],
)
def test_malformed_geometry_is_refused(geometry: str, says: str) -> None:
    urdf = f'<robot name="r"><link name="a"><visual><geometry>{geometry}</geometry></visual></link></robot>'
    with pytest.raises(SurfaceError, match=says.replace("(", r"\(")):
        read_surfaces(urdf, Path())


def test_a_robot_without_geometry_is_refused() -> None:
    with pytest.raises(SurfaceError, match="nothing to wrap"):
        read_surfaces('<robot name="r"><link name="a"/></robot>', Path())


def test_a_mesh_in_millimetres_is_asked_about(arm: Path) -> None:
    with pytest.raises(SurfaceError, match="is its unit the metre"):
        read_surfaces(ARM.replace("0.001 0.001 0.001", "1 1 1"), arm.parent)


def test_packages_are_looked_for_where_ros_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, name in (("ament/share/one", "AMENT_PREFIX_PATH"), ("ros/two", "ROS_PACKAGE_PATH")):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "m.stl").touch()
        monkeypatch.setenv(name, f"/nowhere:{tmp_path / place.split('/')[0]}")
    assert find_mesh("package://one/m.stl", Path("/")) == tmp_path / "ament/share/one/m.stl"
    assert find_mesh("package://two/m.stl", Path("/")) == tmp_path / "ros/two/m.stl"
    assert find_mesh("package:///two/m.stl", Path("/")) == tmp_path / "ros/two/m.stl", "a path below a share"


def test_a_capsule_is_read_as_one() -> None:
    urdf = (
        '<robot name="r"><link name="a"><collision><origin xyz="0 0 1"/><geometry><capsule radius="0.1" length="0.4"/>'
        "</geometry></collision></link></robot>"
    )
    (shape,) = read_surfaces(urdf, Path())["a"].primitives
    assert shape == Capsule((0.0, 0.0, 0.8), (0.0, 0.0, 1.2), 0.1)

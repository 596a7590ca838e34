"""Package data of safety_supervisor: an ament_python package with two import packages."""

from glob import glob

from setuptools import find_packages, setup

PACKAGE = "safety_supervisor"
ROS = "5.3.6"  # message packages of ROS 2 Jazzy; 5.5.1 would be Kilted
TEST = ["hypothesis>=6.100", "pytest>=7.4", "pytest-timeout>=2.1", "transitions>=0.9.2"]

setup(
    name=PACKAGE,
    version="0.1.0",
    description="A safety supervisor between an untrusted agent and a robot's motors",
    maintainer="safety_supervisor maintainers",
    maintainer_email="maintainers@safety-supervisor.dev",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=[
        *find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
        *find_packages("sim", include=["safety_supervisor_sim", "safety_supervisor_sim.*"]),
    ],
    package_dir={"safety_supervisor_sim": "sim/safety_supervisor_sim"},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        (f"share/{PACKAGE}/launch", sorted(glob("launch/*.launch.py"))),
        (f"share/{PACKAGE}/config", sorted([*glob("config/*.yaml"), *glob("config/*.xml")])),
        (f"share/{PACKAGE}/config/policies", sorted(glob("config/policies/*.yaml"))),
        (f"share/{PACKAGE}/examples", sorted([*glob("examples/*.py"), *glob("examples/*.yaml")])),
        (f"share/{PACKAGE}/scenarios", sorted(glob("sim/scenarios/*.yaml"))),
        (f"share/{PACKAGE}/campaigns", sorted(glob("sim/campaigns/*.yaml"))),
        (f"share/{PACKAGE}/cells", sorted(glob("sim/cells/*.yaml") + glob("sim/cells/*.json"))),
    ],
    package_data={PACKAGE: ["py.typed", "panel/static/*", "metrics/static/*"]},
    zip_safe=False,
    install_requires=[
        "numpy>=1.24",
        "pin>=3.0",
        "coal>=3.0",
        "pydantic>=2.7",
        "pyyaml>=6.0",
        "msgspec>=0.18",
        "pyserial>=3.5",
        "cryptography>=43",
        "common-expression-language>=0.10; python_version >= '3.11'",
        "typer>=0.12",
        "rich>=13",
    ],
    extras_require={
        "ros": [
            "ros-rclpy[fastrtps]==7.1.6",
            "ros-rmw-fastrtps-cpp==8.4.3",
            "ros-builtin-interfaces==2.0.3",
            "ros-lifecycle-msgs==2.0.3",
            "ros-rcl-interfaces==2.0.3",
            f"ros-diagnostic-msgs=={ROS}",
            f"ros-geometry-msgs=={ROS}",
            f"ros-nav-msgs=={ROS}",
            f"ros-sensor-msgs=={ROS}",
            f"ros-std-msgs=={ROS}",
            f"ros-std-srvs=={ROS}",
            f"ros-trajectory-msgs=={ROS}",
            f"ros-visualization-msgs=={ROS}",
        ],
        "sim": ["pybullet==3.2.7", "example-robot-data==6.0.0"],
        "campaign": ["cma>=4.0", "dask>=2024.8", "distributed>=2024.8", "pyarrow>=17", "scipy>=1.11"],
        "picture": ["matplotlib>=3.7", "pillow>=9.1"],
        "panel": [
            "argon2-cffi>=23.1",
            "authlib>=1.6",
            "fastapi>=0.115",
            "h11>=0.14",
            "httpx>=0.27",
            "joserfc>=1.6.8",
            "nicegui>=3.0",
            "uvicorn>=0.30",
        ],
        "metrics": [
            "opentelemetry-api>=1.30",
            "opentelemetry-exporter-otlp-proto-http>=1.30",
            "opentelemetry-sdk>=1.30",
            "prometheus-client>=0.20",
        ],
        "evidence": ["rfc3161-client>=1.0"],
        "test": TEST,  # by this name colcon sees that pytest runs the tests
        "dev": [
            *TEST,
            "colcon-common-extensions>=0.3",
            "cyclonedx-python-lib[json-validation]>=11",
            "import-linter>=2.0",
            "mcap>=1.2",
            "mypy>=1.10",
            "oidc-provider-mock>=0.3",
            "playwright>=1.49",
            "pytest-xdist>=3.6",
            "regopy>=1.5",
            "ruff>=0.6",
            "types-PyYAML",
            "types-pyserial",
        ],
    },
    entry_points={
        "console_scripts": [
            "supervisor = safety_supervisor.ros.main:main",
            "safety-supervisor = safety_supervisor.cli:main",
            "sim_cell = safety_supervisor_sim.cell.main:main",
            "sim_agent = safety_supervisor_sim.agent.main:main",
        ],
        # Sub-commands found at run time, so that the shipped package never imports the simulation.
        "safety_supervisor.commands": [
            "demo = safety_supervisor_sim.demo.cli:demo",
            "sim = safety_supervisor_sim.demo.cli:sim_app",
        ],
    },
)

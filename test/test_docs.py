"""Generated documents: complete, current, and no claim without a test."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from safety_supervisor.config import schema
from safety_supervisor.config.codes import ConfigurationCode
from safety_supervisor.core.errors import Code

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import doc_traceability  # noqa: E402

import docs  # noqa: E402


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the documents are made of, with no test but the ones that a case writes."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "safety_supervisor" / "core").mkdir(parents=True)
    shutil.copy(ROOT / "safety_supervisor" / "core" / "errors.py", tmp_path / "safety_supervisor" / "core")
    (tmp_path / "test").mkdir()
    (tmp_path / "docs" / "claimed.txt").write_text("# claims\nSR-024\nREDTEAM 3\n", encoding="utf-8")
    return tmp_path


def write_test(project: Path, body: str) -> None:
    (project / "test" / "test_it.py").write_text(f"import pytest\n{body}", encoding="utf-8")


GOOD = """
@pytest.mark.requirement("SR-024", "SR-025")
@pytest.mark.redteam(3)
def test_a(): ...

@pytest.mark.redteam(1)
class TestAll:
    def test_b(self): ...
    @pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.requirement("SR-030"))])
    def test_c(self, x): ...

@pytest.mark.requirement("SR-001")
def helper(): ...
"""


def test_marks_of_functions_classes_parameters_and_modules_are_found(project: Path) -> None:
    write_test(project, 'pytestmark = [pytest.mark.requirement("SR-054")]\n' + GOOD)
    tests = doc_traceability.collect(project).tests
    where = "test/test_it.py::"
    assert tests == {
        "SR-024": [f"{where}test_a"],
        "SR-025": [f"{where}test_a"],
        "REDTEAM 3": [f"{where}test_a"],
        "REDTEAM 1": [f"{where}TestAll::test_b", f"{where}TestAll::test_c"],
        "SR-030": [f"{where}TestAll::test_c"],
        "SR-054": [f"{where}test_a", f"{where}TestAll::test_b", f"{where}TestAll::test_c"],
    }


def test_check_is_good_when_documents_are_current_and_claims_have_tests(project: Path) -> None:
    write_test(project, GOOD)
    assert docs.main([], project) == 0
    assert docs.main(["--check"], project) == 0
    table = (project / "docs" / "traceability.md").read_text(encoding="utf-8")
    assert (
        "| SR-024 | NaN, Inf, wrong length, unknown or repeated joint are refused | yes |  | `test_it.py::test_a` |"
        in table
    )
    assert "| 3 | joints in another order | yes |  | `test_it.py::test_a` |" in table


def test_scenarios_stand_beside_the_tests_and_name_only_what_there_is(project: Path) -> None:
    write_test(project, GOOD)
    files = project / "sim" / "scenarios"
    files.mkdir(parents=True)
    (files / "rt03_order.yaml").write_text("rows: [3]\nrequirements: [SR-024]\n", encoding="utf-8")
    docs.main([], project)
    table = (project / "docs" / "traceability.md").read_text(encoding="utf-8")
    assert "| 3 | joints in another order | yes | `rt03_order` | `test_it.py::test_a` |" in table
    assert doc_traceability.untraced(project) == []
    (files / "rt03_order.yaml").write_text("rows: [99]\n", encoding="utf-8")
    assert doc_traceability.untraced(project) == ["scenario rt03_order names REDTEAM 99, which does not exist"]


@pytest.mark.parametrize("name", sorted(docs.DOCUMENTS))
def test_a_stale_document_fails_the_check(project: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_test(project, GOOD)
    docs.main([], project)
    path = project / name
    path.write_text(path.read_text(encoding="utf-8") + "\nedited\n", encoding="utf-8")
    assert docs.main(["--check"], project) == 1
    assert capsys.readouterr().err == f"{name} is stale: make docs\n"
    path.unlink()
    assert docs.main(["--check"], project) == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "SR-024 is claimed and has no test"),
        (GOOD.replace("redteam(3)", "redteam(4)"), "REDTEAM 3 is claimed and has no test"),
        (GOOD.replace("redteam(1)", "redteam(99)"), "names REDTEAM 99, which does not exist"),
        (GOOD.replace("SR-025", "SR-999"), "names SR-999, which does not exist"),
        (GOOD.replace('"SR-025"', "'SR-25'"), "requirement('SR-25') names nothing"),
        (GOOD.replace("redteam(1)", "redteam(ROW)"), "redteam(ROW) names nothing"),
        (GOOD.replace("def test_a", "def a_test"), "SR-024 is claimed and has no test"),
    ],
)
def test_claims_without_a_test_and_marks_that_name_nothing_fail_the_check(
    project: Path, capsys: pytest.CaptureFixture[str], body: str, says: str
) -> None:
    write_test(project, body)
    docs.main([], project)
    assert docs.main(["--check"], project) == 1
    assert says in capsys.readouterr().err


def test_a_claim_of_nothing_fails_the_check(project: Path) -> None:
    write_test(project, GOOD)
    (project / "docs" / "claimed.txt").write_text("SR-024\nSR-099\n", encoding="utf-8")
    assert "docs/claimed.txt claims SR-099, which does not exist" in doc_traceability.untraced(project)


def test_results_of_a_run_are_counted(project: Path) -> None:
    write_test(project, GOOD)
    (project / "docs" / "claimed.txt").write_text("SR-024\nREDTEAM 1\nSR-054\n", encoding="utf-8")
    junit = project / "junit.xml"
    junit.write_text(
        '<testsuites><testsuite><testcase classname="test.test_it" name="test_a[1]"/>'
        '<testcase classname="test.test_it" name="test_a[2]"><failure/></testcase>'
        '<testcase classname="test.test_it.TestAll" name="test_b"><skipped/></testcase></testsuite></testsuites>',
        encoding="utf-8",
    )
    assert doc_traceability.results(project, junit).splitlines() == [
        "SR-024      1 passed, 1 failed",
        "REDTEAM 1   2 not run",
        "SR-054      no test",
    ]


MODELS = [value for value in vars(schema).values() if isinstance(value, type) and issubclass(value, schema.Section)]
"""All that has keys, nested ones too."""


def test_all_sections_are_looked_at() -> None:
    sections = {*schema.SECTIONS.values(), *schema.OPTIONAL.values()}
    sections |= {model for table in (schema.NAMED_SECTIONS, schema.OPTIONAL_NAMED) for model, _ in table.values()}
    assert sections < set(MODELS)


def test_every_code_and_every_key_stands_in_its_document() -> None:
    codes = docs.error_codes(ROOT)
    assert [code for code in [*Code, *ConfigurationCode] if codes.count(f"| `{code.value}` |") != 1] == []
    reference = docs.configuration(ROOT)
    for model in MODELS:
        for name, field in model.model_fields.items():
            assert f"| `{name}` | " in reference
            assert field.description
            assert field.description.replace("|", "\\|") in reference


def test_every_quantity_in_the_schema_has_a_unit() -> None:
    """A float without a unit would be a guess; whole numbers may be counts."""
    for model in MODELS:
        for name, field in model.model_fields.items():
            if "float" in str(field.annotation):
                extra = field.json_schema_extra
                assert isinstance(extra, dict), name
                assert extra["unit"], name


def test_both_tables_are_whole() -> None:
    known = doc_traceability.known(ROOT)
    assert [name for name in known if name.startswith("SR-")] == [f"SR-{i:03}" for i in range(1, 55)]
    assert [name for name in known if name.startswith("RED")] == [f"REDTEAM {i}" for i in range(1, 61)]

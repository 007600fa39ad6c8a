"""The check of names of tests in documents passes as the documents are, and finds each kind of name that is none."""

import pytest

import named_tests

FILES = {
    "conformance/python/test_door.py": "def test_a_request_has_one_host():\n    pass\n\n\ndef helper():\n    pass\n",
    "crates/a/src/room.rs": "#[tokio::test]\nasync fn all_go() {}\nfn helper() {}\n#[test]\n#[ignore]\nfn stays() {}",
    "crates/b/src/room.rs": "",
    "crates/b/tests/walk.rs": "",
    "js/test/pages.test.js": 'test("a page, with a comma", async () => {});\n',
}
TESTS = named_tests.Tests(list(FILES), FILES.get)
HEAD = "## Threat model\n| attack | what limits it | shown by |\n|---|---|---|\n"


def test_the_documents_name_tests_that_exist():
    assert named_tests.main() == 0


@pytest.mark.parametrize(
    "code",
    [
        "test_door.py::test_a_request_has_one_host",
        "a/src/room.rs::all_go",
        "a/src/room.rs::stays",
        "pages.test.js::a page, with a comma",
        "crates/b/tests/walk.rs",
        "test_a_request_has_one_host",
        "test_door.py",
        "restage doctor",
        "X-Forwarded-For",
        "std::sync",
    ],
)
def test_what_is_there_is_found(code):
    assert TESTS.fault(code) is None


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("test_door.py::test_a_request_has_two_hosts", "has no test"),
        ("test_door.py::helper_of_nobody", "has no test"),
        ("a/src/room.rs::helper", "has no test"),
        ("src/room.rs::all_go", "2 files end with"),
        ("oom.rs::all_go", "0 files end with"),
        ("pages.test.js::a page", "has no test"),
        ("crates/b/tests/run.rs", "there is no file"),
        ("test_a_request_has_two_hosts", "there is no test"),
        ("test_window.py", "there is no file"),
    ],
)
def test_what_is_not_there_is_complained_about(code, words):
    assert words in TESTS.fault(code)


@pytest.mark.parametrize(
    ("row", "is_enough"),
    [
        ("| floods | bounds | `a/src/room.rs::all_go` |", True),
        ("| floods | bounds | Not tested: it needs a second machine |", True),
        ("| floods | `a/src/room.rs::all_go` | by nobody |", False),
        ("| floods | bounds | |", False),
    ],
)
def test_a_row_of_the_threat_model_says_what_shows_it(row, is_enough):
    found = list(named_tests.faults("SECURITY.md", HEAD + row, TESTS))
    assert (not found) == is_enough, found
    assert not list(named_tests.faults("docs/other.md", HEAD + row, TESTS))

"""The checks of the crates' boundaries find what they are for, on made-up crates, and the table of arrows is whole."""

import pytest

import check_arrows
import module_cycles
import rust_source
import test_binaries


def crate(tmp_path, name, files, dependencies=(), dev=()):
    """A made-up package as cargo's metadata names it, with these sources."""
    for path, text in files.items():
        place = tmp_path / name / "src" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    kinds = [(name, None) for name in dependencies] + [(name, "dev") for name in dev]
    return {
        "manifest_path": str(tmp_path / name / "Cargo.toml"),
        "dependencies": [{"name": name, "kind": kind} for name, kind in kinds],
    }


def found(tmp_path, files):
    """The cycles of a made-up crate, as sorted lists of modules."""
    package = crate(tmp_path, "one", files)
    return [sorted(modules) for modules, _ in module_cycles.cycles(check_arrows.source_of(package))]


def test_an_arrow_that_is_not_in_the_table_is_refused(tmp_path):
    by_name = {"a": crate(tmp_path, "a", {}, ["b", "serde"]), "b": crate(tmp_path, "b", {}, [], ["a"])}
    complaints = list(check_arrows.check_arrows(by_name, {"a": (), "b": ()}, {}))
    assert complaints == [
        "a depends on b; it may depend on no crate of this workspace",
        "the tests of b depend on a; the table DEV_ARROWS does not allow it",
    ]
    assert not list(check_arrows.check_arrows(by_name, {"a": ("b",), "b": ()}, {"b": ("a",)}))


def test_the_table_must_be_whole_and_without_arrows_that_nobody_uses(tmp_path):
    by_name = {"a": crate(tmp_path, "a", {}), "new": crate(tmp_path, "new", {})}
    complaints = list(check_arrows.check_arrows(by_name, {"a": ("new",), "gone": ()}, {"a": ("new",)}))
    assert [complaint.split(";")[0] for complaint in complaints] == [
        "a may depend on new and does not",
        "the tests of a may depend on new and do not",
        "new is not in the table ARROWS of scripts/check_arrows.py",
        "gone is in the table ARROWS and not in the workspace",
    ]


def test_what_reaches_outside_has_its_keepers(tmp_path):
    by_name = {"pure": crate(tmp_path, "pure", {}, ["tokio"], ["rand"]), "edge": crate(tmp_path, "edge", {}, ["sqlx"])}
    keepers = {"sqlx": (("store",), "the database is reached through it")}
    assert list(check_arrows.check_outside(by_name, ("pure",), keepers)) == [
        "edge depends on sqlx; only store may: the database is reached through it",
        "pure is pure and depends on tokio, which reaches outside; hand its results in as arguments",
    ]


def test_names_are_looked_for_in_what_ships_only(tmp_path):
    text = (
        "//! Instant::now is not called here.\n"
        'const WHY: &str = "std::fs";\n'
        "#[cfg(test)]\nfn clock() { let _ = Instant::now(); }\n"
        "fn late() { let _ = Instant::now(); }\n"
        "#[cfg(test)]\nmod tests { use std::fs; }\n"
        "fn after() { let _ = std::env::args(); }\n"
    )
    files = {"lib.rs": text, "tests.rs": "use std::fs;", "tls/dtls.rs": "use openssl::x;", "b.rs": "use openssl::x;"}
    by_name = {"one": crate(tmp_path, "one", files)}
    places = {"one": (check_arrows.PLACES["restage-media"][0], "openssl", ("tls/",))}
    complaints = list(check_arrows.check_names(by_name, ("one",), places))
    shown = [complaint.split("/src/")[1].split(",")[0].split(";")[0] for complaint in complaints]
    assert shown == ["b.rs:1: names openssl", "lib.rs:5: names the clock", "lib.rs:8: names the operating system"]


@pytest.mark.parametrize(
    "files",
    [
        {"lib.rs": "mod a;\nmod b;", "a.rs": "use crate::b::B;", "b.rs": "use crate::a::A;"},
        {"lib.rs": "mod a;\nmod b;", "a.rs": "use crate::{\n    b::B,\n};", "b.rs": "fn f() { super::a::f() }"},
        {
            "lib.rs": "mod a;\nmod b;",
            "a/mod.rs": "mod c;",
            "a/c.rs": "use super::super::b::B;",
            "b.rs": "use crate::a;",
        },
        {"lib.rs": "mod a;\nmod b;\npub use a::A;", "a.rs": "use crate::b::B;", "b.rs": "use crate::A;"},
        {"lib.rs": "mod a;\nmod b;", "a.rs": "mod inner { use super::super::b::B; }", "b.rs": "use super::a::A;"},
    ],
)
def test_a_circle_of_two_modules_is_found_however_it_is_written(tmp_path, files):
    assert found(tmp_path, files) == [["a", "b"]]


def test_a_circle_through_the_root_is_found(tmp_path):
    files = {"main.rs": "mod a;\nstruct Thing;\nfn main() { a::run() }", "a.rs": "fn run() { let _ = crate::Thing; }"}
    assert found(tmp_path, files) == [[module_cycles.ROOT, "a"]]
    files["main.rs"] = "mod a;\nmod thing;\nuse thing::Thing;\nfn main() { a::run() }"
    files["thing.rs"] = "pub struct Thing;"
    assert found(tmp_path, files) == []


@pytest.mark.parametrize(
    "back",
    [
        "// use crate::a::A;",
        "/// See [`crate::a::A`].\nfn f() {}",
        "#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}",
        "#[cfg(test)]\nuse crate::a::A;",
        "#[cfg(test)]\nmod tests;",
        'const PATH: &str = "crate::a::A";',
        "mod inner { use super::B; }",
        "use super::b::B;",
    ],
)
def test_what_is_no_use_in_what_ships_closes_no_circle(tmp_path, back):
    files = {"lib.rs": "mod a;\nmod b;", "a.rs": "use crate::b::B;", "b.rs": back, "b/tests.rs": "use crate::a::A;"}
    assert found(tmp_path, files) == []


def test_what_follows_an_item_for_tests_counts_again(tmp_path):
    back = "#[cfg(test)]\nmod tests;\n#[cfg(test)]\nfn g() { if true {} }\nuse crate::a::A;"
    files = {"lib.rs": "mod a;\nmod b;", "a.rs": "use crate::b::B;", "b.rs": back}
    assert found(tmp_path, files) == [["a", "b"]]


def test_a_circle_is_told_by_its_shortest_way_with_places(tmp_path):
    files = {
        "lib.rs": "mod a;\nmod b;\nmod c;",
        "a.rs": "use crate::b::B;",
        "b.rs": "\nuse crate::a::A;\nuse crate::c::C;",
        "c.rs": "use crate::a::A;",
    }
    by_name = {"one": crate(tmp_path, "one", files)}
    (complaint,) = check_arrows.check_cycles(by_name, {})
    source = tmp_path / "one" / "src"
    assert complaint == (
        f"modules of one import each other in a circle: a uses b ({source}/a.rs:1), b uses a ({source}/b.rs:2)"
    )


def test_an_excuse_is_good_while_it_is_needed(tmp_path):
    files = {"lib.rs": "mod a;\nmod b;", "a.rs": "use crate::b::B;", "b.rs": "use crate::a::A;"}
    by_name = {"one": crate(tmp_path, "one", files)}
    assert list(check_arrows.check_cycles(by_name, {"one": [{"a", "b", "c"}]})) == []
    (complaint,) = check_arrows.check_cycles(by_name, {"one": [{"a", "c"}, {"a", "b"}]})
    assert complaint == "no circle is left among a, c of one; take it out of EXCUSED_CYCLES"


def test_trees_of_paths_are_taken_apart():
    assert rust_source.flatten("a::{b, c::{d, self}, e as f}") == ["a::b", "a::c::d", "a::c::self", "a::e"]


def test_test_binaries_are_those_of_the_package_that_cargo_has_built():
    def message(reason, folder, target, test, executable):
        manifest = f'"/w/crates/{folder}/Cargo.toml"'
        profile = f'{{"test":{str(test).lower()}}}'
        name = f'{{"name":"{target}"}}'
        return (
            f'{{"reason":"{reason}","manifest_path":{manifest},"target":{name},"profile":{profile},'
            f'"executable":{executable}}}'
        )

    lines = [
        "   Compiling one v0.1.0",
        message("compiler-artifact", "one", "one", True, '"/t/one-1"'),
        message("compiler-artifact", "one", "jobs", True, '"/t/jobs-1"'),
        message("compiler-artifact", "one", "one", False, '"/t/one"'),
        message("compiler-artifact", "two", "two", True, '"/t/two-1"'),
        message("compiler-artifact", "one", "one", True, "null"),
        message("build-finished", "one", "one", True, '"/t/none"'),
    ]
    folder = "/w/crates/one"
    assert list(test_binaries.binaries(lines, "one")) == [(folder, "/t/one-1"), (folder, "/t/jobs-1")]
    assert list(test_binaries.binaries(lines, "one:jobs")) == [(folder, "/t/jobs-1")]
    assert list(test_binaries.binaries(lines, "one:none")) == []

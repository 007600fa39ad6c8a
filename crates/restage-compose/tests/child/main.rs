//! The process that composes, as a server starts it: this program starts itself. It has no harness, because a child must have one thread.

mod hostile;
mod life;
mod peer;
#[path = "../support/mod.rs"]
mod support;

use std::ffi::OsString;
use std::process::ExitCode;

use restage_compose::child::{COMMAND, run};

const TESTS: &[(&str, fn())] = &[
    ("the_sandbox_holds", life::the_sandbox_holds),
    ("it_composes_and_ends", life::it_composes_and_ends),
    ("it_ends_with_its_server", life::it_ends_with_its_server),
    (
        "one_that_is_killed_costs_no_other",
        life::one_that_is_killed_costs_no_other,
    ),
    ("nonsense_ends_it", life::nonsense_ends_it),
    ("frames_that_are_cut_off", life::frames_that_are_cut_off),
    (
        "a_flood_costs_no_picture_and_little_memory",
        life::a_flood_costs_no_picture_and_little_memory,
    ),
    (
        "it_does_not_wait_for_a_server_that_does_not_read",
        life::it_does_not_wait_for_a_server_that_does_not_read,
    ),
    ("random_bytes", hostile::random_bytes),
    ("damaged_h264", hostile::damaged_h264),
    ("damaged_vp8", hostile::damaged_vp8),
    (
        "pictures_that_are_cut_short",
        hostile::pictures_that_are_cut_short,
    ),
    ("sizes_that_lie", hostile::sizes_that_lie),
    ("sizes_that_change", hostile::sizes_that_change),
    ("damaged_sound", hostile::damaged_sound),
];

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let [_, name, rest @ ..] = arguments.as_slice()
        && name == COMMAND
    {
        return run(rest);
    }
    let texts = || arguments.iter().skip(1).filter_map(|text| text.to_str());
    if texts().any(|text| text == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&str> = texts().filter(|text| !text.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|text| name.contains(text));
    let mut count = 0;
    for (name, test) in TESTS.iter().filter(|(name, _)| is_wanted(name)) {
        // A test that fails panics, which ends the program.
        test();
        count += 1;
        println!("test {name} ... ok");
    }
    println!("test result: ok. {count} passed; 0 failed; 0 ignored");
    ExitCode::SUCCESS
}

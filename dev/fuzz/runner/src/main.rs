//! libFuzzer's side of the targets: the one of `RESTAGE_FUZZ_TARGET` is run with what libFuzzer makes up.
//!
//! A panic ends the process, also one that the code under test would catch: libfuzzer-sys aborts in the panic hook.

#![no_main]

use std::path::Path;
use std::sync::OnceLock;
use std::{env, fs, process};

use libfuzzer_sys::fuzz_target;
use restage_fuzz::Target;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

fn target() -> &'static Target {
    let name = env::var("RESTAGE_FUZZ_TARGET").expect("RESTAGE_FUZZ_TARGET names a target");
    restage_fuzz::target(&name).unwrap_or_else(|| panic!("no target is named {name}"))
}

/// What scripts/fuzz.sh asks besides: the list of targets, and the first inputs of one.
fn answer_and_exit() {
    if env::var_os("RESTAGE_FUZZ_LIST").is_some() {
        for target in restage_fuzz::targets() {
            println!("{}\t{}", target.name, target.about);
        }
        process::exit(0);
    }
    if let Some(folder) = env::var_os("RESTAGE_FUZZ_SEEDS") {
        fs::create_dir_all(&folder).expect("a folder can be made");
        for (place, bytes) in (target().seeds)().into_iter().enumerate() {
            let path = Path::new(&folder).join(format!("seed-{place:02}"));
            fs::write(path, bytes).expect("a file can be written");
        }
        process::exit(0);
    }
}

fuzz_target!(init: answer_and_exit(), |input: &[u8]| {
    (TARGET.get_or_init(target).run)(input);
});

//! Embeds the migrations: writes a table of the files in `migrations` for `src/engine/mod.rs`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

/// Where they are, beside this file.
const FOLDER: &str = "migrations";

fn main() {
    println!("cargo:rerun-if-changed={FOLDER}");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut files: Vec<PathBuf> = fs::read_dir(root.join(FOLDER))
        .expect("the folder can be read")
        .map(|entry| entry.expect("its entries can be read").path())
        .collect();
    files.sort();
    let mut table = String::from("const MIGRATION_FILES: &[(i64, &str, &str)] = &[\n");
    for file in files {
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .expect("its name is UTF-8");
        let (number, description) = name
            .strip_suffix(".sql")
            .and_then(|stem| stem.split_once('_'))
            .unwrap_or_else(|| panic!("{name} must be named NUMBER_DESCRIPTION.sql"));
        let number: i64 = number
            .parse()
            .unwrap_or_else(|_| panic!("{name} must begin with a number"));
        let description = description.replace('_', " ");
        // Relative to the crate, so that what was built stays good when the checkout is moved.
        let text = format!("concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/{FOLDER}/{name}\")");
        writeln!(
            table,
            "    ({number}, {description:?}, include_str!({text})),"
        )
        .expect("writing to a String succeeds");
    }
    table.push_str("];\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("migrations.rs"), table).expect("the table can be written");
}

//! Embeds the console: the files that `make console` has built in `js/console/dist`. Without them the server is built
//! all the same, with one page that says how to build them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Where the console's sources are, from this crate.
const CONSOLE: &str = "../../js/console";

fn main() -> io::Result<()> {
    let dist = Path::new(CONSOLE).join("dist");
    // A path that does not exist would make cargo run this at every build.
    if let Some(watched) = [dist.as_path(), Path::new(CONSOLE)]
        .into_iter()
        .find(|path| path.is_dir())
    {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    if dist.join("index.html").is_file() {
        collect(&dist, &mut files)?;
        // The same files make the same binary, in whatever order the system lists them.
        files.sort();
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    // The compiler reads copies, since the console may be built again meanwhile.
    let copies = out.join("console");
    if copies.is_dir() {
        fs::remove_dir_all(&copies)?;
    }
    for file in &files {
        let copy = copies.join(name(&dist, file));
        fs::create_dir_all(copy.parent().unwrap_or(&copies))?;
        fs::copy(file, copy)?;
    }
    fs::write(out.join("console_files.rs"), table(&dist, &files))
}

/// The files below a folder. Hidden ones belong to tools.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// A file's path below `dist`.
fn name<'a>(dist: &Path, file: &'a Path) -> &'a Path {
    file.strip_prefix(dist).unwrap_or(file)
}

/// The table of names and contents, as Rust.
fn table(dist: &Path, files: &[PathBuf]) -> String {
    let mut text = String::from("&[\n");
    for file in files {
        let name = name(dist, file).display().to_string();
        let copy = format!("/console/{name}");
        let _ = writeln!(
            text,
            "    ({name:?}, include_bytes!(concat!(env!(\"OUT_DIR\"), {copy:?}))),"
        );
    }
    text.push_str("]\n");
    text
}

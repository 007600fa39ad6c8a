//! Golden files: expected output.

use std::path::Path;

/// If this variable is set, golden files are written instead of compared.
const UPDATE: &str = "RESTAGE_UPDATE_GOLDEN";

/// Compares a text with a file, after each value of `replacements` has been replaced by its name, because such values
/// differ from run to run.
///
/// # Panics
/// If they differ, or if the file does not exist.
pub fn golden(path: &Path, text: &str, replacements: &[(&str, &str)]) {
    let mut shown = text.to_owned();
    for (value, name) in replacements {
        shown = shown.replace(value, name);
    }
    if std::env::var_os(UPDATE).is_some() {
        let written = std::fs::create_dir_all(path.parent().unwrap_or(path))
            .and_then(|()| std::fs::write(path, &shown));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    let expected = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{}: {error}; {UPDATE}=1 writes it", path.display()));
    assert!(
        shown == expected,
        "this is not as {}; {UPDATE}=1 writes it anew. It is:\n{shown}\n--- and should be:\n{expected}",
        path.display()
    );
}

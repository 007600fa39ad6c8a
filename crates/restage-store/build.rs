//! Tells cargo that a new migration changes the crate: the macro that embeds them cannot.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}

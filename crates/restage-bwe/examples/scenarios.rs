//! Prints how the estimator does in RFC 8867's scenarios, by RFC 8868's metrics.
//!
//! `cargo run -p restage-bwe --example scenarios`; with `-- NAME`, the course of the scenarios whose name contains NAME.

#[path = "../tests/scenarios/cases.rs"]
mod cases;
#[path = "../tests/scenarios/measure.rs"]
mod measure;
#[path = "../tests/scenarios/remb.rs"]
mod remb;
#[path = "../tests/scenarios/report.rs"]
mod report;
#[path = "../tests/scenarios/wire.rs"]
mod wire;
#[path = "../tests/scenarios/world.rs"]
mod world;

fn main() {
    let wanted = std::env::args().nth(1);
    println!("{}", cases::HEADER);
    for case in cases::all() {
        if wanted
            .as_ref()
            .is_some_and(|name| !case.name.contains(name.as_str()))
        {
            continue;
        }
        println!("{}", cases::row(&case));
        if wanted.is_some() {
            cases::print_course(&case);
        }
    }
}

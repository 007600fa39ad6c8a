//! Figures with their targets, and how they are printed.

use anyhow::Context as _;
use serde::Serialize;

use crate::output::{self, Format};

/// One figure and its target.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The target, if there is one.
    pub(crate) aim: Option<Aim>,
    pub(crate) is_met: Option<bool>,
}

/// The target of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    pub(crate) fn plain(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            what: what.into(),
            value,
            unit,
            aim: None,
            is_met: None,
        }
    }

    pub(crate) fn aimed(what: impl Into<String>, value: f64, unit: &'static str, aim: Aim) -> Self {
        let is_met = match aim {
            Aim::AtLeast(least) => value >= least,
            Aim::AtMost(most) => value <= most,
        };
        Self {
            aim: Some(aim),
            is_met: Some(is_met),
            ..Self::plain(what, value, unit)
        }
    }

    fn line(&self) -> String {
        let number = |value: f64| match value.abs() {
            0.0..10.0 => format!("{value:.2}"),
            10.0..100.0 => format!("{value:.1}"),
            _ => format!("{value:.0}"),
        };
        let aim = match (self.aim, self.is_met) {
            (Some(Aim::AtLeast(least)), Some(met)) => format!("≥ {}  {}", number(least), word(met)),
            (Some(Aim::AtMost(most)), Some(met)) => format!("≤ {}  {}", number(most), word(met)),
            _ => String::new(),
        };
        let (value, unit) = (number(self.value), self.unit);
        format!("{:<58} {value:>9} {unit:<10} {aim}", self.what)
            .trim_end()
            .to_owned()
    }
}

fn word(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

/// The median; for an even number the upper of the two in the middle.
pub(crate) fn median(mut of: Vec<f64>) -> anyhow::Result<f64> {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2)
        .copied()
        .context("nothing was measured")
}

/// Prints figures on standard output.
pub(crate) fn print(figures: &[Figure], format: Format) -> anyhow::Result<()> {
    match format {
        Format::Text => {
            for figure in figures {
                output::line(&figure.line())?;
            }
        }
        Format::Json => output::json(&figures)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_say_whether_their_aim_is_met() {
        let line = |value, aim| Figure::aimed("x", value, "ms", aim).line();
        assert!(line(1.0, Aim::AtMost(1.0)).ends_with("met"));
        assert!(line(1.01, Aim::AtMost(1.0)).ends_with("missed"));
        assert!(line(0.5, Aim::AtLeast(0.5)).ends_with("met"));
        assert!(line(0.49, Aim::AtLeast(0.5)).ends_with("missed"));
        assert!(Figure::plain("x", 1.0, "ms").line().ends_with("ms"));
    }

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).unwrap(), 2.0);
        assert_eq!(median(vec![1.0, 2.0]).unwrap(), 2.0);
        assert!(median(Vec::new()).is_err());
    }
}

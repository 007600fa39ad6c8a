//! The layout of a composition as JSON, with the words of the API model.

use restage_core::row::{
    AspectRatio, FillMode, GridLayout, LayoutSettings, PipBehavior, PipLayout, PipPosition,
};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::sql::Cell;
use crate::tables::cells::Cells;
use crate::tables::field::Field;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Layout {
    Grid(Grid),
    Pip(Pip),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grid {
    featured_attribute: String,
    omit_stopped_video: bool,
    aspect_ratio: String,
    fill_mode: Option<String>,
    gap: u32,
    order_attribute: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pip {
    featured_attribute: String,
    omit_stopped_video: bool,
    fill_mode: String,
    gap: u32,
    pip_attribute: String,
    behavior: String,
    offset: u32,
    position: String,
    width: Option<u32>,
    height: Option<u32>,
    order_attribute: String,
}

impl Field for LayoutSettings {
    fn put(&self, cells: &mut Vec<Cell>) {
        let text = serde_json::to_string(&stored(self));
        cells.push(Cell::Text(text.expect("plain values always serialise")));
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let text = cells.str()?;
        let layout = serde_json::from_str(text).map_err(|error| error.to_string());
        let read = layout.and_then(row);
        read.map_err(|reason| cells.corrupt(reason))
    }
}

fn stored(row: &LayoutSettings) -> Layout {
    match row.clone() {
        LayoutSettings::Grid(row) => Layout::Grid(Grid {
            featured_attribute: row.featured_attribute,
            omit_stopped_video: row.omit_stopped_video,
            aspect_ratio: row.aspect_ratio.word().to_owned(),
            fill_mode: row.fill_mode.map(|mode| mode.word().to_owned()),
            gap: row.gap,
            order_attribute: row.order_attribute,
        }),
        LayoutSettings::Pip(row) => Layout::Pip(Pip {
            featured_attribute: row.featured_attribute,
            omit_stopped_video: row.omit_stopped_video,
            fill_mode: row.fill_mode.word().to_owned(),
            gap: row.gap,
            pip_attribute: row.pip_attribute,
            behavior: row.behavior.word().to_owned(),
            offset: row.offset,
            position: row.position.word().to_owned(),
            width: row.width,
            height: row.height,
            order_attribute: row.order_attribute,
        }),
    }
}

fn row(stored: Layout) -> Result<LayoutSettings, String> {
    let fill_mode = |word: String| meaning(&word, &FillMode::ALL, FillMode::word);
    Ok(match stored {
        Layout::Grid(stored) => LayoutSettings::Grid(GridLayout {
            featured_attribute: stored.featured_attribute,
            omit_stopped_video: stored.omit_stopped_video,
            aspect_ratio: meaning(&stored.aspect_ratio, &AspectRatio::ALL, AspectRatio::word)?,
            fill_mode: stored.fill_mode.map(fill_mode).transpose()?,
            gap: stored.gap,
            order_attribute: stored.order_attribute,
        }),
        Layout::Pip(stored) => LayoutSettings::Pip(PipLayout {
            featured_attribute: stored.featured_attribute,
            omit_stopped_video: stored.omit_stopped_video,
            fill_mode: fill_mode(stored.fill_mode)?,
            gap: stored.gap,
            pip_attribute: stored.pip_attribute,
            behavior: meaning(&stored.behavior, &PipBehavior::ALL, PipBehavior::word)?,
            offset: stored.offset,
            position: meaning(&stored.position, &PipPosition::ALL, PipPosition::word)?,
            width: stored.width,
            height: stored.height,
            order_attribute: stored.order_attribute,
        }),
    })
}

/// The value that a word stands for.
fn meaning<T: Copy>(word: &str, all: &[T], word_of: fn(T) -> &'static str) -> Result<T, String> {
    let found = all.iter().copied().find(|value| word_of(*value) == word);
    found.ok_or_else(|| format!("{word:?} is no word of a layout"))
}

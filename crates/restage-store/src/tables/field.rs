//! The columns of a field of a row.

use std::collections::BTreeMap;

use restage_core::id::{ConnectionId, JobId, ParticipantId, StageId, StageSessionId, Time};

use super::cells::Cells;
use crate::error::StoreError;
use crate::sql::Cell;

/// A field of a row, as the values of one column or several.
pub(crate) trait Field: Sized {
    /// Appends the values.
    fn put(&self, cells: &mut Vec<Cell>);

    /// Reads as many values as [`put`](Self::put) appends.
    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError>;
}

impl Field for String {
    fn put(&self, cells: &mut Vec<Cell>) {
        cells.push(Cell::text(self));
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        cells.text()
    }
}

/// 0 or 1.
impl Field for bool {
    fn put(&self, cells: &mut Vec<Cell>) {
        cells.push(Cell::flag(*self));
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        cells.flag()
    }
}

impl Field for u32 {
    fn put(&self, cells: &mut Vec<Cell>) {
        cells.push(Cell::Int(i64::from(*self)));
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let number = cells.number()?;
        Self::try_from(number)
            .map_err(|_| cells.corrupt(format!("{number} is not from 0 to {}", Self::MAX)))
    }
}

impl Field for Option<u64> {
    fn put(&self, cells: &mut Vec<Cell>) {
        let number = self.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
        cells.push(Cell::opt_number(number));
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        let number = cells.opt_number()?.map(u64::try_from).transpose();
        number.map_err(|_| cells.corrupt("a number is below 0".to_owned()))
    }
}

impl Field for Option<String> {
    fn put(&self, cells: &mut Vec<Cell>) {
        cells.push(Cell::opt_text(self.as_deref()));
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        Ok(cells.opt_str()?.map(str::to_owned))
    }
}

/// Microseconds.
impl Field for Time {
    fn put(&self, cells: &mut Vec<Cell>) {
        cells.push(Cell::Int(self.0));
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        cells.time()
    }
}

impl Field for Option<Time> {
    fn put(&self, cells: &mut Vec<Cell>) {
        cells.push(Cell::opt_time(*self));
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        cells.opt_time()
    }
}

/// A JSON object.
impl Field for BTreeMap<String, String> {
    fn put(&self, cells: &mut Vec<Cell>) {
        cells.push(Cell::Text(map_text(self)));
    }

    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError> {
        cells.map()
    }
}

/// The text of a map in the store.
pub(crate) fn map_text(map: &BTreeMap<String, String>) -> String {
    // The key order of a BTreeMap makes equal maps equal text.
    serde_json::Value::Object(
        map.iter()
            .map(|(k, v)| (k.clone(), serde_json::Value::from(v.as_str())))
            .collect(),
    )
    .to_string()
}

/// Makes ids fields: each is the text of one column, or NULL if it is absent.
macro_rules! ids {
    ($($id:ty),+) => {$(
        impl $crate::tables::field::Field for $id {
            fn put(&self, cells: &mut Vec<$crate::sql::Cell>) {
                cells.push($crate::sql::Cell::text(self.as_str()));
            }

            fn take(
                cells: &mut $crate::tables::cells::Cells<'_>,
            ) -> Result<Self, $crate::error::StoreError> {
                cells.id()
            }
        }

        impl $crate::tables::field::Field for Option<$id> {
            fn put(&self, cells: &mut Vec<$crate::sql::Cell>) {
                let text = self.as_ref().map(|id| id.as_str());
                cells.push($crate::sql::Cell::opt_text(text));
            }

            fn take(
                cells: &mut $crate::tables::cells::Cells<'_>,
            ) -> Result<Self, $crate::error::StoreError> {
                cells.opt_id()
            }
        }
    )+};
}
pub(crate) use ids;

ids!(StageId, StageSessionId, ParticipantId, ConnectionId, JobId);

/// Makes a type a field with a word for each variant: the text of one column. The code does not compile if a variant
/// has no word.
macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        /// The word that stands for the value.
        pub(crate) const fn word(value: $type) -> &'static str {
            match value { $($type::$variant => $word),+ }
        }

        /// The value that a word stands for.
        #[allow(dead_code)]
        fn meaning(word: &str) -> Option<$type> {
            match word { $($word => Some($type::$variant),)+ _ => None }
        }

        impl $crate::tables::field::Field for $type {
            fn put(&self, cells: &mut Vec<$crate::sql::Cell>) {
                cells.push($crate::sql::Cell::text(word(*self)));
            }

            fn take(
                cells: &mut $crate::tables::cells::Cells<'_>,
            ) -> Result<Self, $crate::error::StoreError> {
                cells.word(meaning)
            }
        }
    };
}
pub(crate) use words;

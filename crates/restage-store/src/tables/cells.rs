//! The columns of one row, read in their order, each as what it stands for.

use std::collections::BTreeMap;

use restage_core::id::Time;

use crate::error::StoreError;
use crate::sql::{self, Row};

/// Reads the columns of a row one after the other.
pub(crate) struct Cells<'r> {
    row: &'r Row<'r>,
    what: &'static str,
    at: usize,
}

impl<'r> Cells<'r> {
    pub(crate) const fn new(row: &'r Row<'r>, what: &'static str) -> Self {
        Self { row, what, at: 0 }
    }

    pub(crate) fn corrupt(&self, reason: String) -> StoreError {
        StoreError::Corrupt {
            what: self.what,
            reason,
        }
    }

    pub(crate) fn opt_str(&mut self) -> Result<Option<&'r str>, StoreError> {
        let found = self.row.opt_text(self.at);
        self.at += 1;
        found.map_err(|reason| self.corrupt(reason))
    }

    pub(crate) fn str(&mut self) -> Result<&'r str, StoreError> {
        self.opt_str()?.ok_or_else(|| self.corrupt(sql::null()))
    }

    pub(crate) fn opt_number(&mut self) -> Result<Option<i64>, StoreError> {
        let found = self.row.opt_number(self.at);
        self.at += 1;
        found.map_err(|reason| self.corrupt(reason))
    }

    pub(crate) fn number(&mut self) -> Result<i64, StoreError> {
        self.opt_number()?.ok_or_else(|| self.corrupt(sql::null()))
    }

    pub(crate) fn text(&mut self) -> Result<String, StoreError> {
        self.str().map(str::to_owned)
    }

    pub(crate) fn id<I: for<'s> From<&'s str>>(&mut self) -> Result<I, StoreError> {
        self.str().map(I::from)
    }

    pub(crate) fn opt_id<I: for<'s> From<&'s str>>(&mut self) -> Result<Option<I>, StoreError> {
        Ok(self.opt_str()?.map(I::from))
    }

    pub(crate) fn time(&mut self) -> Result<Time, StoreError> {
        Ok(Time(self.number()?))
    }

    pub(crate) fn opt_time(&mut self) -> Result<Option<Time>, StoreError> {
        Ok(self.opt_number()?.map(Time))
    }

    pub(crate) fn flag(&mut self) -> Result<bool, StoreError> {
        let value = self.number()?;
        self.flag_of(value)
    }

    pub(crate) fn opt_flag(&mut self) -> Result<Option<bool>, StoreError> {
        let value = self.opt_number()?;
        value.map(|value| self.flag_of(value)).transpose()
    }

    pub(crate) fn flag_of(&self, value: i64) -> Result<bool, StoreError> {
        match value {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.corrupt(format!("a flag is 0 or 1, not {other}"))),
        }
    }

    pub(crate) fn count(&mut self) -> Result<u64, StoreError> {
        let count = self.number()?;
        u64::try_from(count).map_err(|_| self.corrupt(format!("{count} is not a count")))
    }

    pub(crate) fn map(&mut self) -> Result<BTreeMap<String, String>, StoreError> {
        let text = self.str()?;
        serde_json::from_str(text).map_err(|error| self.corrupt(error.to_string()))
    }

    /// A word that stands for a variant.
    pub(crate) fn word<T>(&mut self, meaning: fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let word = self.str()?;
        meaning(word).ok_or_else(|| self.corrupt(format!("{word:?} is not a word restage uses")))
    }
}

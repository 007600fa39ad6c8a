//! The declaration of a table. Each table is declared once, with [`table`], and all code for its rows follows from
//! that.
//!
//! A declaration names the row, the table, the key and the fields. From it follow the list of columns for statements
//! that read, the values for statements that write, how a row is read, and what backups, checks and the start of the
//! server must know about the table. A field is a column of the same name, unless the declaration names its columns;
//! [`Field`](super::field::Field) says what the columns contain.

use restage_core::row::{Plain, PlainRow};

use super::cells::Cells;
use crate::error::StoreError;
use crate::sql::{Cell, Row};

/// A kind of row, and its table.
pub(crate) trait Table: Sized {
    /// The name of the table.
    const NAME: &'static str;
    /// The name of a row in errors.
    const ROW: &'static str;
    /// The columns, those of the key first.
    const COLUMNS: &'static [&'static str];
    /// Number of columns that are the key.
    const KEY: usize;
    /// Reads every row.
    const SELECT: &'static str;
    /// The schema version that added the table.
    const SINCE: i64;
    /// Statements that find the newest time in rows of lists that are ordered by time. Each returns one number, 0 if
    /// there is no row.
    const NEWEST: &'static [&'static str];

    /// The values of the columns, in their order.
    fn cells(&self) -> Vec<Cell>;

    /// Reads the fields from the columns, in their order.
    fn take(cells: &mut Cells<'_>) -> Result<Self, StoreError>;

    /// Reads a row of a statement whose columns begin with these.
    fn read(row: &Row<'_>) -> Result<Self, StoreError> {
        Self::take(&mut Cells::new(row, Self::ROW))
    }
}

/// Statements on the table of a plain resource.
pub(crate) trait PlainTable: Table + Plain {
    /// The row with an id: `$1`.
    const GET: &'static str;
    /// Rows of an account (`$1`) in a Region (`$2`) after a time and an id (`$3`, `$4`), at most `$5`.
    const LIST: &'static str;
    /// The number of rows that an account (`$1`) has in a Region (`$2`).
    const COUNT: &'static str;

    /// Reads a row as a row of any kind.
    fn read_plain(row: &Row<'_>) -> Result<PlainRow, StoreError> {
        Self::read(row).map(Into::into)
    }
}

/// Declares the table of a row. The surrounding module gets a macro `columns!()`: the list of columns for a statement
/// in which the table has the given alias.
macro_rules! table {
    (
        $row:ident in $name:literal as $alias:literal, row $what:literal, since $since:literal,
        newest [$($newest:expr),*], key ($($key:ident),+), fields ($($fields:tt)*)
    ) => {
        $crate::tables::declare::table! {
            @columns [$row $name $alias $what $since [$($newest),*]] [$($key)+]
            [$(($key: stringify!($key)))+] $($fields)*
        }
    };
    // Turns the fields into pairs of a field and its columns, one after the other.
    (@columns $head:tt $keys:tt [$($done:tt)*] $field:ident ($($column:literal),+) $(, $($rest:tt)*)?) => {
        $crate::tables::declare::table! {
            @columns $head $keys [$($done)* ($field: $($column),+)] $($($rest)*)?
        }
    };
    (@columns $head:tt $keys:tt [$($done:tt)*] $field:ident $(, $($rest:tt)*)?) => {
        $crate::tables::declare::table! {
            @columns $head $keys [$($done)* ($field: stringify!($field))] $($($rest)*)?
        }
    };
    (
        @columns [$row:ident $name:literal $alias:literal $what:literal $since:literal [$($newest:expr),*]]
        [$($key:ident)+]
        [($first:ident: $first_column:expr) $(($field:ident: $($column:expr),+))*]
    ) => {
        /// The columns of the table, for a statement that uses this alias for it.
        macro_rules! columns {
            () => {
                concat!($alias, ".", $first_column $($(, ", ", $alias, ".", $column)+)*)
            };
        }
        #[allow(unused_imports)]
        pub(crate) use columns;

        impl $crate::tables::declare::Table for $row {
            const NAME: &'static str = $name;
            const ROW: &'static str = $what;
            const COLUMNS: &'static [&'static str] = &[$first_column $($(, $column)+)*];
            const KEY: usize = [$(stringify!($key)),+].len();
            const SELECT: &'static str = concat!("SELECT ", columns!(), " FROM ", $name, " ", $alias);
            const SINCE: i64 = $since;
            const NEWEST: &'static [&'static str] = &[$($newest),*];

            // The pattern names every field, so a new field of a row does not compile until it has a column.
            fn cells(&self) -> Vec<$crate::sql::Cell> {
                let Self { $first, $($field),* } = self;
                let mut cells = Vec::with_capacity(Self::COLUMNS.len());
                $crate::tables::field::Field::put($first, &mut cells);
                $($crate::tables::field::Field::put($field, &mut cells);)*
                cells
            }

            fn take(
                cells: &mut $crate::tables::cells::Cells<'_>,
            ) -> Result<Self, $crate::error::StoreError> {
                Ok(Self {
                    $first: $crate::tables::field::Field::take(cells)?,
                    $($field: $crate::tables::field::Field::take(cells)?),*
                })
            }
        }
    };
}
pub(crate) use table;

/// Declares the table of a plain resource. It names only the own fields of the kind. The others are the
/// fields of every plain resource. The table needs an index on (account, region, created_at, id) for its list.
macro_rules! plain_table {
    (
        $row:ident ($id:ident) in $name:literal as $alias:literal, row $what:literal, since $since:literal,
        fields ($($field:ident $(($($column:literal),+))?),*)
    ) => {
        $crate::tables::declare::table! {
            $row in $name as $alias, row $what, since $since,
            newest [concat!("SELECT COALESCE(MAX(created_at), 0) FROM ", $name)],
            key (id), fields (account, region, name, tags, $($field $(($($column),+))?,)* created_at)
        }
        $crate::tables::field::ids!($id);

        impl $crate::tables::declare::PlainTable for $row {
            const GET: &'static str = concat!(
                "SELECT ", columns!(), " FROM ", $name, " ", $alias, " WHERE ", $alias, ".id = $1"
            );
            const LIST: &'static str = concat!(
                "SELECT ", columns!(), " FROM ", $name, " ", $alias,
                " WHERE ", $alias, ".account = $1 AND ", $alias, ".region = $2",
                " AND (", $alias, ".created_at, ", $alias, ".id) > ($3, $4)",
                " ORDER BY ", $alias, ".created_at, ", $alias, ".id LIMIT $5"
            );
            const COUNT: &'static str = concat!(
                "SELECT COUNT(*) FROM ", $name, " ", $alias,
                " WHERE ", $alias, ".account = $1 AND ", $alias, ".region = $2"
            );
        }
    };
}
pub(crate) use plain_table;

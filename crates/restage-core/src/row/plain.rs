//! Plain resources: resources that are a row and nothing else. Each has an ARN, a name and tags; an account may have a
//! limited number of them in a Region; all are created, read, listed, tagged and deleted by the same rules.
//!
//! [`kinds`] makes one type of row of all kinds, so that code for any kind of row need not name each.

use super::{PlainId, PlainKind, PlainRow, Tags};
use crate::id::{ResourceId, Time};

/// A row of a plain resource: the fields that every kind has.
pub trait Plain: Clone + Into<PlainRow> {
    /// The last part of its ARN.
    type Id: ResourceId + Into<PlainId>;
    /// Its kind.
    const KIND: PlainKind;

    /// The row's key.
    fn id(&self) -> &Self::Id;
    /// The owning account: 12 digits.
    fn account(&self) -> &str;
    /// The Region of the ARN.
    fn region(&self) -> &str;
    /// At most 50 tags.
    fn tags(&self) -> &Tags;
    /// When it was created. Lists are ordered by it, then by id.
    fn created_at(&self) -> Time;
    /// The row, if it is of this kind.
    fn of(row: &PlainRow) -> Option<&Self>;
    /// The same for an owned row.
    fn take(row: PlainRow) -> Option<Self>;
}

/// Declares the kinds of plain resources. A row has the fields `id`, `account`, `region`, `name`, `tags`,
/// `created_at` and its own. The declaration of a kind has the type of its ids; the field of [`PlainLimits`] that
/// bounds it, with its value in either set of limits; its plural for a refusal at the limit; and the operations that
/// create and delete one.
macro_rules! kinds {
    ($($row:ident {
        id: $id:ident,
        limit: $limit:ident (open $open:literal, aws $aws:literal),
        title: $title:literal,
        operations: $create:literal, $delete:literal,
    })+) => {
        /// Most plain resources of each kind that an account may have in a Region.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct PlainLimits {
            $(
                #[doc = concat!($title, " per account and Region.")]
                pub $limit: u32
            ),+
        }

        impl PlainLimits {
            /// Generous limits for people who host restage themselves.
            pub const OPEN: Self = Self { $($limit: $open),+ };
            /// The service's own defaults (service-quotas page of the user guide).
            pub const AWS: Self = Self { $($limit: $aws),+ };
        }

        /// A kind of plain resource.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[allow(missing_docs)]
        pub enum PlainKind {
            $($row),+
        }

        impl PlainKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$row),+];

            /// The kind's name in messages, such as `public key`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$row => <$id as crate::id::ResourceId>::NAME),+
                }
            }

            /// The plural at the beginning of a sentence, such as `Public keys`.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$row => $title),+
                }
            }

            /// Most resources of the kind that an account may have in a Region, and the name of the field of this
            /// limit.
            pub const fn limit(self, limits: &PlainLimits) -> (u32, &'static str) {
                match self {
                    $(Self::$row => (limits.$limit, stringify!($limit))),+
                }
            }

            /// The operation that creates one.
            pub const fn creation(self) -> &'static str {
                match self {
                    $(Self::$row => $create),+
                }
            }

            /// The operation that deletes one.
            pub const fn deletion(self) -> &'static str {
                match self {
                    $(Self::$row => $delete),+
                }
            }
        }

        /// The id of a plain resource, with its kind.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[allow(missing_docs)]
        pub enum PlainId {
            $($row($id)),+
        }

        impl PlainId {
            /// The kind of the resource.
            pub const fn of_kind(&self) -> PlainKind {
                match self {
                    $(Self::$row(_) => PlainKind::$row),+
                }
            }
        }

        impl crate::id::ArnId for PlainId {
            fn of(kind: &str, id: &str) -> Option<Self> {
                match kind {
                    $(<$id as crate::id::ResourceId>::KIND => Some(Self::$row(id.into())),)+
                    _ => None,
                }
            }

            fn kind(&self) -> &'static str {
                match self {
                    $(Self::$row(_) => <$id as crate::id::ResourceId>::KIND),+
                }
            }

            fn text(&self) -> &str {
                match self {
                    $(Self::$row(id) => id.as_str()),+
                }
            }
        }

        /// A row of a plain resource, whatever its kind.
        #[derive(Clone, PartialEq, Eq, Debug)]
        #[allow(missing_docs)]
        pub enum PlainRow {
            $($row($row)),+
        }

        impl PlainRow {
            /// The row's key.
            pub fn id(&self) -> PlainId {
                match self {
                    $(Self::$row(row) => PlainId::$row(row.id.clone())),+
                }
            }

            /// The kind of the resource.
            pub const fn kind(&self) -> PlainKind {
                match self {
                    $(Self::$row(_) => PlainKind::$row),+
                }
            }

            /// The owning account: 12 digits.
            pub fn account(&self) -> &str {
                match self {
                    $(Self::$row(row) => &row.account),+
                }
            }

            /// The Region of the ARN.
            pub fn region(&self) -> &str {
                match self {
                    $(Self::$row(row) => &row.region),+
                }
            }

            /// At most 50 tags.
            pub const fn tags(&self) -> &Tags {
                match self {
                    $(Self::$row(row) => &row.tags),+
                }
            }

            /// The tags, for changes.
            pub const fn tags_mut(&mut self) -> &mut Tags {
                match self {
                    $(Self::$row(row) => &mut row.tags),+
                }
            }

            /// The same row with this creation time.
            #[must_use]
            pub fn created(self, at: crate::id::Time) -> Self {
                match self {
                    $(Self::$row(row) => Self::$row($row {
                        created_at: at,
                        ..row
                    })),+
                }
            }
        }

        $(
            impl From<$id> for PlainId {
                fn from(id: $id) -> Self {
                    Self::$row(id)
                }
            }

            impl From<$row> for PlainRow {
                fn from(row: $row) -> Self {
                    Self::$row(row)
                }
            }

            impl plain::Plain for $row {
                type Id = $id;
                const KIND: PlainKind = PlainKind::$row;

                fn id(&self) -> &$id {
                    &self.id
                }

                fn account(&self) -> &str {
                    &self.account
                }

                fn region(&self) -> &str {
                    &self.region
                }

                fn tags(&self) -> &Tags {
                    &self.tags
                }

                fn created_at(&self) -> crate::id::Time {
                    self.created_at
                }

                fn of(row: &PlainRow) -> Option<&Self> {
                    match row {
                        PlainRow::$row(row) => Some(row),
                        _ => None,
                    }
                }

                fn take(row: PlainRow) -> Option<Self> {
                    match row {
                        PlainRow::$row(row) => Some(row),
                        _ => None,
                    }
                }
            }
        )+
    };
}
pub(super) use kinds;

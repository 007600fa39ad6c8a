//! The rules of pagination, without I/O: which page to request next, which of its items to keep, and
//! where to continue later.

use std::ops::Range;

use super::config::PaginationConfig;
use super::error::PaginateError;
use super::token::{self, to_send};

/// Smallest page size the services take; botocore checks it before it sends anything.
const PAGE_SIZE_MIN: i32 = 1;

/// A page that is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageRequest {
    /// `nextToken` of the request; `None` to leave it out.
    pub token: Option<String>,
    /// `maxResults` of the request; `None` to leave the request's own.
    pub page_size: Option<i32>,
}

/// The state of one pagination.
///
/// Call [`Pagination::next_request`] for the page to fetch, fetch it, report it to
/// [`Pagination::accept`], keep the range of items that this returns, and repeat until there is no next request.
/// Then [`Pagination::resume_token`] says where the rest begins, if anything is left.
///
/// ```
/// use restage_client::paginate::{Pagination, PaginationConfig};
///
/// let pages = [("a".."d", Some("t3")), ("d".."g", None)];
/// let mut pagination = Pagination::new(&PaginationConfig::default().max_items(4), None)?;
///
/// assert_eq!(pagination.next_request()?.unwrap().token, None);
/// assert_eq!(pagination.accept(Some(3), Some("t3"))?, 0..3);
/// assert_eq!(pagination.next_request()?.unwrap().token.as_deref(), Some("t3"));
/// assert_eq!(pagination.accept(Some(3), None)?, 0..1);
/// assert_eq!(pagination.next_request()?, None);
/// // {"nextToken": "t3", "boto_truncate_amount": 1}
/// assert_eq!(pagination.resume_token(),
///            Some("eyJuZXh0VG9rZW4iOiAidDMiLCAiYm90b190cnVuY2F0ZV9hbW91bnQiOiAxfQ=="));
/// # Ok::<(), restage_client::paginate::PaginateError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pagination {
    max_items: Option<i64>,
    page_size: Option<i32>,
    /// Items delivered so far.
    delivered: i64,
    /// The page that is being requested.
    page: Page,
    /// The token before the one in `page`.
    previous_token: Option<String>,
    step: Step,
    resume_token: Option<String>,
    /// Whether the pagination ended within a page.
    has_cut: bool,
}

#[derive(Debug, Clone)]
struct Page {
    /// The token by which a resume token names this page.
    token: Option<String>,
    /// The token that is sent; it differs from `token` where botocore drops one.
    sent: Option<String>,
    /// Items to leave out at the front, or from the end if negative; only for a first page.
    index: i64,
    /// Whether a resume token that leads back into this page can be written.
    is_resumable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Fetch,
    Fail(PaginateError),
    Over,
}

impl Pagination {
    /// Begins a pagination. `own_token` is a `nextToken` that the request itself had; it applies
    /// when there is no starting token.
    ///
    /// botocore does not track the request's own token, so it resumes at the wrong place after a
    /// truncated first page; this crate tracks it.
    ///
    /// # Errors
    /// [`PaginateError::Config`] for a page size below 1, [`PaginateError::StartingToken`] for a
    /// starting token that cannot be used.
    pub fn new(
        config: &PaginationConfig,
        own_token: Option<String>,
    ) -> Result<Self, PaginateError> {
        let page = match &config.starting_token {
            None => Page {
                token: own_token.clone(),
                sent: own_token,
                index: 0,
                is_resumable: true,
            },
            Some(text) => {
                let start = token::parse(text)?;
                let (token, sent) = match start.member {
                    Some(token) => (token.clone(), to_send(token.as_deref()).map(str::to_owned)),
                    None => (None, own_token),
                };
                Page {
                    token,
                    sent,
                    index: start.index,
                    is_resumable: start.is_regular,
                }
            }
        };
        check_page_size(config.page_size)?;
        Ok(Self {
            max_items: config.max_items,
            page_size: config.page_size,
            delivered: 0,
            page,
            previous_token: None,
            step: Step::Fetch,
            resume_token: None,
            has_cut: false,
        })
    }

    /// What to fetch next; `None` once the pagination is over.
    ///
    /// # Errors
    /// [`PaginateError::SameTokenTwice`], once, after the page that repeated the token was
    /// accepted.
    pub fn next_request(&mut self) -> Result<Option<PageRequest>, PaginateError> {
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::Over => Ok(None),
            Step::Fail(error) => Err(error),
            Step::Fetch => {
                self.step = Step::Fetch;
                let token = self.page.sent.clone();
                Ok(Some(PageRequest {
                    token,
                    page_size: self.page_size,
                }))
            }
        }
    }

    /// Records a fetched page: the number of its items (`None` if it has no list) and its
    /// `nextToken`. Returns the range of items to keep.
    ///
    /// # Errors
    /// [`PaginateError::StartingToken`] if the page must be truncated, but no resume token can be
    /// made from the starting token. The page is then not delivered.
    pub fn accept(
        &mut self,
        item_count: Option<usize>,
        next_token: Option<&str>,
    ) -> Result<Range<usize>, PaginateError> {
        let length = item_count.unwrap_or(0);
        let first = from_index(length, self.page.index);
        let count = (length - first) as i64;
        if let Some(max_items) = self.max_items {
            let wanted = i128::from(max_items) - i128::from(self.delivered);
            if i128::from(count) > wanted {
                return self.cut(first, length, wanted);
            }
        }
        self.delivered = self.delivered.saturating_add(count);
        self.advance(next_token);
        Ok(first..length)
    }

    /// Where to continue, if the pagination is over and items are left.
    #[must_use]
    pub fn resume_token(&self) -> Option<&str> {
        self.resume_token.as_deref()
    }

    /// Whether there is nothing more to fetch.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.step == Step::Over
    }

    /// Whether the page accepted last was truncated.
    pub(super) fn has_cut(&self) -> bool {
        self.has_cut
    }

    /// Ends the pagination after a failed request; it cannot be resumed.
    pub(super) fn stop(&mut self) {
        self.step = Step::Over;
        self.resume_token = None;
    }

    /// Ends with a page of which only the first `wanted` items are delivered.
    fn cut(
        &mut self,
        first: usize,
        length: usize,
        wanted: i128,
    ) -> Result<Range<usize>, PaginateError> {
        self.step = Step::Over;
        if !self.page.is_resumable {
            let why = "it has no \"nextToken\", or members that no resume token has, and the page \
                       it leads to had to be cut";
            return Err(PaginateError::StartingToken(why.to_owned()));
        }
        self.has_cut = true;
        let amount = wanted + i128::from(self.page.index);
        self.resume_token = Some(token::write(self.page.token.as_deref(), Some(amount)));
        let end = from_index(length - first, i64::try_from(wanted).unwrap_or(i64::MIN));
        Ok(first..first + end)
    }

    /// Continues with the next page, or ends.
    fn advance(&mut self, next_token: Option<&str>) {
        self.step = Step::Over;
        let Some(next) = next_token.filter(|token| !token.is_empty()) else {
            return;
        };
        if self.max_items == Some(self.delivered) {
            self.resume_token = Some(token::write(Some(next), None));
        } else if self.previous_token.as_deref() == Some(next) {
            self.step = Step::Fail(PaginateError::SameTokenTwice(next.to_owned()));
        } else {
            self.previous_token = Some(next.to_owned());
            self.page = Page {
                token: Some(next.to_owned()),
                sent: to_send(Some(next)).map(str::to_owned),
                index: 0,
                is_resumable: true,
            };
            self.step = Step::Fetch;
        }
    }
}

/// Refuses page sizes below the minimum, also for `maxResults` of the request itself.
pub(super) fn check_page_size(page_size: Option<i32>) -> Result<(), PaginateError> {
    match page_size {
        Some(size) if size < PAGE_SIZE_MIN => Err(PaginateError::Config(format!(
            "the page size (maxResults) is {size}; it must be at least {PAGE_SIZE_MIN}"
        ))),
        _ => Ok(()),
    }
}

/// Position of an index in a list of `length` items, as in a Python slice: a negative index counts from the
/// end, and an index outside the list stops at its edge.
fn from_index(length: usize, index: i64) -> usize {
    let magnitude = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
    if index < 0 {
        length.saturating_sub(magnitude)
    } else {
        magnitude.min(length)
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;

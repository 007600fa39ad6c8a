//! Pagination over any source of pages.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use serde_json::Value;

use super::config::PaginationConfig;
use super::engine::{PageRequest, Pagination, check_page_size};
use super::error::PaginateError;

/// A list operation with its whole request except the token and the page size.
pub trait PageSource: Send + Unpin {
    /// The operation's answer.
    type Page: Send;
    /// One element of the answer's list.
    type Item: Send + Unpin;
    /// The operation's error.
    type Error: Send;

    /// Fetches one page with exactly the token of `request` (which may be the request's own),
    /// and with its page size unless that is `None`.
    fn fetch(
        &self,
        request: PageRequest,
    ) -> impl Future<Output = Result<Self::Page, Self::Error>> + Send + 'static;

    /// The list in a page; `None` if the answer had none.
    fn items(page: &mut Self::Page) -> Option<&mut Vec<Self::Item>>;

    /// `nextToken` of a page.
    fn next_token(page: &Self::Page) -> Option<&str>;

    /// Adds an empty list to a page without one, for pages that can lack it. botocore does so when
    /// it truncates such a page, which needs a negative number of items.
    fn add_list(page: &mut Self::Page) {
        let _ = page;
    }

    /// `nextToken` of the request itself, which counts unless there is a starting token.
    fn own_token(&self) -> Option<String> {
        None
    }

    /// `maxResults` of the request itself, which counts unless there is a page size.
    fn own_page_size(&self) -> Option<i32> {
        None
    }
}

/// A source whose pages are available as JSON, for [`Pages::search`].
pub trait JsonSource: PageSource {
    /// The same operation with JSON answers.
    type Json: PageSource<Page = JsonPage, Item = Value, Error = Self::Error>;

    /// Converts the source to one with JSON pages.
    fn into_json(self) -> Self::Json;
}

/// A page as JSON, with member names as on the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPage {
    value: Value,
    list: &'static str,
}

impl JsonPage {
    /// A page whose items are in the member `list`.
    #[must_use]
    pub fn new(value: Value, list: &'static str) -> Self {
        Self { value, list }
    }

    /// The JSON of the page.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The list of the page, to implement [`PageSource::items`] with.
    pub fn items(&mut self) -> Option<&mut Vec<Value>> {
        self.value.get_mut(self.list)?.as_array_mut()
    }

    /// Adds an empty list, to implement [`PageSource::add_list`] with.
    pub fn add_list(&mut self) {
        if let Value::Object(members) = &mut self.value {
            members.insert(self.list.to_owned(), Value::Array(Vec::new()));
        }
    }

    /// `nextToken` of the page, to implement [`PageSource::next_token`] with.
    #[must_use]
    pub fn next_token(&self) -> Option<&str> {
        self.value.get("nextToken")?.as_str()
    }
}

/// A pagination in progress: a stream of pages, each truncated to the items to deliver.
///
/// Pages are fetched one at a time, on demand. An error ends the stream.
#[must_use = "a pagination does nothing until its pages are asked for"]
pub struct Pages<S: PageSource> {
    source: S,
    /// An error in the settings, returned instead of the first page.
    refusal: Option<PaginateError>,
    pagination: Option<Pagination>,
    in_flight: Option<InFlight<S>>,
}

type InFlight<S> =
    Pin<Box<dyn Future<Output = Result<<S as PageSource>::Page, <S as PageSource>::Error>> + Send>>;

/// The next element of a stream: the end, an error, or a `T`.
type Next<T, S> = Option<Result<T, PaginateError<<S as PageSource>::Error>>>;

/// The result of [`Pages::build_full_result`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FullResult<T> {
    /// All delivered items; `None` if no page had a list.
    pub items: Option<Vec<T>>,
    /// Where the rest begins, if items are left; botocore's `NextToken`.
    pub next_token: Option<String>,
}

impl<S: PageSource> Pages<S> {
    /// Begins a pagination. An error in the settings becomes the stream's first and only element.
    pub fn new(source: S, config: &PaginationConfig) -> Self {
        let own_page_size = match config.page_size {
            Some(_) => Ok(()),
            None => check_page_size(source.own_page_size()),
        };
        let begun = Pagination::new(config, source.own_token())
            .and_then(|pagination| own_page_size.map(|()| pagination));
        let (pagination, refusal) = match begun {
            Ok(pagination) => (Some(pagination), None),
            Err(error) => (None, Some(error)),
        };
        Self {
            source,
            refusal,
            pagination,
            in_flight: None,
        }
    }

    /// Waits for the next page. `None` when no more pages follow.
    ///
    /// # Errors
    /// See [`PaginateError`]; every error ends the pagination.
    pub async fn next(&mut self) -> Option<Result<S::Page, PaginateError<S::Error>>> {
        std::future::poll_fn(|context| self.poll_page(context)).await
    }

    /// Where the rest begins; `None` if nothing is left. Valid once the last page has been
    /// delivered.
    #[must_use]
    pub fn resume_token(&self) -> Option<&str> {
        self.pagination.as_ref()?.resume_token()
    }

    /// The items of all pages, one at a time.
    pub fn items(self) -> Items<S> {
        Items {
            pages: self,
            queue: Vec::new().into_iter(),
        }
    }

    /// Fetches all remaining pages and collects their items.
    ///
    /// # Errors
    /// See [`PaginateError`].
    pub async fn build_full_result(
        mut self,
    ) -> Result<FullResult<S::Item>, PaginateError<S::Error>> {
        let mut all: Option<Vec<S::Item>> = None;
        while let Some(page) = self.next().await {
            if let Some(items) = S::items(&mut page?) {
                all.get_or_insert_default().append(items);
            }
        }
        let next_token = self.resume_token().map(str::to_owned);
        Ok(FullResult {
            items: all,
            next_token,
        })
    }

    /// Applies a JMESPath expression to every remaining page. If the result is a list, its elements are
    /// delivered one at a time; any other result, including null, is delivered as it is.
    ///
    /// # Errors
    /// [`PaginateError::Search`] if the expression does not parse.
    pub fn search(self, expression: &str) -> Result<Search<S::Json>, PaginateError<S::Error>>
    where
        S: JsonSource,
    {
        let expression = jmespath::compile(expression)
            .map_err(|error| PaginateError::Search(error.to_string()))?;
        Ok(Search {
            pages: self.into_json(),
            expression,
            queue: Vec::new().into_iter(),
        })
    }

    /// The remaining pages, as JSON.
    pub fn into_json(self) -> Pages<S::Json>
    where
        S: JsonSource,
    {
        Pages {
            source: self.source.into_json(),
            refusal: self.refusal,
            pagination: self.pagination,
            in_flight: None,
        }
    }

    fn poll_page(&mut self, context: &mut Context<'_>) -> Poll<Next<S::Page, S>> {
        if let Some(refusal) = self.refusal.take() {
            return Poll::Ready(Some(Err(refusal.widen())));
        }
        let Some(pagination) = &mut self.pagination else {
            return Poll::Ready(None);
        };
        let future = match &mut self.in_flight {
            Some(future) => future,
            none => match pagination.next_request() {
                Ok(Some(request)) => none.insert(Box::pin(self.source.fetch(request))),
                Ok(None) => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(Err(error.widen()))),
            },
        };
        let fetched = ready!(future.as_mut().poll(context));
        self.in_flight = None;
        let page = fetched
            .map_err(|error| {
                pagination.stop();
                PaginateError::Operation(error)
            })
            .and_then(|page| keep::<S>(pagination, page));
        Poll::Ready(Some(page))
    }
}

/// Truncates a fetched page to the items to deliver.
fn keep<S: PageSource>(
    pagination: &mut Pagination,
    mut page: S::Page,
) -> Result<S::Page, PaginateError<S::Error>> {
    let count = S::items(&mut page).map(|items| items.len());
    let kept = pagination
        .accept(count, S::next_token(&page))
        .map_err(PaginateError::widen::<S::Error>)?;
    match S::items(&mut page) {
        Some(items) => {
            items.truncate(kept.end);
            items.drain(..kept.start);
        }
        None if pagination.has_cut() => S::add_list(&mut page),
        None => {}
    }
    Ok(page)
}

impl<S: PageSource> Stream for Pages<S> {
    type Item = Result<S::Page, PaginateError<S::Error>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_page(context)
    }
}

/// The items of a pagination, one at a time. See [`Pages::items`].
#[must_use = "a pagination does nothing until its items are asked for"]
pub struct Items<S: PageSource> {
    pages: Pages<S>,
    queue: std::vec::IntoIter<S::Item>,
}

impl<S: PageSource> Items<S> {
    /// Waits for the next item.
    ///
    /// # Errors
    /// See [`PaginateError`].
    pub async fn next(&mut self) -> Option<Result<S::Item, PaginateError<S::Error>>> {
        std::future::poll_fn(|context| self.poll_item(context)).await
    }

    /// As [`Pages::resume_token`].
    #[must_use]
    pub fn resume_token(&self) -> Option<&str> {
        self.pages.resume_token()
    }

    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Next<S::Item, S>> {
        loop {
            if let Some(item) = self.queue.next() {
                return Poll::Ready(Some(Ok(item)));
            }
            match ready!(self.pages.poll_page(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(mut page)) => {
                    let items = S::items(&mut page).map(std::mem::take);
                    self.queue = items.unwrap_or_default().into_iter();
                }
            }
        }
    }
}

impl<S: PageSource> Stream for Items<S> {
    type Item = Result<S::Item, PaginateError<S::Error>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_item(context)
    }
}

/// The results of a JMESPath expression over the pages. See [`Pages::search`].
#[must_use = "a pagination does nothing until its results are asked for"]
pub struct Search<S: PageSource<Page = JsonPage>> {
    pages: Pages<S>,
    expression: jmespath::Expression<'static>,
    queue: std::vec::IntoIter<Value>,
}

impl<S: PageSource<Page = JsonPage>> Search<S> {
    /// Waits for the next result.
    ///
    /// # Errors
    /// See [`PaginateError`]; [`PaginateError::Search`] if the expression fails on a page.
    pub async fn next(&mut self) -> Option<Result<Value, PaginateError<S::Error>>> {
        std::future::poll_fn(|context| self.poll_result(context)).await
    }

    /// As [`Pages::resume_token`].
    #[must_use]
    pub fn resume_token(&self) -> Option<&str> {
        self.pages.resume_token()
    }

    fn poll_result(&mut self, context: &mut Context<'_>) -> Poll<Next<Value, S>> {
        loop {
            if let Some(result) = self.queue.next() {
                return Poll::Ready(Some(Ok(result)));
            }
            let page = match ready!(self.pages.poll_page(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(page)) => page,
            };
            match self.apply(&page) {
                Ok(Value::Array(results)) => self.queue = results.into_iter(),
                Ok(result) => return Poll::Ready(Some(Ok(result))),
                Err(why) => {
                    if let Some(pagination) = &mut self.pages.pagination {
                        pagination.stop();
                    }
                    return Poll::Ready(Some(Err(PaginateError::Search(why))));
                }
            }
        }
    }

    fn apply(&self, page: &JsonPage) -> Result<Value, String> {
        let found = self
            .expression
            .search(page.value())
            .map_err(|error| error.to_string())?;
        serde_json::to_value(&*found).map_err(|error| error.to_string())
    }
}

impl<S: PageSource<Page = JsonPage> + Unpin> Stream for Search<S> {
    type Item = Result<Value, PaginateError<S::Error>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_result(context)
    }
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;

//! Pagination over `aws-sdk-ivsrealtime`, against Amazon IVS and restage alike.
//!
//! Every list operation's fluent builder gets [`Paginated::paginate`]; who has an operation's input
//! at hand gives it to [`Paginator::paginate`]:
//!
//! ```no_run
//! # async fn run(client: aws_sdk_ivsrealtime::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use restage_client::aws::Paginated as _;
//! use restage_client::paginate::PaginationConfig;
//!
//! let list = client
//!     .list_participant_replicas()
//!     .source_stage_arn("arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud")
//!     .participant_id("q7Rk2ZpLw0Xe");
//!
//! let some = list.clone().paginate(&PaginationConfig::default().max_items(7)).build_full_result();
//! let some = some.await?;
//! for replica in some.items.iter().flatten() {
//!     println!("{}", replica.destination_stage_arn());
//! }
//! if let Some(token) = some.next_token {
//!     // Later, elsewhere, in boto3 or in the AWS CLI:
//!     let rest = PaginationConfig::default().starting_token(token);
//!     let mut replicas = list.paginate(&rest).items();
//!     while let Some(replica) = replicas.next().await {
//!         println!("{}", replica?.destination_stage_arn());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! botocore itself paginates three of the ten lists (public keys, ingest configurations,
//! participant replicas); the rules are the same for all of them here.
//!
//! A missing list in an answer is an empty one in the SDK's types. [`Pages::into_json`] keeps the
//! difference, and shows every member as it came; timestamps are text there.

mod lists;
mod paginator;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use aws_sdk_ivsrealtime::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_ivsrealtime::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ivsrealtime::error::{BoxError, SdkError};
use serde_json::Value;

use crate::paginate::{JsonPage, JsonSource, PageRequest, PageSource, Pages, PaginationConfig};

pub use paginator::{ListInput, Paginator};

/// The outcome of one call.
pub type CallFuture<O, E> = Pin<Box<dyn Future<Output = Result<O, SdkError<E>>> + Send>>;

/// A list operation of the SDK: what a pagination has to know about its builder and its output.
///
/// Implemented for the fluent builders of all ten lists. Each implementation below says what the
/// operation takes and gives and how it fails. Another list takes a few lines in `aws/lists.rs`.
pub trait Paginated: Clone + Send + Sync + Unpin + Sized + 'static {
    /// The operation's output.
    type Output: Send;
    /// An element of its list.
    type Item: Send + Unpin;
    /// The operation's error.
    type Error: Send + 'static;
    /// Name of the list's member on the wire.
    const LIST: &'static str;

    /// The `nextToken` set on the builder.
    fn own_token(&self) -> Option<String>;

    /// The `maxResults` set on the builder.
    fn own_page_size(&self) -> Option<i32>;

    /// The builder for one page: with exactly this token, and with this page size if there is one.
    #[must_use]
    fn for_page(self, request: PageRequest) -> Self;

    /// Calls the operation. A tap, if there is one, keeps the answer's body.
    fn call(self, tap: Option<BodyTap>) -> CallFuture<Self::Output, Self::Error>;

    /// The list in an output.
    fn items(output: &mut Self::Output) -> &mut Vec<Self::Item>;

    /// The `nextToken` in an output.
    fn next_token(output: &Self::Output) -> Option<&str>;

    /// Begins a pagination, as `client.get_paginator(…).paginate(…)` does in boto3.
    fn paginate(self, config: &PaginationConfig) -> Pages<TypedList<Self>> {
        Pages::new(TypedList(self), config)
    }
}

/// A list operation whose pages are the SDK's output types.
#[derive(Debug, Clone)]
pub struct TypedList<B>(B);

/// A list operation whose pages are JSON.
#[derive(Debug, Clone)]
pub struct JsonList<B>(B);

impl<B: Paginated> PageSource for TypedList<B> {
    type Page = B::Output;
    type Item = B::Item;
    type Error = SdkError<B::Error>;

    fn fetch(
        &self,
        request: PageRequest,
    ) -> impl Future<Output = Result<Self::Page, Self::Error>> + Send + 'static {
        self.0.clone().for_page(request).call(None)
    }

    fn items(page: &mut Self::Page) -> Option<&mut Vec<Self::Item>> {
        Some(B::items(page))
    }

    fn next_token(page: &Self::Page) -> Option<&str> {
        B::next_token(page)
    }

    fn own_token(&self) -> Option<String> {
        self.0.own_token()
    }

    fn own_page_size(&self) -> Option<i32> {
        self.0.own_page_size()
    }
}

impl<B: Paginated> JsonSource for TypedList<B> {
    type Json = JsonList<B>;

    fn into_json(self) -> JsonList<B> {
        JsonList(self.0)
    }
}

impl<B: Paginated> PageSource for JsonList<B> {
    type Page = JsonPage;
    type Item = Value;
    type Error = SdkError<B::Error>;

    fn fetch(
        &self,
        request: PageRequest,
    ) -> impl Future<Output = Result<JsonPage, Self::Error>> + Send + 'static {
        let call = self.0.clone().for_page(request);
        async move {
            let tap = BodyTap::default();
            call.call(Some(tap.clone())).await?;
            // The SDK has read the body already, so it is JSON.
            let value = serde_json::from_slice(&tap.take()).unwrap_or_default();
            Ok(JsonPage::new(value, B::LIST))
        }
    }

    fn items(page: &mut JsonPage) -> Option<&mut Vec<Value>> {
        page.items()
    }

    fn next_token(page: &JsonPage) -> Option<&str> {
        page.next_token()
    }

    fn add_list(page: &mut JsonPage) {
        page.add_list();
    }

    fn own_token(&self) -> Option<String> {
        self.0.own_token()
    }

    fn own_page_size(&self) -> Option<i32> {
        self.0.own_page_size()
    }
}

/// Keeps the body of the last answer of a call.
#[derive(Debug, Clone, Default)]
pub struct BodyTap(Arc<Mutex<Vec<u8>>>);

impl BodyTap {
    fn take(&self) -> Vec<u8> {
        // A panic elsewhere while the lock was held leaves plain bytes behind, whole ones.
        std::mem::take(
            &mut *self
                .0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }
}

impl Intercept for BodyTap {
    fn name(&self) -> &'static str {
        "restage-client body tap"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context
            .response()
            .body()
            .bytes()
            .unwrap_or_default()
            .to_vec();
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = body;
        Ok(())
    }
}

use aws_sdk_ivsrealtime::Client;

use super::{Paginated, TypedList};
use crate::paginate::{Pages, PaginationConfig};

/// Paginators for the ten lists, begun with an operation's input as boto3's are begun with its
/// arguments: `paginate(sourceStageArn, participantId, PaginationConfig)`. The input's type says
/// which list it is.
///
/// ```no_run
/// # async fn run(client: aws_sdk_ivsrealtime::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use aws_sdk_ivsrealtime::operation::list_participant_replicas::ListParticipantReplicasInput;
/// use restage_client::aws::Paginator;
/// use restage_client::paginate::PaginationConfig;
///
/// let input = ListParticipantReplicasInput::builder()
///     .source_stage_arn("arn:aws:ivs:eu-west-1:111122223333:stage/hT5vN1cGy8Ud")
///     .participant_id("q7Rk2ZpLw0Xe")
///     .build()?;
/// let config = PaginationConfig::default().max_items(100).page_size(50);
/// let mut pages = Paginator::new(&client).paginate(input, &config);
/// while let Some(page) = pages.next().await {
///     println!("{} replicas", page?.replicas().len());
/// }
/// println!("resume with {:?}", pages.resume_token());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Paginator(Client);

impl Paginator {
    /// Paginators over a client; it is cheap to clone, and cloned here.
    #[must_use]
    pub fn new(client: &Client) -> Self {
        Self(client.clone())
    }

    /// Begins a pagination: a stream of the operation's outputs. Nothing is requested yet, so what
    /// is wrong with the settings is the stream's first element.
    pub fn paginate<I: ListInput>(
        &self,
        input: I,
        config: &PaginationConfig,
    ) -> Pages<TypedList<I::Builder>> {
        input.into_builder(&self.0).paginate(config)
    }
}

/// The input of a list operation.
pub trait ListInput {
    /// The operation's fluent builder; its implementation of [`Paginated`] describes the list.
    type Builder: Paginated;

    /// The builder with everything this input has.
    fn into_builder(self, client: &Client) -> Self::Builder;
}

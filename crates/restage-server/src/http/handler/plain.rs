//! The operations on plain resources. They are the same for every kind; [`PlainShapes`] has the requests and answers
//! of a kind.

use restage_api::shape::{ByArn, Paged};
use restage_api::{ApiError, Request};
use restage_core::command::Command;
use restage_core::id::ArnId as _;
use restage_core::row::{Plain, PlainId, PlainRow};
use restage_core::{Arn, Reply};
use restage_store::system::ids;

use super::super::App;
use super::super::api::Caller;
use super::{Missing, Paging, answer, arn, check_owner, empty, execute, own_region, store_failed};

/// The API's shapes of a kind of plain resource.
pub(super) trait PlainShapes: Plain {
    type Create: Request;
    type Get: Request + ByArn;
    type List: Request + Paged;
    type Delete: Request + ByArn;

    /// The requested row. The rules set its time of creation.
    fn new(arn: Arn<Self::Id>, request: Self::Create) -> Result<Self, ApiError>;

    /// Checks what the rules cannot see before the row is created.
    fn check(&self, _app: &App) -> impl Future<Output = Result<(), ApiError>> + Send {
        async { Ok(()) }
    }

    /// The answer of the Create operation.
    fn created(&self) -> Result<<Self::Create as Request>::Response, ApiError>;

    /// The answer of the Get operation.
    fn got(&self) -> Result<<Self::Get as Request>::Response, ApiError>;

    /// A page of a list.
    fn listed(rows: &[Self], next_token: Option<String>) -> <Self::List as Request>::Response;
}

pub(super) async fn create<R: PlainShapes>(
    app: &App,
    caller: &Caller,
    body: &[u8],
) -> Result<String, ApiError> {
    let request = R::Create::parse(body)?;
    let row = R::new(ids::resource(&caller.account, &caller.region), request)?;
    row.check(app).await?;
    let command = Command::CreateResource { row: row.into() };
    let created = match execute(app, caller, command).await? {
        Reply::Plain(row) => R::take(row),
        _ => None,
    };
    let row = created.ok_or_else(|| {
        let what = R::KIND.name();
        ApiError::internal_server(format!("the rules gave no {what} for its creation"))
    })?;
    answer(&row.created()?)
}

pub(super) async fn get<R: PlainShapes>(
    app: &App,
    caller: &Caller,
    body: &[u8],
) -> Result<String, ApiError> {
    let request = R::Get::parse(body)?;
    let arn: Arn<R::Id> = arn("arn", request.arn())?;
    let arn = arn.with_id(Into::into);
    let row = row_of(app, caller, "arn", &arn).await?;
    let row = R::take(row).ok_or_else(|| missing(caller, &arn))?;
    answer(&row.got()?)
}

pub(super) async fn list<R: PlainShapes>(
    app: &App,
    caller: &Caller,
    body: &[u8],
) -> Result<String, ApiError> {
    let request = R::List::parse(body)?;
    let (next_token, max_results) = request.page();
    let paging = Paging::new(app, caller, R::List::OPERATION, &[]);
    let after = paging.start(next_token)?;
    let page = app
        .control
        .store()
        .list_plain::<R>(&caller.account, &caller.region, after, max_results)
        .await
        .map_err(store_failed)?;
    let last = page.rows.last();
    let last = last.map(|row| (row.created_at(), row.id().text()));
    let next_token = paging.next(page.more, last);
    answer(&R::listed(&page.rows, next_token))
}

pub(super) async fn delete<R: PlainShapes>(
    app: &App,
    caller: &Caller,
    body: &[u8],
) -> Result<String, ApiError> {
    let request = R::Delete::parse(body)?;
    let arn: Arn<R::Id> = arn("arn", request.arn())?;
    own_region(caller, "arn", arn.clone())?;
    let resource = arn.with_id(Into::into);
    execute(app, caller, Command::DeleteResource { resource }).await?;
    empty()
}

/// The caller's plain resource of any kind.
pub(super) async fn row_of(
    app: &App,
    caller: &Caller,
    member: &str,
    arn: &Arn<PlainId>,
) -> Result<PlainRow, ApiError> {
    check_owner(caller, member, &arn.account)?;
    let row = app
        .control
        .store()
        .get_plain_row(&arn.id)
        .await
        .map_err(store_failed)?;
    let here = arn.region == caller.region;
    row.filter(|row| here && (row.account(), row.region()) == (&*arn.account, &*arn.region))
        .ok_or_else(|| missing(caller, arn))
}

fn missing(caller: &Caller, arn: &Arn<PlainId>) -> ApiError {
    let what = arn.id.of_kind().name();
    Missing::NotFound.error(&format!("{what} {arn} in region {}", caller.region))
}

//! What every request meets first: requests of the API go to their operation at once, all others through the router,
//! which looks among many routes and boxes what it finds.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use restage_api::Operation;

use super::{App, api, metrics, router};

/// An answer: the API's are whole when they begin.
type Body = Either<Full<Bytes>, axum::body::Body>;

/// Serves requests. Clones serve the same.
#[derive(Clone)]
pub(crate) struct Front {
    app: App,
    router: TowerToHyperService<Router>,
}

impl Front {
    pub(crate) fn of(app: App) -> Self {
        Self {
            router: TowerToHyperService::new(router(Arc::clone(&app))),
            app,
        }
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let operation = Operation::resolve(request.method().as_str(), request.uri().path());
        let Some(operation) = operation else {
            let answer = self.router.call(request);
            return Box::pin(async { Ok(answer.await?.map(Either::Right)) });
        };
        let app = Arc::clone(&self.app);
        Box::pin(async move {
            let method = request.method().clone();
            let answer = api::serve(&app, operation, request);
            let response = metrics::counted(&app, metrics::API_ROUTE.into(), &method, answer).await;
            Ok(response.map(Either::Left))
        })
    }
}

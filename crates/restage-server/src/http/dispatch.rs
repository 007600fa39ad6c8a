//! The first stage of every request. API requests go directly to their operation. All others go through one of two
//! routers, which is slower because a router searches many routes and boxes the result: one router for participants,
//! whose pages may have any origin, and one for everything else.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use restage_api::Call;

use super::door::Client;
use super::listener::Arriving;
use super::{App, address, api, media_router, metrics, router, secure};

/// The body of an answer; API answers are complete before they are sent.
type Body = Either<Full<Bytes>, axum::body::Body>;

/// An answer that is being made.
type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// Serves requests. Clones share the same state.
#[derive(Clone)]
pub(crate) struct Front {
    app: App,
    router: TowerToHyperService<Router>,
    media: TowerToHyperService<Router>,
}

impl Front {
    pub(crate) fn of(app: App) -> Self {
        Self {
            router: TowerToHyperService::new(router(Arc::clone(&app))),
            media: TowerToHyperService::new(media_router(Arc::clone(&app))),
            app,
        }
    }

    /// The router that knows the path, or whose error for unknown paths fits best.
    fn routed(&self, request: &mut Request<Arriving>) -> &TowerToHyperService<Router> {
        let path = request.uri().path();
        let path = address::beyond(&self.app.base_path, path).unwrap_or(path);
        if !address::is_media(path) {
            return &self.router;
        }
        address::tidy(request);
        &self.media
    }

    /// Answers a request that may be answered over its connection.
    fn answer(&self, mut request: Request<Arriving>) -> Answering {
        let call = Call::resolve(request.method().as_str(), request.uri().path());
        let looked = self.app.door.look(&mut request);
        let Some(call) = call else {
            let place = looked.unwrap_or_else(|unfit| {
                // The router's first layer answers it, in the form that belongs to its path.
                request.extensions_mut().insert(unfit);
                None
            });
            let answer = self.routed(&mut request).call(request);
            return Box::pin(async {
                let answer = answer.await?.map(Either::Right);
                drop(place);
                Ok(answer)
            });
        };
        let app = Arc::clone(&self.app);
        Box::pin(async move {
            let method = request.method().clone();
            let client = request.extensions().get::<Client>().copied();
            let answer = api::serve(&app, call, request, looked);
            let response = metrics::counted(&app, &method, client, answer).await;
            Ok(response.map(Either::Left))
        })
    }
}

impl Service<Request<Arriving>> for Front {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Arriving>) -> Self::Future {
        let Some(secure) = &self.app.secure else {
            return self.answer(request);
        };
        if let Some(instead) = secure.instead(&request, self.app.door.proxies()) {
            let answer = metrics::redirected(&self.app, request.method(), instead);
            return Box::pin(async { Ok(answer.map(Either::Right)) });
        }
        if !secure.tells_to_stay(&request) {
            return self.answer(request);
        }
        let answer = self.answer(request);
        Box::pin(async {
            let mut answer = answer.await?;
            secure::tell_to_stay(&mut answer);
            Ok(answer)
        })
    }
}

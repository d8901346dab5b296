//! The table of routes: every path with its methods. Whatever is not in it is answered with the table.

use axum::{
    Router,
    extract::Request,
    handler::Handler,
    routing::{self, MethodRouter},
};
use http::{HeaderValue, Method, StatusCode, header};

use super::{
    Answer, Context, Json, catalogue, clock, control, events, information, messages, spaces, subscriptions,
    user_agents, wait,
};
use crate::wire::problem::Problem;

/// In front of every path.
const BASE: &str = "/api/v1";

/// Methods and handlers of one path.
struct Route {
    path: &'static str,
    methods: Vec<Method>,
    handlers: MethodRouter<Context>,
}

/// One path without methods yet.
fn at(path: &'static str) -> Route {
    Route { path, methods: Vec::new(), handlers: MethodRouter::new() }
}

impl Route {
    fn get<H: Handler<T, Context>, T: 'static>(self, handler: H) -> Self {
        self.with(Method::GET, |handlers| handlers.get(handler))
    }

    fn post<H: Handler<T, Context>, T: 'static>(self, handler: H) -> Self {
        self.with(Method::POST, |handlers| handlers.post(handler))
    }

    fn patch<H: Handler<T, Context>, T: 'static>(self, handler: H) -> Self {
        self.with(Method::PATCH, |handlers| handlers.patch(handler))
    }

    fn delete<H: Handler<T, Context>, T: 'static>(self, handler: H) -> Self {
        self.with(Method::DELETE, |handlers| handlers.delete(handler))
    }

    fn with(
        mut self,
        method: Method,
        add: impl FnOnce(MethodRouter<Context>) -> MethodRouter<Context>,
    ) -> Self {
        self.methods.push(method);
        self.handlers = add(self.handlers);
        self
    }
}

fn table() -> Vec<Route> {
    let table = routes();
    #[cfg(feature = "browsers")]
    let table = table.into_iter().chain(of_browsers()).collect();
    table
}

#[cfg(feature = "browsers")]
fn of_browsers() -> [Route; 2] {
    [
        at("/browsers/firefox").get(super::browsers::firefox),
        at("/browsers/chromium").get(super::browsers::chromium),
    ]
}

fn routes() -> Vec<Route> {
    vec![
        at("/subscriptions").get(subscriptions::list).post(subscriptions::create),
        at("/subscriptions/{id}")
            .get(subscriptions::show)
            .patch(subscriptions::change)
            .delete(subscriptions::remove),
        at("/subscriptions/{id}/expire").post(subscriptions::expire),
        at("/subscriptions/{id}/rotate").post(subscriptions::rotate),
        at("/user-agents").get(user_agents::list),
        at("/user-agents/{id}").get(user_agents::show).patch(user_agents::change),
        at("/user-agents/{id}/control").post(control::control),
        at("/messages").get(messages::list).delete(messages::forget_matching),
        at("/messages/{id}").get(messages::show).delete(messages::forget),
        at("/messages/{id}/raw").get(messages::raw),
        at("/messages/{id}/payload").get(messages::payload),
        at("/messages/{id}/curl").get(messages::curl),
        at("/messages/{id}/http").get(messages::http),
        at("/messages/{id}/deliver").post(messages::deliver),
        at("/messages/{id}/acknowledge").post(messages::acknowledge),
        at("/messages/{id}/discard").post(messages::discard),
        at("/messages/{id}/replay").post(messages::replay),
        at("/wait").post(wait::wait),
        at("/verify").post(wait::verify),
        at("/clock").get(clock::show).post(clock::change),
        at("/spaces").get(spaces::list).post(spaces::create),
        at("/spaces/{name}").delete(spaces::remove),
        at("/reset").post(spaces::reset),
        at("/events").get(events::events),
        at("/info").get(information::info),
        at("/sink").get(information::sink),
        at("/keys").get(information::keys),
        at("/inspect").post(catalogue::inspect),
        at("/findings").get(catalogue::findings),
        at("/findings/{*code}").get(catalogue::finding),
        at("/profiles").get(catalogue::profiles),
        at("/profiles/{name}").get(catalogue::profile),
    ]
}

/// All routes as a router.
pub(super) fn router(context: Context) -> Router {
    let mut router = Router::new();
    for route in table() {
        let methods = route.methods;
        // Every `GET` answers `HEAD` as well.
        let wrong = move |request: Request| {
            let answer = wrong_method(&methods, request.method());
            async move { answer }
        };
        router = router.route(&format!("{BASE}{}", route.path), route.handlers.fallback(wrong));
    }
    router.route(BASE, routing::get(index)).fallback(unknown).with_state(context)
}

/// `GET /api/v1`: the table.
async fn index() -> Answer {
    Json::ok(serde_json::json!({ "routes": listed() }))
}

/// Every route as `METHOD /path`.
fn listed() -> Vec<String> {
    let of_route = |route: &Route| -> Vec<String> {
        route.methods.iter().map(|method| format!("{method} {BASE}{}", route.path)).collect()
    };
    table().iter().flat_map(of_route).collect()
}

async fn unknown(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::new(StatusCode::NOT_FOUND, "api/not-found", "No such route")
        .detail(format!("{} is no route of the API", path.escape_debug()))
        .fix("use one of the routes listed here")
        .with("routes", listed())
}

fn wrong_method(allowed: &[Method], seen: &Method) -> axum::response::Response {
    let names = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "api/method", "Method not allowed")
        .detail(format!("{seen} cannot be done here, {names} can"))
        .fix(format!("use {names}"));
    let mut answer = axum::response::IntoResponse::into_response(problem);
    if let Ok(value) = HeaderValue::from_str(&names) {
        answer.headers_mut().insert(header::ALLOW, value);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_stands_in_the_table_twice() {
        let mut paths: Vec<_> = table().iter().map(|route| route.path).collect();
        let count = paths.len();
        paths.sort_unstable();
        paths.dedup();

        assert_eq!(paths.len(), count);
    }
}

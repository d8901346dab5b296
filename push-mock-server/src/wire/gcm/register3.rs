//! Registration: a Chromium subscribes and unsubscribes (GCM-007 to GCM-016).
//!
//! What is refused for good is answered with an error that `subscribe()` shows at once; the others are tried again for
//! minutes, so they are left for what passes.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use push_crypto::base64url;
use sha2::{Digest as _, Sha256};

use super::{
    answer,
    checkin::only_post,
    form::{self, AidLogin, Asked, Subscribe},
    instead, label, read_limits,
};
use crate::{
    error::ServiceError,
    ids::UserAgentId,
    service::{
        attached::{Moment, NewChannel, Unregistered},
        subscription::AgentKind,
    },
    space::SpaceName,
    wire::{
        Wire,
        body::{self, Body, Read},
        listener::LeavesBodyUnread,
        problem::Problem,
    },
};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// In front of a token in the path of a push resource.
const PATH: &str = "/fcm/send/";

/// Answers a registration; `space` is an error when the path names none that can be.
pub(crate) async fn respond(
    wire: &Arc<Wire>,
    space: Result<SpaceName, Problem>,
    request: Request<Incoming>,
) -> Response<Body> {
    if *request.method() != Method::POST {
        return only_post();
    }
    let space = match space {
        Ok(space) => space,
        Err(problem) => return refused("INVALID_PARAMETERS", &problem.detail),
    };
    let label = label(request.uri().query());
    let field = request.headers().get(header::AUTHORIZATION).and_then(|field| field.to_str().ok());
    let login = field.and_then(AidLogin::read);
    let form = match body::read(request.into_body(), read_limits(wire)).await {
        Read::Whole(form) => form,
        Read::TooLarge { .. } => {
            return unread(refused("INVALID_PARAMETERS", "the form is over gcm_form; raise the limit"));
        }
        Read::TimedOut | Read::Broken => return unread(failed("the form was cut, or came too slowly")),
    };
    let Some(login) = login else {
        return refused("INVALID_PARAMETERS", "no Authorization: AidLogin with the pair of the check-in");
    };
    match form::read(&form, &login) {
        Err(error) => refused(error.code(), &error.to_string()),
        // A test's controls are meant for subscriptions; Chromium sends this one beside the first of them.
        Ok(Asked::Own) => token(&own_token(&login)),
        Ok(asked) => {
            Registration { wire, space: space_of(wire, space, &login), login, label }.carry_out(asked).await
        }
    }
}

/// The space of the login, since the push connection names nothing else; that of the path where it is the same.
fn space_of(wire: &Wire, path: SpaceName, login: &AidLogin) -> SpaceName {
    if u64::from(path.id().0) == login.android_id >> 32 {
        return path;
    }
    let space = wire.service.space_of_android(login.android_id);
    if space != path {
        tracing::warn!(
            path = path.as_str(),
            space = space.as_str(),
            "a Chromium registers in another space than it checked in at: its profile is an older one; start it with a fresh profile"
        );
    }
    space
}

struct Registration<'a> {
    wire: &'a Wire,
    space: SpaceName,
    login: AidLogin,
    label: Option<String>,
}

impl Registration<'_> {
    async fn carry_out(self, asked: Asked) -> Response<Body> {
        let agent = UserAgentId::from_android(self.login.android_id);
        let moment = match &asked {
            Asked::Unsubscribe(_) => Moment::Unregister,
            Asked::Own | Asked::Subscribe(_) => Moment::Register,
        };
        let effects = self.wire.service.effects(&self.space, AgentKind::Chromium, Some(agent), moment);
        if let Some(response) = instead(effects, TEXT).await {
            tracing::info!(moment = moment.as_str(), "a test answers the registration of a Chromium");
            return response;
        }
        match asked {
            Asked::Own => token(&own_token(&self.login)),
            Asked::Subscribe(asked) => self.subscribe(agent, asked).await,
            Asked::Unsubscribe(subtype) => self.unsubscribe(agent, &subtype).await,
        }
    }

    async fn subscribe(self, agent: UserAgentId, asked: Subscribe) -> Response<Body> {
        let channel = NewChannel {
            name: asked.subtype,
            app: Some(asked.app),
            sender: Some(asked.sender),
            application_server_key: Some(asked.key),
            secret: Some(self.login.security_token),
            label: self.label,
            version: None,
        };
        match self.wire.service.register_channel(&self.space, AgentKind::Chromium, agent, channel).await {
            Ok(registered) => {
                tracing::info!(label = registered.label, "a Chromium subscribed");
                token(registered.path.strip_prefix(PATH).unwrap_or(&registered.path))
            }
            Err(error) => not_registered(&error),
        }
    }

    /// The same for what is not there: the browser has done with it (GCM-015).
    async fn unsubscribe(self, agent: UserAgentId, subtype: &str) -> Response<Body> {
        let service = &self.wire.service;
        match service
            .unregister_channel(
                &self.space,
                agent,
                Some(self.login.security_token),
                subtype,
                Unregistered::Unsubscribed,
            )
            .await
        {
            Ok(was_there) => {
                tracing::info!(was_there, "a Chromium unsubscribed");
                let plain = |character: &char| character.is_ascii_graphic();
                token(&subtype.chars().filter(plain).collect::<String>())
            }
            Err(error) => not_registered(&error),
        }
    }
}

fn not_registered(error: &ServiceError) -> Response<Body> {
    let detail = error.to_string();
    match error {
        ServiceError::Limit { .. } => refused("TOO_MANY_REGISTRATIONS", &detail),
        ServiceError::Store(_) | ServiceError::Internal { .. } => failed(&detail),
        // Its text may name the subscription.
        _ => refused("INVALID_PARAMETERS", error.code()),
    }
}

/// Everything behind the sign is the token, so there is no line end (GCM-008).
fn token(token: &str) -> Response<Body> {
    answer(StatusCode::OK, TEXT, format!("token={token}").into_bytes())
}

/// For good: `subscribe()` rejects at once.
fn refused(code: &'static str, why: &str) -> Response<Body> {
    tracing::warn!(code, why = %why.escape_debug(), "the registration of a Chromium is refused");
    answer(StatusCode::OK, TEXT, format!("Error={code}").into_bytes())
}

/// For now: Chromium tries again.
fn failed(why: &str) -> Response<Body> {
    tracing::warn!(why = %why.escape_debug(), "the registration of a Chromium failed; it tries again");
    answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, b"Error=InternalServerError".to_vec())
}

fn unread(mut response: Response<Body>) -> Response<Body> {
    response.extensions_mut().insert(LeavesBodyUnread);
    response
}

/// A token that opens nothing here (GCM-007): the same for the same browser, and no key to anything.
fn own_token(login: &AidLogin) -> String {
    let digest = Sha256::new()
        .chain_update("token of the browser itself")
        .chain_update(login.android_id.to_be_bytes())
        .chain_update(login.security_token.to_be_bytes())
        .finalize();
    format!("browser:{}", base64url::encode(&digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GCM-012, GCM-013: only what passes is answered with an error that is tried again.
    #[test]
    fn errors_of_the_service_are_final_unless_they_pass() {
        let limit = ServiceError::Limit { name: "subscriptions", limit: 1 };
        let internal = ServiceError::Internal { detail: "no randomness" };

        assert_eq!(not_registered(&limit).status(), StatusCode::OK);
        assert_eq!(not_registered(&internal).status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn a_browsers_own_token_depends_on_both_names() {
        let login = AidLogin { android_id: 1, security_token: 2 };
        let tokens = [login, AidLogin { android_id: 2, ..login }, AidLogin { security_token: 3, ..login }];
        let tokens = tokens.map(|login| own_token(&login));

        assert_eq!(tokens[0], own_token(&login));
        assert!(tokens[0] != tokens[1] && tokens[0] != tokens[2]);
        assert!(tokens[0].chars().all(|one| one.is_ascii_alphanumeric() || "-_:".contains(one)));
    }
}

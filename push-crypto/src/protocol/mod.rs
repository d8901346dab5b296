//! The vocabulary that every crate shares: the standards' own terms, as types that hold only legal values.

mod content_coding;
mod declarative;
mod keys;
mod point;
mod push_resource;
mod subscription;
mod timestamp;
mod topic;
mod ttl;
mod urgency;
mod url_check;

pub use content_coding::{ContentCoding, UnknownCoding};
pub use declarative::{
    AppBadge, Declarative, DeclarativeAction, DeclarativeNotification, DeclarativeProblem,
    DeclarativeReading, TextDirection,
};
pub use keys::{AuthSecret, KeyError, PrivateKey, SubscriptionKeys, UserAgentKeys};
pub use point::{PointError, PublicKey};
pub use push_resource::{Origin, PushResource, PushResourceError, Scheme};
pub use subscription::{Parsed, Subscription, SubscriptionError, SubscriptionRemark};
pub use timestamp::Timestamp;
pub use topic::{Topic, TopicError};
pub use ttl::{Ttl, TtlError};
pub use urgency::{Urgency, UrgencyError};
